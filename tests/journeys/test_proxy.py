"""Behind nginx, with the file that docs/ ships: TLS, forms, uploads, visitors told apart, and two hundred slow connections."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.cli.publishing import upload
from exchange.client import Client

_SERVER: Any = sys.modules["journey_server"]
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
SLOW, ATTEMPTS = 200, 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="There is no nginx; Debian has it: apt-get install nginx-light"),
]


@dataclass
class Site:
    """The exchange as its users see it: by TLS, behind nginx."""

    port: int
    certificate: Path
    server: Any

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def connect(self, source: str = "127.0.0.1") -> ssl.SSLSocket:
        """Return a connection from an address of this machine, of which loopback has many."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(source, 0))
        return ssl.create_default_context(cafile=str(self.certificate)).wrap_socket(plain, server_hostname="localhost")


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of this machine's name, valid for a day, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1)).add_extension(names, False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "exchange.pem", folder / "exchange.key"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def _changed(text: str, *changes: tuple[str, str]) -> str:
    """Return the shipped file with what each operator changes, having checked that it is there to be changed."""
    for before, after in changes:
        assert text.count(before) >= 1, before
        text = text.replace(before, after)
    return text


@contextlib.contextmanager
def _nginx(folder: Path, shipped: Path, port: int, behind: str) -> Iterator[Path]:
    certificate, key = _certificate(folder)
    site = _changed(
        shipped.read_text(encoding="utf-8"),
        ("listen 80;", f"listen 127.0.0.1:{_SERVER.free_port()};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("server_name exchange.example.org;", "server_name localhost;"),
        ("/etc/ssl/exchange.pem", str(certificate)),
        ("/etc/ssl/private/exchange.key", str(key)),
        ("server 127.0.0.1:8000;", f"server {behind};"),
    )
    (folder / "exchange.conf").write_text(site, encoding="utf-8")
    kinds = "\n".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder / 'pid'}; error_log {folder / 'error.log'};\n"
        f"events {{ worker_connections 4096; }}\nhttp {{ access_log off; {kinds} include {folder / 'exchange.conf'}; }}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, process.communicate()[1].decode()
            time.sleep(0.05)
        yield certificate
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An exchange behind nginx: one worker, as it comes, and twenty attempts to sign in a minute."""
    folder, port = tmp_path_factory.mktemp("proxy"), _SERVER.free_port()
    shipped = Path(__file__).resolve().parents[2] / "docs" / "nginx.conf"
    settings = {
        "public_url": f"https://localhost:{port}",
        "trusted_proxies": "1",
        "login_attempts_per_minute": str(ATTEMPTS),
    }
    with (
        _SERVER.serving(folder, **settings) as server,
        _nginx(folder, shipped, port, f"127.0.0.1:{server.port}") as certificate,
    ):
        yield Site(port, certificate, server)


@pytest.fixture(autouse=True)
def _trust(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(site.certificate))


def test_a_person_signs_in_by_a_form_and_gets_cookies_for_tls_alone(site: Site) -> None:
    with requests.Session() as browser:
        browser.verify = str(site.certificate)
        page = browser.get(f"{site.url}/login", timeout=30)
        csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        given = {"email": "operator@exchange.example", "password": site.server.password, "csrf_token": csrf and csrf[1]}
        answer = browser.post(
            f"{site.url}/login", data=given, headers={"Referer": f"{site.url}/login"}, allow_redirects=False, timeout=30
        )
        assert answer.status_code == 303, answer.text[:500]
        assert "__Host-session" in answer.headers["Set-Cookie"]
        assert "Secure" in answer.headers["Set-Cookie"]
        assert browser.get(f"{site.url}/account", timeout=30).status_code == 200
        assert "Strict-Transport-Security" in answer.headers


def test_a_file_larger_than_a_message_is_uploaded_and_a_message_of_that_size_is_refused(
    site: Site, tmp_path: Path
) -> None:
    table = tmp_path / "large.csv"
    lines = [f"{number},{number * 7919 % 100_003 / 100_003:.17f},{'x' * 20}" for number in range(100_000)]
    table.write_text("\n".join(["number,reading,note", *lines]), encoding="utf-8")
    assert table.stat().st_size > 3 * 2**20
    firm = site.server.join("Works")
    client = Client(site.url, firm.client.token)
    version = upload(client, client.create_dataset(title="Large")["id"], [table], lambda *_: None)
    assert version["rows"] == 100_000
    header = {"Authorization": f"Bearer {firm.client.token}"}
    answer = requests.post(f"{site.url}/api/v1/datasets", data=table.read_bytes(), headers=header, timeout=30)
    assert answer.status_code == 413


def _guess(site: Site, source: str, email: str) -> int:
    body = f'{{"email": "{email}", "password": "wrong"}}'
    request = (
        f"POST /api/v1/login HTTP/1.1\r\nHost: localhost:{site.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n{body}"
    )
    with site.connect(source) as connection:
        connection.sendall(request.encode())
        return int(connection.recv(65536).split()[1])


def test_visitors_are_told_apart_by_the_address_that_nginx_saw(site: Site) -> None:
    answers = [_guess(site, "127.0.0.21", f"guess{number}@firm.example") for number in range(ATTEMPTS + 1)]
    assert answers == [401] * ATTEMPTS + [429]
    assert _guess(site, "127.0.0.22", "guess@firm.example") == 401


# What a slow visitor sends, and then only a byte now and then.
SLOWLY = {
    "the head of a request": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "the body of a form": b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nemail=",
    "the body of an upload": b"PUT /api/v1/datasets/x/content?filename=x.csv HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 1000000\r\nContent-Type: application/octet-stream\r\n\r\nabc",
    "nothing, and takes no answer": b"GET /bootstrap/static/bootstrap4/icons/bootstrap-icons.svg HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("what", SLOWLY)
def test_two_hundred_slow_connections_hold_nobody_up(what: str, site: Site) -> None:
    with contextlib.ExitStack() as held:
        slow = [held.enter_context(site.connect(f"127.0.1.{1 + number % 100}")) for number in range(SLOW)]
        waited = _probe(site, lambda: _drip(slow, SLOWLY[what]), lambda: _drip(slow, b"a"))
    # Shared machines pause for a while; without nginx these probes are not answered at all.
    assert max(waited) < 10, waited


def test_a_head_that_never_ends_is_let_go_in_time(site: Site) -> None:
    with site.connect() as connection:
        began = time.monotonic()
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 60:
                connection.sendall(b"a")
                time.sleep(0.2)
    assert 8 < time.monotonic() - began < 25


def _drip(connections: list[ssl.SSLSocket], data: bytes) -> None:
    for connection in connections:
        # One that was answered or let go meanwhile holds nobody up.
        with contextlib.suppress(OSError):
            connection.sendall(data)


def _probe(site: Site, begin: Callable[[], None], go_on: Callable[[], None]) -> list[float]:
    """Return how long each of eight visitors waited for a page that asks the database, while the slow ones go on."""
    begin()
    time.sleep(0.5)
    waited = []
    for _ in range(8):
        began = time.monotonic()
        answer = requests.get(f"{site.url}/healthz", verify=str(site.certificate), timeout=30)
        waited.append(time.monotonic() - began)
        assert answer.status_code == 200
        go_on()
        time.sleep(0.3)
    return waited
