"""The witness over HTTP: on the standard library's server, or as a WSGI application under any other.

    POST /add-checkpoint                      what the specification says
    GET  /SHA256_OF_ORIGIN/checkpoint         the newest cosigned checkpoint, for monitors
    GET  /                                    the witness's key, in plain text

Answers are small and requests bounded: in size, in time, and in how many are served at once.
"""

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ledger.errors import LedgerError
from ledger.witness.core import Answer, Witness

MAX_BODY_BYTES = 128 * 1024
MAX_CONNECTIONS = 64
IDLE_SECONDS = 30.0
LIFETIME_SECONDS = 300.0


def respond(witness: Witness, method: str, path: str, body: bytes) -> Answer:
    """Answer one request. `path` is without the query; a failure of the witness's own is a 503."""
    try:
        if path == "/add-checkpoint":
            return witness.add_checkpoint(body) if method == "POST" else Answer(405, "use POST\n")
        origin_hash, _, rest = path.removeprefix("/").partition("/")
        if method not in ("GET", "HEAD"):
            return Answer(405, "use GET\n")
        if rest == "checkpoint":
            return witness.newest(origin_hash)
        if path == "/":
            return Answer(200, witness.cosigner.verifier.to_vkey() + "\n")
        return Answer(404, "there is nothing here\n")
    except LedgerError as error:
        return Answer(503, f"{error}\n")


def make_application(witness: Witness) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """Return the witness as a WSGI application, for a server of one's own choice."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = str(environ.get("CONTENT_LENGTH") or "0")
        refusal = _refuse_length(length)
        if refusal is None:
            body = environ["wsgi.input"].read(int(length))
            answer = respond(witness, environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/", body)
        else:
            answer = refusal
        data = answer.body.encode()
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(data)))]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [data]

    return application


class WitnessServer(ThreadingHTTPServer):
    """Serves a witness on an address, a thread a connection, with keep-alive."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # Whoever sends a byte now and then must not hold a place for ever.
        end = threading.Timer(LIFETIME_SECONDS, _cut_off, [request])
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: whoever breaks a connection off does not fill this machine's log."""


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    server_version = "witness"
    sys_version = ""
    timeout = IDLE_SECONDS
    # Without this an answer waits for the acknowledgement of its own header.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0" if self.command in ("GET", "HEAD") else "")
        refusal = Answer(411, "send a Content-Length\n") if "Transfer-Encoding" in self.headers else None
        refusal = refusal or _refuse_length(length)
        if refusal is None:
            body = self.rfile.read(int(length))
            answer = respond(self.server.witness, self.command, self.path.partition("?")[0], body)
        else:
            # What was announced is not read, so nothing else can follow on this connection.
            answer, self.close_connection = refusal, True
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        data = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # The standard library's name.
        """Stay silent; what a witness must not forget is in its state."""


def _cut_off(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


def _refuse_length(length: str) -> Answer | None:
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        return Answer(411, "send a Content-Length\n")
    if int(length) > MAX_BODY_BYTES:
        return Answer(413, f"a request has at most {MAX_BODY_BYTES} bytes\n")
    return None
