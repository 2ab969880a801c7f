"""Nothing inside is reached from outside's names: schemes, DNS, redirects, rebinding, and answers without end."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.config import load
from exchange.egress import Egress, is_internal
from exchange.errors import EgressError, UnreachableError

PUBLIC = "93.184.216.34"


def names(**known: Any) -> Callable[[str, int], list[str]]:
    """Return a name service that knows these names; a list of lists is answered one after the other."""

    def resolve(host: str, port: int) -> list[str]:
        found = known[host.replace(".", "_")]
        return found.pop(0) if found and isinstance(found[0], list) else found

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0",  # noqa: S104 - not bound, refused
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0",
        "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:0a00:0001::1",
        "2001:0:7f00:1::", "fec0::1", "100::1",
    ],
)  # fmt: skip
def test_an_internal_address_is_known_in_every_disguise(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_a_public_address_is_public(address: str) -> None:
    assert not is_internal(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "http://example.org/", "javascript:alert(1)",
        "https://user@example.org/", "https://user:word@example.org/", "https://", "https:///x", "//example.org/",
        "example.org", "", "https://example.org:0/", "https://example.org:99999/", "https://exa mple.org/", "https://[::1",
        "https://example.org\n.evil/", "https://example.org\\@evil/", "https://example.org/\r\nHost: x", "https://\t/",
    ],
)  # fmt: skip
def test_what_is_no_plain_https_address_is_refused(url: str) -> None:
    with pytest.raises(EgressError):
        Egress(resolve=names(example_org=[PUBLIC])).check(url)


def test_every_address_of_a_name_must_be_public() -> None:
    egress = Egress(resolve=names(fine=[PUBLIC, "1.1.1.1"], mixed=[PUBLIC, "10.0.0.1"], inside=["::1"]))
    target = egress.check("https://FINE./a/b?c=d#e")
    assert (target.host, target.port, target.addresses, target.path) == ("fine", 443, (PUBLIC, "1.1.1.1"), "/a/b?c=d")
    for name in ("mixed", "inside"):
        with pytest.raises(EgressError, match="internal address"):
            egress.check(f"https://{name}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]"])
def test_this_machine_is_not_reached_however_it_is_written(host: str) -> None:
    with pytest.raises((EgressError, UnreachableError)):
        Egress(frozenset({"http"})).check(f"http://{host}/")


def test_a_name_that_nobody_knows_is_unreachable_and_says_so() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    with pytest.raises(UnreachableError, match=r"The name nowhere\.example is not known"):
        Egress(resolve=unknown).check("https://nowhere.example/")


def test_the_operator_names_the_hosts_that_may_be_called() -> None:
    known = names(example_org=[PUBLIC], a_example_org=[PUBLIC], evil_org=[PUBLIC], badexample_org=[PUBLIC])
    egress = Egress(hosts=("*.example.org", "example.org"), resolve=known)
    assert egress.check("https://example.org/").host == "example.org"
    assert egress.check("https://a.example.org/").host == "a.example.org"
    for host in ("evil.org", "badexample.org"):
        with pytest.raises(EgressError, match="egress_hosts"):
            egress.check(f"https://{host}/")
    with pytest.raises(EgressError, match="egress_hosts"):
        Egress(hosts=("*.example.org",), resolve=known).check("https://example.org/")


@pytest.mark.parametrize(
    ("entry", "url", "passes"),
    [
        ("10.1.0.0/16", "https://inside/", True),
        ("10.2.0.0/16", "https://inside/", False),
        ("inside", "https://inside/", True),
        ("inside:443", "https://inside/", True),
        ("inside:8443", "https://inside/", False),
        ("inside:8443", "https://inside:8443/", True),
        ("10.1.7.20", "https://10.1.7.20/", True),
        ("10.1.7.20", "https://inside/", False),
        ("[fd00::1]:8443", "https://[fd00::1]:8443/", True),
        ("[fd00::1]", "https://[fd00::1]/", True),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("10.0.0.0/8", "https://[fd00::1]/", False),
    ],
)
def test_internal_addresses_pass_when_they_are_listed(entry: str, url: str, passes: bool) -> None:
    def resolve(host: str, port: int) -> list[str]:
        return ["10.1.7.20"] if host == "inside" else [host]

    egress = Egress(internal=(entry,), resolve=resolve)
    if passes:
        assert egress.check(url).addresses
    else:
        with pytest.raises(EgressError, match="egress_internal"):
            egress.check(url)


def test_the_policy_comes_from_the_settings(tmp_path: Path) -> None:
    settings = load(
        {}, home=tmp_path, egress_schemes="https, HTTP", egress_hosts="A.example *.b.example",
        egress_internal="10.0.0.0/8,inside:80",
    )  # fmt: skip
    assert Egress.from_settings(settings) == Egress(
        frozenset({"https", "http"}), ("a.example", "*.b.example"), ("10.0.0.0/8", "inside:80")
    )


class _Web:
    """A server on loopback whose answers the test writes, and the policy that lets it be called as `web`."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer: Callable[[http.server.BaseHTTPRequestHandler], None] = self.plain
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                web.seen.append((self.command, self.path, headers, body))
                web.answer(self)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def egress(self, **changes: Any) -> Egress:
        def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.1"] if host in {"web", "other"} else [host]

        values = {"schemes": frozenset({"http", "https"}), "internal": (f"web:{self.port}",), "resolve": resolve}
        return Egress(**(values | changes))

    @staticmethod
    def plain(handler: http.server.BaseHTTPRequestHandler, body: bytes = b"fine", status: int = 200) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "text/x.tlog.size")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def moved(self, place: str, status: int = 302) -> None:
        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            if handler.path == "/end":
                self.plain(handler)
                return
            handler.send_response(status)
            handler.send_header("Location", place)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.answer = answer


@pytest.fixture
def web() -> Iterator[_Web]:
    made = _Web()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


def test_an_answer_comes_back_whole_with_its_status_and_type(web: _Web) -> None:
    web.answer = lambda handler: web.plain(handler, b"5\n", 409)
    reply = web.egress().request(
        "POST", f"http://web:{web.port}/add-checkpoint?x=1", body=b"old 0\n", headers={"Content-Type": "text/plain"}
    )
    assert (reply.status, reply.content_type, reply.body) == (409, "text/x.tlog.size", b"5\n")
    method, path, headers, body = web.seen[0]
    assert (method, path, body, headers["host"]) == ("POST", "/add-checkpoint?x=1", b"old 0\n", f"web:{web.port}")


def test_the_connection_goes_to_the_address_that_was_looked_at(web: _Web) -> None:
    # The name points to a public address at the first look, and inside at any later one.
    rebinding = names(web=[[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    with pytest.raises(UnreachableError):
        web.egress(internal=(), resolve=rebinding).request("GET", f"http://web:{web.port}/", timeout=0.5)
    assert web.seen == []


def test_a_redirect_is_followed_only_where_a_first_address_might_lead(web: _Web) -> None:
    start = f"http://web:{web.port}/start"
    web.moved("/end")
    assert web.egress().request("GET", start).body == b"fine"
    for place in (
        f"http://127.0.0.1:{web.port}/end", f"http://other:{web.port}/end", "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd", "ftp://web/", "http://user@web/", "http://[::1]/",
    ):  # fmt: skip
        web.moved(place)
        with pytest.raises(EgressError):
            web.egress().request("GET", start)
    web.moved("/again")
    with pytest.raises(EgressError, match="too often"):
        web.egress().request("GET", start)
    assert len(web.seen) < 20


def test_what_is_posted_is_not_carried_to_another_place_unless_that_is_said(web: _Web) -> None:
    start = f"http://web:{web.port}/start"
    web.moved("/end", 302)
    assert web.egress().request("POST", start, body=b"x").status == 302
    web.moved("/end", 307)
    assert web.egress().request("POST", start, body=b"x").body == b"fine"
    assert [path for _, path, _, body in web.seen if body == b"x"] == ["/start", "/start", "/end"]


def test_credentials_are_not_told_to_another_host(web: _Web) -> None:
    second = _Web()
    try:
        web.moved(f"http://other:{second.port}/end")
        egress = web.egress(internal=(f"web:{web.port}", f"other:{second.port}"))
        egress.request("GET", f"http://web:{web.port}/start", headers={"Authorization": "Bearer secret"})
        assert web.seen[0][2]["authorization"] == "Bearer secret"
        assert "authorization" not in second.seen[0][2]
    finally:
        second.server.shutdown()
        second.thread.join()
        second.server.server_close()


def test_an_answer_that_is_too_long_or_too_slow_is_given_up(web: _Web) -> None:
    web.answer = lambda handler: web.plain(handler, bytes(5000))
    with pytest.raises(EgressError, match="more than 4999 bytes"):
        web.egress().request("GET", f"http://web:{web.port}/", limit=4999)
    assert len(web.egress().request("GET", f"http://web:{web.port}/", limit=5000).body) == 5000

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(400):
                handler.wfile.write(b".")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    web.answer = drip
    began = time.monotonic()
    with pytest.raises(UnreachableError):
        web.egress().request("GET", f"http://web:{web.port}/", timeout=0.4)
    assert time.monotonic() - began < 12

    def broken(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"short")

    web.answer = broken
    with pytest.raises(UnreachableError):
        web.egress().request("GET", f"http://web:{web.port}/")


def test_nobody_listening_is_unreachable(web: _Web) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(UnreachableError, match=f"web:{port} does not answer"):
            web.egress(internal=("web",)).request("GET", f"http://web:{port}/", timeout=2)


def test_a_certificate_must_be_that_of_the_name_and_of_a_known_authority(
    web: _Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = tmp_path / "web.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=web", "-addext", "subjectAltName=DNS:web", "-keyout", str(pem), "-out", str(tmp_path / "cert.pem")],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", pem)
    web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
    with pytest.raises(UnreachableError, match="self-signed certificate"):
        web.egress().request("GET", f"https://web:{web.port}/", timeout=5)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    assert web.egress().request("GET", f"https://web:{web.port}/", timeout=5).body == b"fine"
    with pytest.raises(UnreachableError, match="mismatch"):
        web.egress(internal=("other",)).request("GET", f"https://other:{web.port}/", timeout=5)
