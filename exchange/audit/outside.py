"""For outsiders, without login: the newest checkpoint, who vouches for it, and how to copy and check the whole log."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, render_template, request

from exchange import extensions
from exchange.access import Permission
from exchange.audit import service
from exchange.audit.web import blueprint
from exchange.errors import InvalidInputError
from exchange.web import requires, services
from ledger.tiles.layout import tiles_of

_LISTS_PER_MINUTE = 60
_LINES = 1000


@blueprint.get("/audit/outside")
@requires(Permission.PUBLIC)
def outside() -> str:
    """Show what an outsider needs to hold the log to account."""
    log = services().log
    return render_template(
        "audit/outside.html",
        head=service.head(log),
        note=log.checkpoint(),
        site=services().settings.public_url,
    )


@blueprint.get("/audit/outside/files")
@extensions.limiter.limit(lambda: f"{_LISTS_PER_MINUTE} per minute")
@requires(Permission.PUBLIC)
def files() -> Response:
    """List the addresses of the tiles of a log of `size` entries, one a line; with `since`, without those that were full then."""
    newest = services().log.latest().size
    size, since = _size("size", newest, newest), _size("since", 0, newest)
    site = services().settings.public_url

    def lines() -> Iterator[str]:
        block = []
        for tile in tiles_of(size, since):
            block.append(f"{site}/{tile.path()}\n")
            if len(block) == _LINES:
                yield "".join(block)
                block = []
        yield "".join(block)

    return Response(lines(), mimetype="text/plain")


def _size(name: str, default: int, newest: int) -> int:
    given = request.args.get(name, "")
    if not given:
        return default
    if not (given.isascii() and given.isdigit()) or len(given) > 19 or int(given) > newest:
        raise InvalidInputError(
            (f"The log has no {name} like that.", f"账本没有这样的记录数（{name}）。"),
            (f"Use a number from 0 to {newest}, the size of the newest checkpoint.", f"请使用 0 至 {newest} 之间的数，{newest} 为最新检查点的记录数。"),
            field=name,
        )  # fmt: skip
    return int(given)
