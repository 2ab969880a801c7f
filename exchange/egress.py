"""Egress: the one way out. Addresses that people or settings name are looked at before anything is sent to them.

An address passes when its scheme is allowed, its host is one that the operator allows, and every IP address that its name stands for
is public, or listed as an exception. The connection goes to the addresses that were looked at, so that a name cannot point
elsewhere a moment later; a redirect is looked at like a first address. Answers are bounded in size and in time, whatever
the other side does. Proxies of the environment are not used.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from exchange.config import Settings
from exchange.config_rules import entries
from exchange.errors import EgressError, UnreachableError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""Return the IP addresses that a host name stands for. Raises OSError."""

_PORTS = {"http": 80, "https": 443}
_MOVED = {301, 302, 303, 307, 308}
_SAME_METHOD = {307, 308}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_BLOCK = 16 * 1024


@dataclass(frozen=True)
class Target:
    """An address that passed: where to connect, and what to ask for there."""

    url: str
    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]
    path: str


@dataclass(frozen=True)
class Reply:
    """An answer: its body is whole, and no longer than the caller allowed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


@dataclass(frozen=True)
class Egress:
    """What may leave: `schemes`, `hosts` (names, or `*.example.org`; empty: all) and `internal`, the exceptions.

    An exception is a host or `host:port`, whose addresses may then be internal, or a network such as `10.1.0.0/16`.
    """

    schemes: frozenset[str] = frozenset({"https"})
    hosts: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()
    resolve: Resolve = field(default=_resolve, repr=False, compare=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Egress:
        """Return the operator's policy."""
        return cls(
            frozenset(entries(settings.egress_schemes)),
            tuple(entries(settings.egress_hosts)),
            tuple(entries(settings.egress_internal)),
        )

    def check(self, url: str, *, schemes: Collection[str] | None = None) -> Target:
        """Return where an address leads, if it may be called; `schemes` narrows what kind it may be.

        Raises EgressError, which names the rule, or UnreachableError when its name is not known.
        """
        parts = _split(url)
        if parts.scheme not in self.schemes or (schemes is not None and parts.scheme not in schemes):
            raise EgressError(
                (f"The scheme {parts.scheme!r} is not allowed.", f"不允许使用协议 {parts.scheme!r}。"),
                ("Use https, or ask the operator to allow it with egress_schemes.", "请使用 https，或请运营方通过 egress_schemes 允许。"),
            )  # fmt: skip
        host = (parts.hostname or "").lower().rstrip(".")
        port = parts.port or _PORTS.get(parts.scheme, 0)
        if self.hosts and not any(_matches(host, pattern) for pattern in self.hosts):
            raise EgressError(
                (f"The host {host} is not one that may be called.", f"不允许访问主机 {host}。"),
                ("Ask the operator to add it to egress_hosts.", "请运营方将其加入 egress_hosts。"),
            )
        try:
            addresses = tuple(self.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise UnreachableError(
                (f"The name {host} is not known.", f"无法解析主机名 {host}。"),
                ("Check the address, or try again later.", "请检查地址，或稍后重试。"),
            ) from error
        for address in addresses:
            if is_internal(address) and not self._is_excepted(host, port, address):
                raise EgressError(
                    (f"{host} leads to the internal address {address}.", f"{host} 指向内部地址 {address}。"),
                    ("Name a public host, or ask the operator to list it in egress_internal.", "请使用公网主机，或请运营方将其列入 egress_internal。"),
                )  # fmt: skip
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(url, parts.scheme, host, port, addresses, path)

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        limit: int = 1 << 20,
        redirects: int = 3,
    ) -> Reply:
        """Call an http or https address and return its answer, whatever its status; `timeout` is for all of it.

        Raises EgressError for an address that may not be called, also behind a redirect, and for an answer longer than `limit`
        bytes; UnreachableError when nobody answers in time.
        """
        deadline = time.monotonic() + timeout
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        target = self.check(url, schemes=_PORTS)
        for left in reversed(range(redirects + 1)):
            reply = _exchange(target, method, body, sent, deadline, limit)
            place = reply.headers.get("location")
            if reply.status not in _MOVED or place is None or (body is not None and reply.status not in _SAME_METHOD):
                return reply
            if not left:
                break
            following = self.check(urljoin(target.url, place), schemes=_PORTS)
            if (target.scheme, following.scheme) == ("https", "http"):
                break
            if (target.host, target.port) != (following.host, following.port):
                # What was meant for one host is not told another.
                sent = {name: value for name, value in sent.items() if name == "content-type"}
            target = following
        raise EgressError(
            (
                f"{target.host} redirects too often, or away from https.",
                f"{target.host} 重定向次数过多，或离开了 https。",
            ),
            ("Name the final address itself.", "请直接填写最终地址。"),
        )

    def _is_excepted(self, host: str, port: int, address: str) -> bool:
        for entry in self.internal:
            if "/" in entry:
                if ipaddress.ip_address(address.partition("%")[0]) in ipaddress.ip_network(entry):
                    return True
            elif entry in {host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"}:
                return True
        return False


def is_internal(text: str) -> bool:
    """Say whether an IP address is not one of the public internet, also where it carries another one inside."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return any(not item.is_global or item.is_multicast or _is_special(item) for item in _unwrapped(address))


def _is_special(address: Address) -> bool:
    return address.is_reserved or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)


def _unwrapped(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inside: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found = [item for item in inside if item is not None]
    # An address that only carries a public one is as public as that; IPv6 itself calls some of them reserved.
    return found or [address]


def _split(url: str) -> SplitResult:
    refusal = EgressError(
        ("This is not an address that can be called.", "这不是可访问的地址。"),
        ("Give scheme and host without user name, such as https://example.org/path.", "请填写协议和主机，不含用户名，例如 https://example.org/path。"),
    )  # fmt: skip
    if not url.isprintable() or any(letter in url for letter in ' \\"<>^`{|}'):
        raise refusal
    try:
        parts = urlsplit(url)
        sound = parts.scheme and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError as error:
        raise refusal from error
    if not sound:
        raise refusal
    return parts


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


class _Pinned(http.client.HTTPConnection):
    """A connection to the addresses that were looked at, and to no others."""

    def __init__(self, target: Target, deadline: float) -> None:
        super().__init__(target.host, target.port)
        self.default_port = _PORTS[target.scheme]
        self._target = target
        self._deadline = deadline
        # The library forgets its socket once an answer has begun that ends with the connection.
        self._open: socket.socket | None = None

    def connect(self) -> None:
        problem: OSError = OSError("no address")
        for address in self._target.addresses:
            try:
                plain = socket.create_connection((address, self._target.port), timeout=self._left())
            except OSError as error:
                problem = error
                continue
            self.sock = self._open = plain
            if self._target.scheme == "https":
                plain.settimeout(self._left())
                context = ssl.create_default_context()
                self.sock = self._open = context.wrap_socket(plain, server_hostname=self._target.host)
            return
        raise problem

    def cut(self) -> None:
        """Let whatever waits for the other side end now."""
        with suppress(OSError):
            if self._open is not None:
                self._open.shutdown(socket.SHUT_RDWR)

    def _left(self) -> float:
        return max(0.001, self._deadline - time.monotonic())


def _exchange(
    target: Target, method: str, body: bytes | None, headers: Mapping[str, str], deadline: float, limit: int
) -> Reply:
    connection = _Pinned(target, deadline)
    # A timeout for each read would let a dripping answer last for ever, so one clock ends it all.
    end = threading.Timer(max(0.0, deadline - time.monotonic()), connection.cut)
    end.daemon = True
    end.start()
    try:
        connection.request(method, target.path, body, {"Connection": "close", "User-Agent": "exchange", **headers})
        if connection.sock is not None:
            connection.sock.settimeout(max(0.001, deadline - time.monotonic()))
        answer = connection.getresponse()
        received = {name.lower(): value for name, value in answer.getheaders()}
        data = bytearray()
        while block := answer.read(_BLOCK):
            data += block
            if len(data) > limit:
                raise EgressError(
                    (f"{target.host} answers more than {limit} bytes.", f"{target.host} 的应答超过 {limit} 字节。"),
                    ("Name another address.", "请更换地址。"),
                )
        if answer.length:
            raise http.client.IncompleteRead(bytes(data), answer.length)
        if time.monotonic() > deadline:
            raise TimeoutError("the time for the whole answer is over")
        return Reply(answer.status, received, bytes(data), target.url)
    except (OSError, http.client.HTTPException) as error:
        # Certificates, refused connections, silence, nonsense: the reason's name says enough, and quotes no content.
        what = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or type(error).__name__
        raise UnreachableError(
            (
                f"{target.host}:{target.port} does not answer: {what}.",
                f"{target.host}:{target.port} 没有应答：{what}。",
            ),
            ("Check the address, or try again later.", "请检查地址，或稍后重试。"),
        ) from error
    finally:
        end.cancel()
        connection.close()
