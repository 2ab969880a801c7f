"""What the tests of the command line share: the shape of a failure, and servers to speak to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from click.testing import Result
from flask import Flask
from werkzeug.serving import make_server


def one_sentence(result: Result) -> str:
    """Return what standard error says, having checked that it is an error in one line and no traceback."""
    assert result.exit_code == 1, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    assert lines[0].endswith(".")
    return lines[0]


def wrong_usage(result: Result) -> str:
    """Return the last line of what is said about wrong usage, which has the exit code 2."""
    assert result.exit_code == 2, (result.output, result.exception)
    return result.stderr.strip().splitlines()[-1]


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve an application on a free port and yield its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    with _running(server) as address:
        yield address


@contextmanager
def answering(*answers: tuple[int, str, bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Serve these (status, content type, body) in turn, the last one for ever; yield the address and the bodies received."""
    left, received = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            received.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            status, kind, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - names that http.server asks for

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with _running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield address, received


@contextmanager
def _running(server: Any) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
