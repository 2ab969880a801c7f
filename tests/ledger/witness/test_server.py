"""The witness over HTTP, under WSGI and as a process: bounded, concurrent, and true to its word after kill -9."""

import http.client
import io
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.validate import validator

import pytest

from ledger.cosignature import COSIGNER_KINDS, cosignatures
from ledger.errors import SignatureError
from ledger.misbehaviour import Misbehaviour, verify_misbehaviour
from ledger.note import Verifier
from ledger.witness import server as servers
from ledger.witness.client import Reply, WitnessError, submit
from ledger.witness.core import origin_digest
from ledger.witness.folder import Folder, decode_key
from ledger.witness.server import WitnessServer, make_application
from ledger.witness.state import State

from .conftest import LOG, ORIGIN, Setup, Tree


@pytest.fixture
def served(setup: Setup) -> Iterator[str]:
    """The address of a witness that is served in this process."""
    with WitnessServer(("127.0.0.1", 0), setup.witness) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=10)


def post(url: str, body: bytes) -> Reply:
    connection = connect(url)
    try:
        connection.request("POST", urlsplit(url).path, body)
        answer = connection.getresponse()
        return Reply(answer.status, answer.getheader("Content-Type") or "", answer.read())
    finally:
        connection.close()


def test_one_connection_carries_many_requests(served: str, tree: Tree, setup: Setup):
    connection = connect(served)
    for old, new in ((0, 3), (3, 9), (9, 20)):
        connection.request("POST", "/add-checkpoint", tree.request(old, new))
        answer = connection.getresponse()
        assert answer.status == 200
        assert len(cosignatures(tree.signed(new) + answer.read().decode(), setup.witness.cosigner.verifier)) == 1
        assert not answer.will_close
    connection.request("GET", f"/{origin_digest(ORIGIN)}/checkpoint")
    answer = connection.getresponse()
    assert (answer.status, answer.read().decode().split("\n")[1]) == (200, "20")
    connection.request("GET", "/")
    assert connection.getresponse().read().decode() == setup.state.vkey + "\n"
    connection.close()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/add-checkpoint", {}, None, 405),
        ("POST", "/", {}, b"x", 405),
        ("GET", "/nothing", {}, None, 404),
        ("GET", "/../../etc/passwd", {}, None, 404),
        ("PUT", "/add-checkpoint", {}, b"x", 501),
        ("POST", "/add-checkpoint", {"Content-Length": "9999999999999"}, None, 411),
        ("POST", "/add-checkpoint", {"Content-Length": "-1"}, None, 411),
        ("POST", "/add-checkpoint", {"Content-Length": str(servers.MAX_BODY_BYTES + 1)}, None, 413),
        ("POST", "/add-checkpoint", {"Transfer-Encoding": "chunked"}, b"0\r\n\r\n", 411),
        ("POST", "/add-checkpoint", {}, b"", 400),
        ("HEAD", "/", {}, None, 200),
    ],
)
def test_what_is_no_request_is_refused_before_it_is_read(
    served: str, method: str, path: str, headers: dict[str, str], body: bytes | None, status: int
):
    connection = connect(served)
    connection.putrequest(method, path)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None and not headers:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    assert connection.getresponse().status == status
    connection.close()


def test_a_connection_that_says_nothing_does_not_hold_the_others_up(
    setup: Setup, tree: Tree, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(servers, "LIFETIME_SECONDS", 0.3)
    monkeypatch.setattr(servers, "MAX_CONNECTIONS", 3)
    with WitnessServer(("127.0.0.1", 0), setup.witness) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        silent = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(3)]
        for item in silent:
            item.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 10\r\n\r\nold")
        deadline = time.monotonic() + 10
        while True:
            try:
                assert post(f"{url}/add-checkpoint", tree.request(0, 3)).status == 200
                break
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        for item in silent:
            item.close()
        server.shutdown()
        thread.join()


def test_the_same_witness_runs_under_any_wsgi_server(setup: Setup, tree: Tree):
    application = validator(make_application(setup.witness))

    def call(method: str, path: str, body: bytes) -> tuple[str, bytes]:
        started: list[str] = []
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "SERVER_NAME": "w", "SERVER_PORT": "1",
            "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": str(len(body)), "QUERY_STRING": "",
            "wsgi.version": (1, 0), "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.url_scheme": "http",
        }  # fmt: skip
        chunks = application(environ, lambda status, headers, error=None: started.append(status) or (lambda _: None))
        data = b"".join(chunks)
        chunks.close()
        return started[0], data

    assert call("POST", "/add-checkpoint", tree.request(0, 3))[0] == "200 OK"
    assert call("POST", "/add-checkpoint", tree.request(0, 3)) == ("409 Conflict", b"3\n")
    assert call("POST", "/add-checkpoint", b"x" * (servers.MAX_BODY_BYTES + 1))[0].startswith("413")
    assert call("GET", "/", b"")[1].decode().strip() == setup.state.vkey


def test_a_state_that_cannot_be_written_is_said_and_nothing_is_cosigned(setup: Setup, served: str, tmp_path: Path):
    (tmp_path / "witness.db").unlink()
    reply = post(f"{served}/add-checkpoint", Tree().request(0, 3))
    assert reply.status == 503
    assert "—" not in reply.body.decode()


def test_the_log_learns_what_the_witness_has_seen_and_catches_up(served: str, setup: Setup, tree: Tree):
    witness = setup.witness.cosigner.verifier

    def hand_in(size: int, seen: int) -> int:
        return submit(post, served, witness, tree.signed(size), size, seen, tree.path).time

    assert hand_in(5, 0) == 1_700_000_000
    # Nothing known, something old, something too new: each time the witness says where it is.
    for size, seen in ((9, 0), (20, 3), (40, 39), (40, 40)):
        assert hand_in(size, seen) == 1_700_000_000
    with pytest.raises(WitnessError, match="size 40, which is more than this log has: 20") as caught:
        hand_in(20, 20)
    assert caught.value.seen == 40


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(422, "text/plain", b"the proof\nis wrong"), "answered 422: the proof is wrong"),
        (Reply(409, "text/plain", b"5\n"), "answered 409: 5"),
        (Reply(409, "text/x.tlog.size", b"five\n"), "without a size"),
        (Reply(409, "text/x.tlog.size", b"05\n"), "without a size"),
        (Reply(409, "text/x.tlog.size; charset=utf-8", b"1\n"), "another size each time"),
        (Reply(200, "text/plain", b""), "does not hold"),
        (Reply(200, "text/plain", b"<html>"), "does not hold"),
        (Reply(200, "text/plain", b"\xff"), "does not hold"),
        (Reply(200, "text/plain", "— somebody.else AAAAAAAA\n".encode()), "no cosignature of the key"),
        (Reply(503, "text/plain", b""), "answered 503"),
    ],
)
def test_a_witness_that_answers_nonsense_is_refused(reply: Reply, reason: str, tree: Tree, setup: Setup):
    with pytest.raises(WitnessError, match=reason):
        submit(lambda *_: reply, "http://w", setup.witness.cosigner.verifier, tree.signed(9), 9, 0, tree.path)


def test_a_cosignature_of_another_checkpoint_is_not_taken(tree: Tree, setup: Setup):
    line = setup.witness.cosigner.cosign(tree.signed(8).split("\n\n")[0] + "\n", 1)
    reply = Reply(200, "text/plain", (line + "\n").encode())
    with pytest.raises(WitnessError, match="does not hold"):
        submit(lambda *_: reply, "http://w", setup.witness.cosigner.verifier, tree.signed(9), 9, 0, tree.path)


def test_a_witness_process_keeps_its_word_through_kill_9(start_witness: Callable[..., Any], tmp_path: Path, tree: Tree):
    folder = tmp_path / "w"
    acknowledged = 0
    for round_number in range(12):
        witness = start_witness(folder, LOG.to_vkey())
        verifier = Verifier.from_vkey(witness.vkey, COSIGNER_KINDS)
        killer = threading.Timer(0.004 * (round_number + 1), witness.process.kill)
        killer.start()
        try:
            for size in range(acknowledged + 1, tree.size + 1):
                submit(post, witness.url, verifier, tree.signed(size), size, acknowledged, tree.path)
                acknowledged = size
        except (OSError, http.client.HTTPException):
            pass
        killer.join()
        witness.process.wait()
        state = State(folder / "witness.db")
        kept = state.newest().get(ORIGIN)
        assert (kept.size if kept else 0) >= acknowledged
        assert state.proofs() == []
        acknowledged = kept.size if kept else 0
        if acknowledged > tree.size - 5:
            break
    assert acknowledged > 0
    witness = start_witness(folder, LOG.to_vkey())
    forked = Tree("evil", max(acknowledged - 1, 0))
    answer = post(f"{witness.url}/add-checkpoint", forked.request(acknowledged, acknowledged))
    assert answer.status == 422


def test_the_command_line_makes_runs_and_shows_a_witness(
    start_witness: Callable[..., Any], auditors_tool: Callable[..., Any], tmp_path: Path, tree: Tree
):
    folder = tmp_path / "w"
    witness = start_witness(folder, LOG.to_vkey())
    verifier = Verifier.from_vkey(witness.vkey, COSIGNER_KINDS)
    submit(post, witness.url, verifier, tree.signed(13), 13, 0, tree.path)
    assert post(f"{witness.url}/add-checkpoint", Tree("evil", 4).request(13, 40)).status == 422
    witness.process.send_signal(signal.SIGTERM)
    assert witness.process.wait(timeout=10) == 0
    assert witness.process.stderr is not None
    assert witness.process.stderr.read().startswith(f"MISBEHAVIOUR: the log {ORIGIN} signed a tree of size 13")
    (proof,) = (folder / "misbehaviour").glob("*.txt")
    assert verify_misbehaviour(Misbehaviour.parse(proof.read_text("utf-8")), [LOG]).second.size == 40

    shown = auditors_tool("witness", "show", folder)
    assert shown.returncode == 0
    assert f"{ORIGIN}: size 13, cosigned 20" in shown.stdout
    assert "MISBEHAVIOUR" in shown.stdout
    document = json.loads(auditors_tool("witness", "show", folder, "--json").stdout)
    assert document["vkey"] == witness.vkey
    assert [log["size"] for log in document["logs"]] == ["13"]
    assert [item["file"] for item in document["misbehaviour"]] == [str(proof)]


def test_the_command_line_refuses_what_would_be_unsafe(auditors_tool: Callable[..., Any], tmp_path: Path):
    folder = tmp_path / "w"
    made = auditors_tool("witness", "init", folder, "--name", "auditor.example/pq", "--algorithm", "ml-dsa-44")
    assert made.returncode == 0
    assert Verifier.from_vkey(made.stdout, COSIGNER_KINDS).kind == 6
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    again = auditors_tool("witness", "init", folder, "--name", "auditor.example/pq")
    assert (again.returncode, again.stderr) == (2, f"error: {folder} holds a witness already\n")
    assert "names no log" in auditors_tool("witness", "serve", folder).stderr
    assert auditors_tool("witness", "trust", folder, "nonsense").returncode == 2
    assert auditors_tool("witness", "trust", folder, LOG.to_vkey()).returncode == 0
    assert auditors_tool("witness", "trust", folder, LOG.to_vkey()).returncode == 0
    assert (folder / "logs").read_text() == LOG.to_vkey() + "\n"
    assert "not HOST:PORT" in auditors_tool("witness", "serve", folder, "--listen", "8090").stderr
    (folder / "key").chmod(0o644)
    assert "chmod 600" in auditors_tool("witness", "serve", folder, "--listen", "127.0.0.1:0").stderr
    (folder / "witness.db").unlink()
    assert "must not go on" in auditors_tool("witness", "serve", folder).stderr
    assert auditors_tool("witness", "init", tmp_path / "v", "--name", "two words").returncode == 2


def test_a_private_key_is_read_back_and_no_error_quotes_it(tmp_path: Path):
    cosigner = Folder(tmp_path / "w").create("auditor.example/w1", 4)
    text = (tmp_path / "w" / "key").read_text("utf-8").strip()
    assert text.startswith(f"PRIVATE+KEY+auditor.example/w1+{cosigner.verifier.key_hash.hex()}+")
    assert decode_key(text) == cosigner
    secret = text.split("+", 4)[4]  # base64 may itself hold a plus
    name, key_hash = "auditor.example/w1", cosigner.verifier.key_hash.hex()
    for wrong in (
        secret,
        f"PRIVATE+KEY+{name}+{secret}",
        f"PRIVATE+KEY+{name}+00000000+{secret}",
        f"PRIVATE+KEY+{name}+{key_hash}+{secret[:-4]}",
        f"PRIVATE+KEY+{name}+{key_hash}+{secret}=",
        f"PRIVATE+KEY+{name}+{key_hash}+AQ{secret[2:]}",
        f"PRIVATE+KEY+another+{key_hash}+{secret}",
    ):
        with pytest.raises(SignatureError) as caught:
            decode_key(wrong)
        assert secret[:20] not in str(caught.value)


def test_a_proof_that_was_found_just_before_a_crash_is_written_at_the_next_start(
    start_witness: Callable[..., Any], tmp_path: Path, tree: Tree
):
    folder = tmp_path / "w"
    witness = start_witness(folder, LOG.to_vkey())
    post(f"{witness.url}/add-checkpoint", tree.request(0, 9))
    post(f"{witness.url}/add-checkpoint", Tree("evil", 4).request(9, 9))
    witness.process.kill()
    witness.process.wait()
    (proof,) = (folder / "misbehaviour").glob("*.txt")
    text = proof.read_text("utf-8")
    proof.unlink()
    start_witness(folder, LOG.to_vkey())
    assert proof.read_text("utf-8") == text
