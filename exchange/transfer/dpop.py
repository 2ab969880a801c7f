"""Proofs of possession (DPoP, RFC 9449): whoever sends a bound access token proves to hold its key, anew for each request.

A proof is a JWT of type `dpop+jwt`, signed by the key that stands in its own header, over method, address, time and the token. It
holds for a minute, at one address and once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.bindings import crypto_core_ed25519_is_valid_point

from exchange.errors import Bilingual, ProofError
from exchange.identifiers import derive
from exchange.transfer import jose

TYPE = "dpop+jwt"
ALGORITHMS = ("EdDSA", "ES256")
# How far the clock of whoever proves may be from ours, in either direction, in seconds.
WINDOW = 60
_NONCE_SECONDS, _NONCES = 60, 5
_FORMS = {"EdDSA": ("OKP", "Ed25519", ("x",)), "ES256": ("EC", "P-256", ("x", "y"))}
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_DESCRIPTIONS = {"kid", "use", "alg", "key_ops", "ext"}
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proof:
    """A proof that holds but for its first use: the thumbprint of its key (RFC 7638), its identifier and its time."""

    key: str
    identifier: str
    issued_at: float

    @property
    def digest(self) -> str:
        """Return the name under which its use is remembered."""
        return hashlib.sha256(f"{self.key}\0{self.identifier}".encode()).hexdigest()


def verify(text: str, *, method: str, address: str, now: datetime, token: str = "", nonce_seed: bytes = b"") -> Proof:
    """Return what a proof proves for a request of `method` to `address`, where `token` is sent along with it (if any).

    With `nonce_seed` the proof must bear a nonce that was made of it within the last minutes. Raises ProofError, which names the
    member that does not fit. Whether the proof was used before is not asked here.
    """
    try:
        header, claims = jose.read(text)
    except (ValueError, RecursionError) as error:
        raise fault("DPoP", ("The proof is no well-formed JWT.", "该证明不是格式正确的 JWT。")) from error
    algorithm, key, name = _key(header)
    try:
        jwt.decode(
            text, key, algorithms=[algorithm],
            options={"require": ["jti", "htm", "htu", "iat"], "verify_iat": False, "verify_aud": False},
        )  # fmt: skip
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise fault(
            "DPoP", ("The proof's signature or its members do not hold.", "该证明的签名或成员无效。")
        ) from error
    _check_request(claims, method, address)
    issued_at = _check_time(claims, now)
    _check_token(claims, token)
    if nonce_seed and not _is_nonce(claims.get("nonce"), nonce_seed, now):
        raise ProofError(
            ("The proof must bear the nonce of the DPoP-Nonce header.", "该证明须包含 DPoP-Nonce 标头中的 nonce。"),
            ("Put it into the proof as `nonce` and send it again.", "请将其作为 nonce 写入证明后重新发送。"),
            field="nonce",
            code="use-dpop-nonce",
            details={"error": "use_dpop_nonce"},
        )
    identifier = claims["jti"]
    if not isinstance(identifier, str) or not 8 <= len(identifier) <= 128 or not identifier.isascii():
        raise fault("jti", ("`jti` is not 8 to 128 letters of ASCII.", "jti 不是 8 至 128 个 ASCII 字符。"))
    return Proof(name, identifier, issued_at)


def make_nonce(seed: bytes, now: datetime) -> str:
    """Return the nonce of this minute; nothing is stored, any worker knows it again."""
    return _nonce(seed, int(now.timestamp()) // _NONCE_SECONDS)


def thumbprint(key: dict[str, Any]) -> str:
    """Return the SHA-256 thumbprint (RFC 7638) of the public key that a JWK holds."""
    members = next(form for form in _FORMS.values() if form[0] == key.get("kty"))[2]
    needed = {name: key[name] for name in ("kty", "crv", *members)}
    canonical = json.dumps(needed, sort_keys=True, separators=(",", ":")).encode()
    return jose.encode(hashlib.sha256(canonical).digest())


def fault(field: str, reason: Bilingual) -> ProofError:
    """Return the error of a proof that does not hold, naming the member concerned."""
    return ProofError(
        reason,
        ("Make a new proof for this very request.", "请为本次请求重新生成证明。"),
        field=field,
        code="invalid-dpop-proof",
        details={"error": "invalid_dpop_proof"},
    )


def _key(header: dict[str, Any]) -> tuple[str, Any, str]:
    algorithm, key = header.get("alg"), header.get("jwk")
    if header.get("typ") != TYPE:
        raise fault("typ", ("`typ` is not dpop+jwt.", "typ 不是 dpop+jwt。"))
    if not isinstance(algorithm, str) or algorithm not in _FORMS:
        raise fault("alg", ("`alg` is neither EdDSA nor ES256.", "alg 不是 EdDSA 或 ES256。"))
    if set(header) != {"typ", "alg", "jwk"} or not isinstance(key, dict):
        raise fault(
            "jwk", ("The header holds `typ`, `alg` and `jwk`, and nothing else.", "标头须且仅须包含 typ、alg 和 jwk。")
        )
    if set(key) & _PRIVATE:
        raise fault(
            "jwk", ("`jwk` holds a private key: never send it; make a new key.", "jwk 含有私钥：切勿发送，请更换密钥。")
        )
    kind, curve, members = _FORMS[algorithm]
    known = {"kty", "crv", *members}
    if (
        (key.get("kty"), key.get("crv")) != (kind, curve)
        or not known <= set(key) <= known | _DESCRIPTIONS
        or key.get("alg", algorithm) not in (algorithm, "Ed25519")
        or key.get("use", "sig") != "sig"
    ):
        raise fault("jwk", ("`jwk` is no public key of this algorithm.", "jwk 不是该算法的公钥。"))
    try:
        points = [jose.decode(key[name]) for name in members]
        if any(len(point) != 32 for point in points):
            raise ValueError("not 32 bytes")
        return algorithm, _public(points), thumbprint(key)
    except (ValueError, TypeError) as error:
        raise fault("jwk", ("`jwk` is not a point on its curve.", "jwk 不是其曲线上的点。")) from error


def _public(points: list[bytes]) -> Any:
    if len(points) == 1:
        # A key of small order lets one signature hold for any text.
        if not crypto_core_ed25519_is_valid_point(points[0]):
            raise ValueError("not in the group")
        return Ed25519PublicKey.from_public_bytes(points[0])
    x, y = (int.from_bytes(point, "big") for point in points)
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def _check_request(claims: dict[str, Any], method: str, address: str) -> None:
    if claims["htm"] != method:
        raise fault("htm", (f"`htm` is not {method}.", f"htm 不是 {method}。"))
    if _target(claims["htu"]) != _target(address):
        # The address is our own, not what was sent.
        raise fault("htu", (f"`htu` is not {address}.", f"htu 不是 {address}。"))


def _target(address: Any) -> tuple[str, str, int, str] | None:
    """Return scheme, host, port and path of an http address (RFC 3986, 6.2.2 and 6.2.3), or None where it is none."""
    if (
        not isinstance(address, str)
        or not address.isascii()
        or not address.isprintable()
        or set(address) & set(" \\?#@")
    ):
        return None
    try:
        url = urlsplit(address)
        port = url.port or _PORTS[url.scheme]
        path = unquote(url.path, errors="strict")
    except (KeyError, ValueError):
        return None
    return (url.scheme, url.hostname, port, path) if url.hostname else None


def _check_time(claims: dict[str, Any], now: datetime) -> float:
    issued_at = claims["iat"]
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
        raise fault("iat", ("`iat` is no number.", "iat 不是数字。"))
    if abs(issued_at - now.timestamp()) > WINDOW:
        raise fault(
            "iat",
            (
                f"`iat` is more than {WINDOW} seconds from the exchange's clock, {now:%Y-%m-%dT%H:%M:%SZ}.",
                f"iat 与交易平台时钟 {now:%Y-%m-%dT%H:%M:%SZ} 相差超过 {WINDOW} 秒。",
            ),
        )
    return float(issued_at)


def _check_token(claims: dict[str, Any], token: str) -> None:
    if not token:
        return
    expected = jose.encode(hashlib.sha256(token.encode("ascii", "replace")).digest())
    given = claims.get("ath")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
        raise fault("ath", ("`ath` is not the hash of the token that is sent.", "ath 不是所发送令牌的摘要。"))


def _nonce(seed: bytes, number: int) -> str:
    return jose.encode(number.to_bytes(8, "big") + derive(seed, f"dpop-nonce/{number}")[:16])


def _is_nonce(given: Any, seed: bytes, now: datetime) -> bool:
    current = int(now.timestamp()) // _NONCE_SECONDS
    made = [_nonce(seed, current - back) for back in range(_NONCES)]
    return isinstance(given, str) and any(
        hmac.compare_digest(given.encode(errors="replace"), one.encode()) for one in made
    )
