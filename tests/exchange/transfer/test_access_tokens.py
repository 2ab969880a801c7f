"""Access tokens of a transfer: one valid form, and everything else is refused without a byte (RFC 8725, RFC 9068)."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.keystore import TOKENS


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

    def raw(self, header: dict[str, Any], claims: dict[str, Any] | bytes, *, signature: bytes | None = None) -> str:
        """Write a token by hand, signed by the exchange's key unless told otherwise."""
        body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        text = f"{_encode(json.dumps(header).encode())}.{_encode(body)}"
        return f"{text}.{_encode(self.private.sign(text.encode()) if signature is None else signature)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def forge(shared_embedded: Any, make_trade: Any) -> Forge:
    trade = make_trade(shared_embedded)
    agreement = trade.agreement()
    transfer, other = trade.started(agreement), trade.started(agreement)
    token = trade.client(trade.consumer).post(f"/api/v1/transfers/{transfer}/token").json["access_token"]
    seed = shared_embedded.operations.services.keystore.secret(TOKENS)
    return Forge(trade, transfer, other, Ed25519PrivateKey.from_private_bytes(seed), token)


def fetch(forge: Forge, token: str, transfer: str | None = None, scheme: str = "Bearer") -> Any:
    """Ask for the sealed bytes with nothing but this token."""
    return forge.trade.client().get(
        f"/api/v1/transfers/{transfer or forge.transfer}/artefact", headers={"Authorization": f"{scheme} {token}"}
    )


def _public(forge: Forge, form: PublicFormat = PublicFormat.Raw, encoding: Encoding = Encoding.Raw) -> bytes:
    return forge.private.public_key().public_bytes(encoding, form)


def _hmac_token(forge: Forge, secret: bytes) -> str:
    import hashlib
    import hmac

    text = (
        f"{_encode(json.dumps({**forge.header, 'alg': 'HS256'}).encode())}.{_encode(json.dumps(forge.claims).encode())}"
    )
    return f"{text}.{_encode(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def _altered_claims(forge: Forge) -> str:
    head, _, signature = forge.token.split(".")
    claims = forge.claims | {"exp": forge.claims["exp"] + 86_400}
    return f"{head}.{_encode(json.dumps(claims).encode())}.{signature}"


def _altered_signature(forge: Forge) -> str:
    head, body, signature = forge.token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[10] ^= 1
    return f"{head}.{body}.{_encode(bytes(raw))}"


def _with_own_key(forge: Forge) -> str:
    own = Ed25519PrivateKey.generate()
    public = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return forge.sign(header={"jwk": {"kty": "OKP", "crv": "Ed25519", "x": _encode(public)}}, key=own)


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
    "with a header that is no JSON": lambda f: f"{_encode(b'nonsense')}.{'.'.join(f.token.split('.')[1:])}",
    "with no content at all": lambda _: "..",
    "with a deeply nested header": lambda f: f"{_encode(b'[' * 5000)}.{'.'.join(f.token.split('.')[1:])}",
}


def test_the_one_valid_form_opens_its_own_transfer_and_nothing_else(forge: Forge) -> None:
    answer = fetch(forge, forge.token)
    assert answer.status_code == 200
    assert len(answer.data) == forge.trade.transfer(forge.transfer).sealed_size
    # The forge itself works: what it signs unchanged is accepted, so every refusal below has its own reason.
    assert fetch(forge, forge.sign()).status_code == 200
    assert fetch(forge, forge.raw(forge.header, forge.claims)).status_code == 200


def test_a_token_names_transfer_agreement_and_consumer_and_lives_for_minutes(forge: Forge) -> None:
    claims = forge.claims
    row = forge.trade.transfer(forge.transfer)
    assert forge.header == {"alg": "EdDSA", "typ": "at+jwt", "kid": forge.header["kid"]}
    assert (claims["transfer"], claims["agreement"], claims["sub"]) == (row.id, row.agreement_id, row.consumer_id)
    assert 0 < claims["exp"] - claims["iat"] <= 15 * 60


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_token_is_refused_without_a_byte(forge: Forge, refused: Any, kind: str) -> None:
    token = HOSTILE[kind](forge)
    for scheme in ("Bearer", "DPoP"):
        answer = fetch(forge, token, scheme=scheme)
        refused(answer, 401, "invalid-token")
        assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("claim", ["agreement", "sub", "transfer"])
def test_a_token_for_somebody_elses_things_opens_nothing(forge: Forge, refused: Any, claim: str) -> None:
    foreign = forge.sign(**{claim: "urn:uuid:01900000-0000-7000-8000-000000000000"})
    refused(fetch(forge, foreign), 401 if claim == "transfer" else 404)


def test_a_token_opens_no_other_transfer_even_of_the_same_agreement(forge: Forge, refused: Any) -> None:
    refused(fetch(forge, forge.token, transfer=forge.other), 401, "invalid-token")


def test_an_access_token_is_no_api_token(forge: Forge, refused: Any) -> None:
    client, headers = forge.trade.client(), {"Authorization": f"Bearer {forge.token}"}
    for path in (f"/api/v1/transfers/{forge.transfer}", "/api/v1/me", f"/api/v1/transfers/{forge.transfer}/content"):
        refused(client.get(path, headers=headers), 401)
    refused(client.post(f"/api/v1/transfers/{forge.transfer}/token", headers=headers), 401)


def test_api_tokens_of_others_open_nothing(forge: Forge, refused: Any) -> None:
    trade = forge.trade
    stranger = trade.exchange.firm("Rival Works")
    for actor, status in ((trade.provider, 404), (stranger, 404), (trade.exchange.staff("auditor"), 403)):
        refused(fetch(forge, trade.exchange.token(actor)), status)
    refused(fetch(forge, trade.exchange.token(trade.consumer, ["firm:transfer:read"])), 403)
    for nonsense in ("", "ide_", "ide_" + "0" * 64 + "_00000000", forge.token.replace(".", "")):
        refused(fetch(forge, nonsense), 401)


def test_a_good_token_does_not_outlive_the_transfers_suspension(forge: Forge, refused: Any) -> None:
    trade = forge.trade
    trade.run(trade.provider, "transfer.suspend", transfer=forge.transfer, reason="Maintenance")
    try:
        refused(fetch(forge, forge.token), 409)
    finally:
        trade.run(trade.provider, "transfer.resume", transfer=forge.transfer)


def test_a_token_of_another_exchange_opens_nothing_here(
    forge: Forge, open_exchange: Any, make_trade: Any, refused: Any
) -> None:
    elsewhere = make_trade(open_exchange())
    transfer = elsewhere.started()
    token = elsewhere.client(elsewhere.consumer).post(f"/api/v1/transfers/{transfer}/token").json["access_token"]
    refused(fetch(forge, token), 401, "invalid-token")


@pytest.mark.parametrize("end", ["disabled", "role taken", "password reset"])
def test_the_token_ends_with_the_person_it_was_issued_to(trade: Any, refused: Any, end: str) -> None:
    owner = trade.consumer
    buyer = trade.exchange.person(owner, "buyer")
    transfer = trade.started()
    address = f"/api/v1/transfers/{transfer}"
    token = trade.client(buyer).post(f"{address}/token").json["access_token"]
    client, header = trade.client(), {"Authorization": f"Bearer {token}"}
    assert client.get(f"{address}/artefact", headers=header).status_code == 200
    if end == "disabled":
        trade.run(owner, "participants.disable_person", user=buyer.user)
    elif end == "role taken":
        trade.run(owner, "participants.set_roles", user=buyer.user, roles=["finance"])
    else:
        trade.run(owner, "participants.reset_password", user=buyer.user)
    refused(client.get(f"{address}/artefact", headers=header), 401, "invalid-token")
    fresh = trade.client(owner).post(f"{address}/token").json["access_token"]
    assert client.get(f"{address}/artefact", headers={"Authorization": f"Bearer {fresh}"}).status_code == 200
