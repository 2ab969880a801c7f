"""Stored files over the API, on the catalogue's blueprint, for the firm whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from flask import Response

from exchange.access import Permission
from exchange.catalog.api import blueprint
from exchange.catalog.sealed import BLOCK
from exchange.catalog.versions import open_version, own_version
from exchange.web import current_actor, reading, requires, run, services


@blueprint.get("/versions/<version>/files/<int:number>")
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="application/vnd.apache.parquet")
@requires(Permission.DATASET_WRITE)
def file(version: str, number: int) -> Response:
    """Give a stored file of one's own published version, opened; each time is recorded."""
    return send(version, number)


def send(version: str, number: int) -> Response:
    """Return a stored file as a download whose ETag is the SHA-256 that the version's entry names; its entry comes first."""
    taken = run("catalog.read_file", version=version, number=number).result
    row = own_version(reading(), current_actor(), version)
    stream = open_version(services(), reading(), row)[taken["position"]]()
    table = row.kind == "table"
    response = Response(
        _blocks(stream), mimetype="application/vnd.apache.parquet" if table else "application/octet-stream"
    )
    response.call_on_close(stream.close)
    response.headers["Content-Length"] = str(taken["size"])
    response.headers["ETag"] = f'"{taken["digest"].removeprefix("sha256:")}"'
    response.headers.set("Content-Disposition", "attachment", filename=taken["name"])
    return response


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while block := stream.read(BLOCK):
            yield block
