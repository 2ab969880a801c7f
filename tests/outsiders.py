"""Parties outside the exchange, run for tests: a time-stamping authority and witnesses, on loopback only."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ledger.note import ED25519_COSIGNATURE
from ledger.witness.core import Witness
from ledger.witness.folder import Folder
from ledger.witness.server import WitnessServer
from ledger.witness.state import State

_ROOT = Path(__file__).resolve().parent.parent
# `certs` stays out: with it OpenSSL writes a SET in an order that strict readers refuse.
_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = unused
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[signer]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa]
serial = ./serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
"""


class Authority:
    """A time-stamping authority made of `openssl ts`, with a root of its own, behind an HTTP server.

    `answer` may be set to a function that gets the query and gives the body and status instead.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.answer: Callable[[bytes], tuple[int, bytes]] | None = None
        self.queries: list[bytes] = []
        (folder / "openssl.cnf").write_text(_CONFIG)
        (folder / "serial").write_text("01")
        self._openssl("ecparam -name prime256v1 -genkey -noout -out root.key")
        self._openssl(
            "req -x509 -new -key root.key -subj /CN=Root -days 3 -config openssl.cnf -extensions root -out root.pem"
        )
        self._certify("signer", "signer")
        self._turn = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/tsa"

    @property
    def root(self) -> Path:
        """The certificate to pin."""
        return self.folder / "root.pem"

    def reply(self, query: bytes, signer: str = "signer") -> bytes:
        """Return the reply to a query, signed by a certificate of this authority."""
        with self._turn:
            (self.folder / "query").write_bytes(query)
            self._openssl(
                f"ts -reply -queryfile query -config openssl.cnf -section tsa -signer {signer}.pem -inkey {signer}.key -out reply"
            )
            return (self.folder / "reply").read_bytes()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _certify(self, name: str, extensions: str) -> None:
        self._openssl(f"ecparam -name prime256v1 -genkey -noout -out {name}.key")
        self._openssl(f"req -new -key {name}.key -subj /CN={name} -config openssl.cnf -out {name}.csr")
        self._openssl(
            f"x509 -req -in {name}.csr -CA root.pem -CAkey root.key -CAcreateserial -days 3 -extfile openssl.cnf -extensions {extensions} -out {name}.pem"
        )

    def _openssl(self, arguments: str) -> None:
        subprocess.run(["openssl", *arguments.split()], cwd=self.folder, check=True, capture_output=True, timeout=30)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                authority.queries.append(query)
                status, body = authority.answer(query) if authority.answer else (200, authority.reply(query))
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


@dataclass
class WitnessProcess:
    """A witness that runs as a process of its own."""

    process: subprocess.Popen[str]
    url: str
    vkey: str
    folder: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class LocalWitness:
    """A witness that is served by a thread of this process; `kill` and `start` end it and bring it back."""

    def __init__(self, folder: Path, log: str, name: str = "auditor.example/w1") -> None:
        self.folder = Folder(folder)
        self._cosigner = self.folder.create(name, ED25519_COSIGNATURE)
        self.folder.trust(log)
        self.vkey = self._cosigner.verifier.to_vkey()
        self._port = 0
        self._server: WitnessServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        witness = Witness(self.folder.state(), self._cosigner, self.folder.logs(), found=self.folder.keep_proof)
        self._server = WitnessServer(("127.0.0.1", self._port), witness)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def kill(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None


def auditors_tool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m ledger` in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "ledger", *map(str, arguments)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def run_witness(
    folder: Path, log: str, name: str = "auditor.example/w1", listen: str = "127.0.0.1:0"
) -> WitnessProcess:
    """Make a witness of a log (its vkey) in a folder, where there is none yet, and start it."""
    if not folder.exists():
        assert auditors_tool("witness", "init", folder, "--name", name).returncode == 0
        assert auditors_tool("witness", "trust", folder, log).returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "ledger", "witness", "serve", str(folder), "--listen", listen],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(_ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    words = process.stdout.readline().split()
    if not words:
        raise AssertionError(process.communicate()[1])
    return WitnessProcess(process, words[2], State(folder / "witness.db").vkey, folder)
