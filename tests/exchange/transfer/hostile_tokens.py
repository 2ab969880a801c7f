"""Hostile access tokens, by what is wrong with each; every one of them is refused alike (RFC 8725, RFC 9068)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.keystore import LOG, STATEMENT
from exchange.transfer import jose


@dataclass
class Forge:
    """A valid token of a started transfer, with the exchange's own key to make others like it."""

    trade: Any
    transfer: str
    other: str
    private: Ed25519PrivateKey
    token: str

    @property
    def header(self) -> dict[str, Any]:
        return jwt.get_unverified_header(self.token)

    @property
    def claims(self) -> dict[str, Any]:
        return dict(jwt.decode(self.token, options={"verify_signature": False}))

    def sign(
        self, *, header: dict[str, Any] | None = None, key: Any = None, algorithm: str = "EdDSA", **claims: Any
    ) -> str:
        """Sign the valid claims with changes; a claim given as None is left out."""
        payload = {name: value for name, value in (self.claims | claims).items() if value is not None}
        head = {name: value for name, value in (self.header | (header or {})).items() if value is not None}
        head.pop("alg", None)
        return jwt.encode(payload, self.private if key is None else key, algorithm=algorithm, headers=head)

    def key_of(self, purpose: str) -> Ed25519PrivateKey:
        """Return another key of the exchange."""
        return Ed25519PrivateKey.from_private_bytes(self.trade.exchange.operations.services.keystore.secret(purpose))

    def raw_header(self, header: bytes) -> str:
        """Write a token with a header of these very bytes, signed by the exchange's key."""
        text = f"{jose.encode(header)}.{self.token.split('.')[1]}"
        return f"{text}.{jose.encode(self.private.sign(text.encode()))}"

    def raw(self, header: dict[str, Any], claims: dict[str, Any] | bytes, *, signature: bytes | None = None) -> str:
        """Write a token by hand, signed by the exchange's key unless told otherwise."""
        body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        text = f"{jose.encode(json.dumps(header).encode())}.{jose.encode(body)}"
        return f"{text}.{jose.encode(self.private.sign(text.encode()) if signature is None else signature)}"


def _public(forge: Forge, form: PublicFormat = PublicFormat.Raw, encoding: Encoding = Encoding.Raw) -> bytes:
    return forge.private.public_key().public_bytes(encoding, form)


def _hmac_token(forge: Forge, secret: bytes) -> str:
    text = f"{jose.encode(json.dumps({**forge.header, 'alg': 'HS256'}).encode())}.{jose.encode(json.dumps(forge.claims).encode())}"
    return f"{text}.{jose.encode(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def _altered_claims(forge: Forge) -> str:
    head, _, signature = forge.token.split(".")
    claims = forge.claims | {"exp": forge.claims["exp"] + 86_400}
    return f"{head}.{jose.encode(json.dumps(claims).encode())}.{signature}"


def _altered_signature(forge: Forge) -> str:
    head, body, signature = forge.token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[10] ^= 1
    return f"{head}.{body}.{jose.encode(bytes(raw))}"


def _with_own_key(forge: Forge) -> str:
    own = Ed25519PrivateKey.generate()
    public = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return forge.sign(header={"jwk": {"kty": "OKP", "crv": "Ed25519", "x": jose.encode(public)}}, key=own)


def _twice(values: dict[str, Any], name: str, value: Any) -> bytes:
    """Return the object with `name` in it once more, at its end."""
    return json.dumps(values).encode()[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}".encode()


def _padded(part: str) -> str:
    return part + "=" * (-len(part) % 4 or 4)


def _spelled(forge: Forge, letters: str, others: str) -> str:
    """Return a token that holds letters of the one alphabet, in those of the other."""
    token = next(token for number in range(1000) if set(token := forge.sign(jti=f"id-{number}")) & set(letters))
    return token.translate(str.maketrans(letters, others))


def _next_letter(letter: str) -> str:
    """Return the letter whose upper bits are the same; of the last letter of 64 bytes only two bits count."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) ^ 1]


def _full_width(token: str) -> str:
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in token[:40]) + token[40:]
    # As bytes of UTF-8 travel in a header.
    return wide.encode().decode("latin-1")


def _mixed(first: str, second: str) -> tuple[str, str, str]:
    return first.split(".", maxsplit=1)[0], second.split(".")[1], first.split(".")[2]


def _malleable(token: str) -> str:
    """Return the token with the group's order added to the scalar of its signature, which then is not canonical."""
    head, body, signature = token.split(".")
    raw = jose.decode(signature)
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(raw[32:], "little") + order
    return f"{head}.{body}.{jose.encode(raw[:32] + scalar.to_bytes(32, 'little'))}"


_NOW = int(time.time())
HOSTILE: dict[str, Callable[[Forge], str]] = {
    "expired a second ago": lambda f: f.sign(exp=_NOW - 1),
    "without an end": lambda f: f.sign(exp=None),
    "with an end that is no number": lambda f: f.sign(exp="tomorrow"),
    "with an end beyond all numbers": lambda f: f.raw(
        f.header, json.dumps(f.claims | {"exp": 0}).replace('"exp": 0', '"exp": 1e999').encode()
    ),
    "not valid yet": lambda f: f.sign(nbf=_NOW + 3600),
    "without a beginning": lambda f: f.sign(nbf=None),
    "issued in the future": lambda f: f.sign(iat=_NOW + 3600),
    "for another audience": lambda f: f.sign(aud="https://elsewhere.example/api/v1/transfers"),
    "for several audiences, ours among them": lambda f: f.sign(aud=[f.claims["aud"], "https://elsewhere.example"]),
    "for no audience": lambda f: f.sign(aud=None),
    "from another issuer": lambda f: f.sign(iss="https://elsewhere.example"),
    "from no issuer": lambda f: f.sign(iss=None),
    "from a list of issuers": lambda f: f.raw(f.header, f.claims | {"iss": [f.claims["iss"]]}),
    "without an identifier": lambda f: f.sign(jti=None),
    "without a subject": lambda f: f.sign(sub=None),
    "without its agreement": lambda f: f.sign(agreement=None),
    "without its transfer": lambda f: f.sign(transfer=None),
    "of another type": lambda f: f.sign(header={"typ": "JWT"}),
    "of no type": lambda f: f.raw({"alg": "EdDSA", "kid": f.header["kid"]}, f.claims),
    "of an identity token's type": lambda f: f.sign(header={"typ": "id+jwt"}),
    "with the algorithm none": lambda f: f.raw({**f.header, "alg": "none"}, f.claims, signature=b""),
    "with the algorithm None": lambda f: f.raw({**f.header, "alg": "None"}, f.claims, signature=b""),
    "without its signature": lambda f: f.token.rpartition(".")[0] + ".",
    "by HMAC with our public key": lambda f: _hmac_token(f, _public(f)),
    "by HMAC with our public key as PEM": lambda f: _hmac_token(
        f, _public(f, PublicFormat.SubjectPublicKeyInfo, Encoding.PEM)
    ),
    "by HMAC with an empty key": lambda f: _hmac_token(f, b""),
    "by another Ed25519 key": lambda f: f.sign(key=Ed25519PrivateKey.generate()),
    "by an elliptic curve key": lambda f: f.sign(key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
    "by an RSA key": lambda f: f.sign(key=rsa.generate_private_key(65537, 2048), algorithm="RS256"),
    "with another key's name": lambda f: f.sign(header={"kid": "0" * 16}),
    "with a path as the key's name": lambda f: f.sign(header={"kid": "../../../../dev/null"}),
    "without the key's name": lambda f: f.raw({"alg": "EdDSA", "typ": "at+jwt"}, f.claims),
    "with an unknown critical extension": lambda f: f.sign(header={"crit": ["bork"], "bork": True}),
    "with an unencoded payload": lambda f: f.raw({**f.header, "crit": ["b64"], "b64": False}, f.claims),
    "with its own key in the header": _with_own_key,
    "with a link to a key": lambda f: f.sign(header={"jku": "https://elsewhere.example/keys.json"}),
    "with altered claims": _altered_claims,
    "with an altered signature": _altered_signature,
    "with a signature cut short": lambda f: f.token[:-8],
    "with claims that are no object": lambda f: f.raw(f.header, b"[1,2,3]"),
    "with claims that are no JSON": lambda f: f.raw(f.header, b"\xff\xfe"),
    "with a header that is no JSON": lambda f: f"{jose.encode(b'nonsense')}.{'.'.join(f.token.split('.')[1:])}",
    "with no content at all": lambda _: "..",
    # Base64 that a lenient reader takes for the same bytes.
    "with padding": lambda f: ".".join(_padded(part) for part in f.token.split(".")),
    "in the other alphabet": lambda f: _spelled(f, "_-", "/+"),
    "with loose bits at its end": lambda f: f.token[:-1] + _next_letter(f.token[-1]),
    "with a letter outside the alphabet": lambda f: f.token[:-20] + "~" + f.token[-20:],
    "with a space inside": lambda f: f.token[:-20] + " " + f.token[-20:],
    "with text behind it": lambda f: f.token + "AAAA",
    "with a fourth part": lambda f: f.token + ".AAAA",
    "with five parts, as if encrypted": lambda f: f"{f.token}.AAAA.AAAA",
    "cut in its claims": lambda f: ".".join((f.token.split(".")[0], f.token.split(".")[1][:-9], f.token.split(".")[2])),
    "longer than any token": lambda f: f.sign(note="x" * 8000),
    "in full-width letters": lambda f: _full_width(f.token),
    "as JSON and not compact": lambda f: json.dumps({"payload": f.token.split(".")[1], "signature": "AA"}),
    # JSON that two readers understand differently.
    "with its end named twice": lambda f: f.raw(f.header, _twice(f.claims, "exp", _NOW - 5)),
    "with its transfer named twice": lambda f: f.raw(f.header, _twice(f.claims, "transfer", f.other)),
    "with its algorithm named twice": lambda f: f.raw_header(_twice(f.header, "alg", "none")),
    "with deeply nested claims": lambda f: f.raw(f.header, b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"),
    "with an end that is not a number of JSON": lambda f: f.raw(f.header, _twice(f.claims, "exp", float("nan"))),
    "with an end of five thousand digits": lambda f: f.raw(f.header, b'{"exp":' + b"9" * 2500 + b"}"),
    "with claims in UTF-16": lambda f: f.raw(f.header, json.dumps(f.claims).encode("utf-16")),
    "with a byte order mark": lambda f: f.raw(f.header, b"\xef\xbb\xbf" + json.dumps(f.claims).encode()),
    "with half a surrogate pair": lambda f: f.raw(f.header, json.dumps(f.claims | {"jti": "\ud800"}).encode()),
    # Names that only look right.
    "of a type in capitals": lambda f: f.sign(header={"typ": "AT+JWT"}),
    "of a type with a zero-width space": lambda f: f.sign(header={"typ": "at+\u200bjwt"}),
    "of a proof's type": lambda f: f.sign(header={"typ": "dpop+jwt"}),
    "with the algorithm in small letters": lambda f: f.raw({**f.header, "alg": "eddsa"}, f.claims),
    "with the algorithm in full-width letters": lambda f: f.raw({**f.header, "alg": "ＥｄＤＳＡ"}, f.claims),
    "with a list of algorithms": lambda f: f.raw({**f.header, "alg": ["EdDSA", "none"]}, f.claims),
    "with a list of keys' names": lambda f: f.raw({**f.header, "kid": [f.header["kid"]]}, f.claims),
    "with an injection as the key's name": lambda f: f.sign(header={"kid": "x' UNION SELECT 'a'--"}),
    "with a null byte behind the key's name": lambda f: f.sign(header={"kid": f.header["kid"] + "\0"}),
    "with a link to a certificate": lambda f: f.sign(header={"x5u": "https://elsewhere.example/cert.pem"}),
    "with a certificate": lambda f: f.sign(header={"x5c": ["MIIB"]}),
    "with a link to a file": lambda f: f.sign(header={"jku": "file:///etc/passwd"}),
    "compressed, it says": lambda f: f.sign(header={"zip": "DEF"}),
    "holding another token, it says": lambda f: f.sign(header={"cty": "JWT"}),
    # Signatures and keys of somebody or something else.
    "with the signature of another token": lambda f: ".".join(
        (*f.token.split(".")[:2], f.sign(jti="other").split(".")[2])
    ),
    "with the claims of another token": lambda f: ".".join(_mixed(f.token, f.sign(transfer=f.other))),
    "with a signature of zeros": lambda f: f.raw(f.header, f.claims, signature=bytes(64)),
    "with a signature and its order added": lambda f: _malleable(f.token),
    "by the exchange's statement key": lambda f: f.sign(key=f.key_of(STATEMENT)),
    "by the log's key": lambda f: f.sign(key=f.key_of(LOG)),
    "by HMAC with the key's name": lambda f: _hmac_token(f, f.header["kid"].encode()),
    # Claims of a wrong kind under the right signature.
    "with an end in text": lambda f: f.raw(f.header, f.claims | {"exp": "9999999999x"}),
    "with a time of issue in text": lambda f: f.raw(f.header, f.claims | {"iat": "now"}),
    "with a list of subjects": lambda f: f.raw(f.header, f.claims | {"sub": [f.claims["sub"]]}),
    "with a list of transfers": lambda f: f.raw(f.header, f.claims | {"transfer": [f.transfer, f.other]}),
    "with an agreement that is an object": lambda f: f.raw(f.header, f.claims | {"agreement": {}}),
    "without the person it was issued to": lambda f: f.sign(client_id=None),
    "without what it was made with": lambda f: f.sign(parent=None),
    "made with an API token that does not exist": lambda f: f.sign(
        parent="urn:uuid:01900000-0000-7000-8000-000000000000"
    ),
    "of a person who does not exist": lambda f: f.sign(client_id="urn:uuid:01900000-0000-7000-8000-000000000000"),
    "bound to nothing": lambda f: f.sign(cnf={}),
    "bound to null": lambda f: f.raw(f.header, f.claims | {"cnf": None}),
    "bound to a certificate": lambda f: f.sign(cnf={"x5t#S256": "A" * 43}),
    "bound to a key and to another": lambda f: f.sign(cnf={"jkt": "A" * 43, "jwk": {}}),
    "bound to half a thumbprint": lambda f: f.sign(cnf={"jkt": "A" * 22}),
    "with a deeply nested header": lambda f: f"{jose.encode(b'[' * 5000)}.{'.'.join(f.token.split('.')[1:])}",
}
