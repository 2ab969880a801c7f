"""Hostile proofs of possession, by what is wrong with each, and the good one that they are made from (RFC 9449)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.transfer import jose

_COUNT = iter(range(10**9))


def ed25519_jwk(key: Ed25519PrivateKey) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "x": jose.encode(key.public_key().public_bytes_raw())}


def p256_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    x, y = (jose.encode(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def hash_of(token: str) -> str:
    return jose.encode(hashlib.sha256(token.encode()).digest())


@dataclass
class Prover:
    """A buyer with a key; makes proofs for one address, good ones unless told otherwise."""

    address: str
    method: str = "GET"
    token: str = ""
    key: Any = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def algorithm(self) -> str:
        return "EdDSA" if isinstance(self.key, Ed25519PrivateKey) else "ES256"

    @property
    def jwk(self) -> dict[str, Any]:
        return ed25519_jwk(self.key) if isinstance(self.key, Ed25519PrivateKey) else p256_jwk(self.key)

    @property
    def header(self) -> dict[str, Any]:
        return {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk}

    @property
    def claims(self) -> dict[str, Any]:
        made = {"jti": f"proof-{next(_COUNT):08}", "htm": self.method, "htu": self.address, "iat": int(time.time())}
        return {**made, "ath": hash_of(self.token)} if self.token else made

    def proof(self, *, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """Return a proof with changes, signed by the prover's key; a member given as None is left out."""
        payload = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        return self.raw({**self.header, **(header or {})}, payload, key=key)

    def raw(self, header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, *, key: Any = None) -> str:
        """Return a proof of these very parts."""
        head, body = (
            part if isinstance(part, bytes) else json.dumps({k: v for k, v in part.items() if v is not None}).encode()
            for part in (header, claims)
        )  # fmt: skip
        text = f"{jose.encode(head)}.{jose.encode(body)}"
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        return f"{text}.{jose.encode(algorithm.sign(text.encode(), self.key if key is None else key))}"


def _hmac(prover: Prover, secret: bytes) -> str:
    head = jose.encode(json.dumps({**prover.header, "alg": "HS256"}).encode())
    text = f"{head}.{jose.encode(json.dumps(prover.claims).encode())}"
    return f"{text}.{jose.encode(jwt.get_algorithm_by_name('HS256').sign(text.encode(), secret))}"


def _private(prover: Prover) -> dict[str, Any]:
    return {**prover.jwk, "d": jose.encode(prover.key.private_bytes_raw())}


def _rsa(prover: Prover) -> str:
    key = rsa.generate_private_key(65537, 2048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    public = {name: public[name] for name in ("kty", "n", "e")}
    return jwt.encode(prover.claims, key, algorithm="RS256", headers={"typ": "dpop+jwt", "jwk": public})


def _small_order(prover: Prover) -> str:
    """Return a proof whose key is the neutral element, under which the signature (neutral, 0) holds for any text."""
    neutral = b"\x01" + bytes(31)
    head = {**prover.header, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": jose.encode(neutral)}}
    return ".".join((*prover.raw(head, prover.claims).split(".")[:2], jose.encode(neutral + bytes(32))))


def _off_the_curve(prover: Prover) -> str:
    one = jose.encode((1).to_bytes(32, "big"))
    key = {"kty": "EC", "crv": "P-256", "x": one, "y": one}
    return prover.proof(header={"alg": "ES256", "jwk": key})


def _twice(values: dict[str, Any], name: str, value: Any) -> bytes:
    return json.dumps(values).encode()[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}".encode()


def _swap(proof: str, other: str) -> str:
    return ".".join((*proof.split(".")[:2], other.split(".")[2]))


def _elsewhere(prover: Prover) -> str:
    return prover.address.replace("//", "//elsewhere.")


# What to send in the header DPoP, and the member that the refusal names.
HOSTILE: dict[str, tuple[Callable[[Prover], str], str]] = {
    "nothing": (lambda _: "", "DPoP"),
    "two dots": (lambda _: "..", "DPoP"),
    "a token that is no proof": (lambda p: p.token, "typ"),
    "a proof cut short": (lambda p: p.proof()[:-9], "DPoP"),
    "a proof with text behind it": (lambda p: p.proof() + "AAAA", "DPoP"),
    "two proofs in one header": (lambda p: f"{p.proof()},{p.proof()}", "DPoP"),
    "a proof with padding": (lambda p: p.proof() + "==", "DPoP"),
    "a proof with loose bits": (lambda p: p.proof()[:-1] + "_", "DPoP"),
    "a proof longer than any": (lambda p: p.proof(note="x" * 8000), "DPoP"),
    "a proof of the type JWT": (lambda p: p.proof(header={"typ": "JWT"}), "typ"),
    "a proof of a token's type": (lambda p: p.proof(header={"typ": "at+jwt"}), "typ"),
    "a proof of a type in capitals": (lambda p: p.proof(header={"typ": "DPoP+JWT"}), "typ"),
    "a proof of no type": (lambda p: p.proof(header={"typ": None}), "typ"),
    "the algorithm none": (lambda p: p.proof(header={"alg": "none"}), "alg"),
    "the algorithm none and no signature": (
        lambda p: p.proof(header={"alg": "none"}).rpartition(".")[0] + ".", "DPoP",
    ),
    "HMAC with the public key": (lambda p: _hmac(p, p.key.public_key().public_bytes_raw()), "alg"),
    "HMAC with its own key in the header": (
        lambda p: p.proof(header={"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}), "alg",
    ),
    "RSA": (_rsa, "alg"),
    "a list of algorithms": (lambda p: p.proof(header={"alg": ["EdDSA"]}), "alg"),
    "another algorithm than the key's": (lambda p: p.proof(header={"alg": "ES256"}), "jwk"),
    "no key": (lambda p: p.proof(header={"jwk": None}), "jwk"),
    "a key that is text": (lambda p: p.proof(header={"jwk": "key"}), "jwk"),
    "an empty key": (lambda p: p.proof(header={"jwk": {}}), "jwk"),
    "the private key": (lambda p: p.proof(header={"jwk": _private(p)}), "jwk"),
    "a private member that is empty": (lambda p: p.proof(header={"jwk": {**p.jwk, "d": ""}}), "jwk"),
    "a key of another curve": (lambda p: p.proof(header={"jwk": {**p.jwk, "crv": "X25519"}}), "jwk"),
    "a key with an unknown member": (lambda p: p.proof(header={"jwk": {**p.jwk, "x5u": "https://a.example"}}), "jwk"),
    "a key for encryption": (lambda p: p.proof(header={"jwk": {**p.jwk, "use": "enc"}}), "jwk"),
    "a key for another algorithm": (lambda p: p.proof(header={"jwk": {**p.jwk, "alg": ["EdDSA"]}}), "jwk"),
    "a key of 31 bytes": (lambda p: p.proof(header={"jwk": {**p.jwk, "x": jose.encode(bytes(31))}}), "jwk"),
    "a key with padding": (lambda p: p.proof(header={"jwk": {**p.jwk, "x": p.jwk["x"] + "="}}), "jwk"),
    "a key that is a number": (lambda p: p.proof(header={"jwk": {**p.jwk, "x": 5}}), "jwk"),
    "a key of small order": (_small_order, "jwk"),
    "a point off the curve": (_off_the_curve, "jwk"),
    "a link to a key": (lambda p: p.proof(header={"jku": "https://elsewhere.example/keys"}), "jwk"),
    "the name of a key": (lambda p: p.proof(header={"kid": "../../etc/passwd"}), "jwk"),
    "a critical extension": (lambda p: p.proof(header={"crit": ["exp"]}), "jwk"),
    "somebody else's key": (
        lambda p: Prover(p.address, p.method, p.token).proof(), "jwk",
    ),
    "somebody else's key of the other kind": (
        lambda p: Prover(p.address, p.method, p.token, ec.generate_private_key(ec.SECP256R1())).proof(), "jwk",
    ),
    "the right key and another's signature": (lambda p: p.proof(key=Ed25519PrivateKey.generate()), "DPoP"),
    "the signature of another proof": (lambda p: _swap(p.proof(), p.proof()), "DPoP"),
    "a header with its key twice": (lambda p: p.raw(_twice(p.header, "jwk", p.jwk), p.claims), "DPoP"),
    "claims with the method twice": (lambda p: p.raw(p.header, _twice(p.claims, "htm", "GET")), "DPoP"),
    "deeply nested claims": (lambda p: p.raw(p.header, b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"), "DPoP"),
    "claims that are a list": (lambda p: p.raw(p.header, b"[1]"), "DPoP"),
    "claims that are no JSON": (lambda p: p.raw(p.header, b"\xff"), "DPoP"),
    "half a surrogate pair": (lambda p: p.raw(p.header, json.dumps({**p.claims, "jti": "\ud800aaaaaaa"}).encode()), "DPoP"),
    "no identifier": (lambda p: p.proof(jti=None), "DPoP"),
    "an identifier of a few letters": (lambda p: p.proof(jti="1"), "jti"),
    "an identifier without end": (lambda p: p.proof(jti="x" * 500), "jti"),
    "an identifier in other letters": (lambda p: p.proof(jti="证明证明证明证明证明"), "jti"),
    "an identifier that is a number": (lambda p: p.proof(jti=12345678), "DPoP"),
    "no method": (lambda p: p.proof(htm=None), "DPoP"),
    "another method": (lambda p: p.proof(htm="POST"), "htm"),
    "the method in small letters": (lambda p: p.proof(htm="get"), "htm"),
    "a list of methods": (lambda p: p.proof(htm=["GET", "POST"]), "htm"),
    "no address": (lambda p: p.proof(htu=None), "DPoP"),
    "another host": (lambda p: p.proof(htu=_elsewhere(p)), "htu"),
    "another path": (lambda p: p.proof(htu=p.address.replace("artefact", "content")), "htu"),
    "another transfer": (lambda p: p.proof(htu=p.address.replace(p.address.split("/")[-2], "urn:uuid:0")), "htu"),
    "another scheme": (lambda p: p.proof(htu=p.address.replace("http:", "ftp:")), "htu"),
    "another port": (lambda p: p.proof(htu=p.address.replace(":8000", ":8001")), "htu"),
    "a port that is none": (lambda p: p.proof(htu=p.address.replace(":8000", ":99999")), "htu"),
    "a user in the address": (lambda p: p.proof(htu=p.address.replace("//", "//me@")), "htu"),
    "a query in the address": (lambda p: p.proof(htu=p.address + "?a=b"), "htu"),
    "a fragment in the address": (lambda p: p.proof(htu=p.address + "#a"), "htu"),
    "a detour in the address": (lambda p: p.proof(htu=p.address.replace("/api/", "/api/../api/")), "htu"),
    "a backslash in the address": (lambda p: p.proof(htu=p.address.replace("/api", "\\api")), "htu"),
    "a line break in the address": (lambda p: p.proof(htu=p.address + "\n"), "htu"),
    "full-width letters in the address": (lambda p: p.proof(htu=p.address.replace("api", "ａｐｉ")), "htu"),
    "broken escapes in the address": (lambda p: p.proof(htu=p.address.replace("api", "%ff")), "htu"),
    "a relative address": (lambda p: p.proof(htu="/" + p.address.split("/", 3)[3]), "htu"),
    "a list of addresses": (lambda p: p.proof(htu=[p.address]), "htu"),
    "no time": (lambda p: p.proof(iat=None), "DPoP"),
    "a time two minutes ago": (lambda p: p.proof(iat=int(time.time()) - 120), "iat"),
    "a time in two minutes": (lambda p: p.proof(iat=int(time.time()) + 120), "iat"),
    "a time in milliseconds": (lambda p: p.proof(iat=int(time.time() * 1000)), "iat"),
    "a time in text": (lambda p: p.proof(iat=str(int(time.time()))), "iat"),
    "a time that is true": (lambda p: p.proof(iat=True), "iat"),
    "a time that is no number": (lambda p: p.raw(p.header, _twice(p.claims | {"iat": 0}, "nbf", float("nan"))), "DPoP"),
    "an end that has passed": (lambda p: p.proof(exp=int(time.time()) - 5), "DPoP"),
    "no hash of the token": (lambda p: p.proof(ath=None), "ath"),
    "the hash of another token": (lambda p: p.proof(ath=hash_of("other")), "ath"),
    "the hash in hex": (lambda p: p.proof(ath=hashlib.sha256(p.token.encode()).hexdigest()), "ath"),
    "the hash with padding": (lambda p: p.proof(ath=hash_of(p.token) + "="), "ath"),
    "a hash that is a number": (lambda p: p.proof(ath=5), "ath"),
    "a hash in other letters": (lambda p: p.proof(ath="证" * 43), "ath"),
}  # fmt: skip
