"""The log as static files (C2SP tlog-tiles), for mirrors, monitors and other people's verifiers; without login.

Everything in them is public: entries hold commitments only. A tile never changes, so whoever has it may keep it for ever.
What no signed checkpoint covers is not there yet.
"""

from __future__ import annotations

import gzip

from flask import Response, request

from exchange import extensions
from exchange.access import Permission
from exchange.audit.web import blueprint
from exchange.errors import NotFoundError
from exchange.web import requires, services
from ledger.errors import NotFoundError as NotOnLedgerError
from ledger.errors import ProofError
from ledger.tiles.bucket import FOR_EVER, TILE_TYPE
from ledger.tiles.layout import Tile
from ledger.tiles.publish import tile_bytes

# For each address: a mirror has a million entries in seven minutes, and nobody keeps the exchange busy alone.
PER_MINUTE = 1200


@blueprint.get("/tile/<path:name>")
@extensions.limiter.limit(lambda: f"{PER_MINUTE} per minute")
@requires(Permission.PUBLIC)
def tile(name: str) -> Response:
    """Give a tile of hashes or a bundle of entries. What the log does not hold (yet) is 404, and is not to be kept."""
    log = services().log
    try:
        found = Tile.parse(f"tile/{name}")
        data = tile_bytes(log.storage, found, log.latest().size)
    except (ProofError, NotOnLedgerError) as error:
        raise NotFoundError() from error
    response = Response(data, content_type=TILE_TYPE)
    if found.level is None:
        # Entries in JSON take a third of the room; hashes do not compress.
        response.headers["Vary"] = "Accept-Encoding"
        if request.accept_encodings["gzip"] > 0:
            response.set_data(gzip.compress(data, 5, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = FOR_EVER
    response.add_etag()
    return response.make_conditional(request)
