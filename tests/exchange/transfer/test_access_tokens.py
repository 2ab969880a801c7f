"""Access tokens of a transfer: one valid form, and everything else is refused without a byte (RFC 8725, RFC 9068)."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.keystore import TOKENS
from tests.exchange.transfer.hostile_tokens import HOSTILE, Forge


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
def test_a_hostile_token_is_refused_without_a_byte_and_quoted_nowhere(
    forge: Forge, refused: Any, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    token = HOSTILE[kind](forge)
    for scheme in ("Bearer", "DPoP"):
        with structlog.testing.capture_logs() as logged:
            answer = fetch(forge, token, scheme=scheme)
        refused(answer, 401, "invalid-token")
        assert 'error="invalid_token"' in str(answer.headers.getlist("WWW-Authenticate"))
        told = f"{logged}{caplog.text}{answer.text}{answer.headers}"
        assert not any(part in told for part in [token, *token.split(".")] if len(part) > 30)


def test_the_corpus_is_as_large_as_promised_and_no_two_are_the_same(forge: Forge) -> None:
    assert len({make(forge) for make in HOSTILE.values()}) == len(HOSTILE) >= 60


@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/catalog", "/api/v1/ledger/checkpoint", "/", "/nowhere"])
def test_an_access_token_is_taken_at_its_own_address_alone_and_elsewhere_refused(
    forge: Forge, path: str, scheme: str
) -> None:
    answer = forge.trade.client().get(path, headers={"Authorization": f"{scheme} {forge.token}"})
    assert answer.status_code == 401


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
