"""Bound access tokens: whoever sends one proves to hold its key, anew for each request, and every other proof is refused (RFC 9449)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.client import ApiError, Client
from exchange.errors import AuthenticationError, ProofError
from exchange.transfer import access_tokens, dpop, jose, proofs
from exchange.transfer.models import UsedProof
from tests.exchange.cli_tools import serving
from tests.exchange.transfer.hostile_proofs import HOSTILE, Prover


def ask(trade: Any, transfer: str, key: Any = None, proof: str | None = None, **more: Any) -> Any:
    """Ask for an access token, with a proof by `key` where one is given."""
    path = f"/api/v1/transfers/{transfer}/token"
    address = trade.exchange.settings.public_url + path
    if key is not None:
        proof = Prover(address, "POST", key=key).proof(**more)
    return trade.client(trade.consumer).post(path, headers={} if proof is None else {"DPoP": proof})


def prover(trade: Any, transfer: str, key: Any = None) -> Prover:
    """Return who holds a bound token of a transfer, ready to fetch."""
    made = Prover(f"{trade.exchange.settings.public_url}/api/v1/transfers/{transfer}/artefact")
    if key is not None:
        made.key = key
    answer = ask(trade, transfer, made.key)
    assert answer.status_code == 200, answer.text
    made.token = answer.json["access_token"]
    return made


def fetch(trade: Any, by: Prover, proof: str | None, scheme: str = "DPoP", **more: Any) -> Any:
    headers = {"Authorization": f"{scheme} {by.token}", **({} if proof is None else {"DPoP": proof}), **more}
    return trade.client().get("/" + by.address.split("/", 3)[3], headers=headers)


@pytest.fixture(scope="module")
def trade_here(shared_embedded: Any, make_trade: Any) -> Any:
    return make_trade(shared_embedded)


@pytest.fixture(scope="module")
def bound(trade_here: Any) -> Prover:
    """A buyer with a bound token of a started transfer."""
    return prover(trade_here, trade_here.started())


@pytest.mark.parametrize("make", [Ed25519PrivateKey.generate, lambda: ec.generate_private_key(ec.SECP256R1())])
def test_a_bound_token_opens_its_transfer_with_a_proof_for_each_request(
    trade_here: Any, bound: Prover, make: Any
) -> None:
    by = prover(trade_here, bound.address.split("/")[-2], make())
    claims = jwt.decode(by.token, options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": dpop.thumbprint(by.jwk)}
    for _ in range(2):
        answer = fetch(trade_here, by, by.proof())
        assert answer.status_code == 200
        assert hashlib.sha256(answer.data).hexdigest() == trade_here.transfer(claims["transfer"]).artefact
    part = fetch(trade_here, by, by.proof(), Range="bytes=5-9")
    assert (part.status_code, len(part.data)) == (206, 5)


def test_the_thumbprint_is_that_of_the_standards_example() -> None:
    # RFC 8037, appendix A.3, and RFC 9449, section 6.1.
    okp = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert dpop.thumbprint(okp) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    p256 = {
        "kty": "EC", "crv": "P-256", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    }  # fmt: skip
    assert dpop.thumbprint(p256) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_the_example_of_the_standard_holds_at_its_own_time_and_place() -> None:
    proof = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik"
        "VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR"
        "nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE"
        "QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj"
        "oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia"
        "WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg"
        "4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
    )
    at = datetime.fromtimestamp(1562262616, UTC)
    found = dpop.verify(proof, method="POST", address="https://server.example.com:443/token", now=at)
    assert (found.key, found.identifier) == ("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "-BwC3ESc6acc2lTc")
    with pytest.raises(ProofError, match="iat"):
        dpop.verify(proof, method="POST", address="https://server.example.com/token", now=at + timedelta(seconds=61))


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_proof_is_refused_by_name_and_quoted_nowhere(
    trade_here: Any, bound: Prover, refused: Any, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    make, field = HOSTILE[kind]
    proof = make(bound)
    with structlog.testing.capture_logs() as logged:
        answer = fetch(trade_here, bound, proof)
    problem = refused(answer, 401, "invalid-dpop-proof")
    assert (problem["field"], problem["error"]) == (field, "invalid_dpop_proof")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('DPoP realm="exchange", algs="EdDSA ES256", error="invalid_dpop_proof"')
    told = f"{logged}{caplog.text}{answer.text}{answer.headers}"
    assert not any(part in told for part in [proof, *proof.split(".")] if len(part) > 30)


def test_the_corpus_of_proofs_holds_what_was_promised(bound: Prover) -> None:
    assert len(HOSTILE) >= 60


def test_a_proof_with_what_some_libraries_add_is_taken(trade_here: Any, bound: Prover) -> None:
    described = {**bound.jwk, "kid": "mine", "use": "sig", "key_ops": ["verify"], "ext": True, "alg": "EdDSA"}
    assert fetch(trade_here, bound, bound.proof(header={"jwk": described})).status_code == 200
    spelled = bound.address.replace("http://", "HTTP://").replace("urn:uuid", "urn%3Auuid")
    assert fetch(trade_here, bound, bound.proof(htu=spelled)).status_code == 200


def test_a_bound_token_without_its_proof_or_by_the_other_scheme_is_refused(
    trade_here: Any, bound: Prover, refused: Any
) -> None:
    assert refused(fetch(trade_here, bound, None), 401, "invalid-dpop-proof")["field"] == "DPoP"
    for proof in (None, bound.proof()):
        answer = fetch(trade_here, bound, proof, scheme="Bearer")
        refused(answer, 401, "invalid-token")
        bearer, possible = answer.headers.getlist("WWW-Authenticate")
        assert bearer.startswith('Bearer realm="exchange", error="invalid_token"')
        assert possible == 'DPoP realm="exchange", algs="EdDSA ES256"'


def test_a_proof_that_is_refused_in_chinese_says_so_in_chinese(trade_here: Any, bound: Prover) -> None:
    answer = fetch(trade_here, bound, bound.proof(htm="POST"), **{"Accept-Language": "zh"})
    assert answer.json["detail"] == "htm 不是 GET。"
    assert answer.headers["WWW-Authenticate"].isascii()


def test_a_proof_opens_once_in_whichever_worker(trade: Any, refused: Any) -> None:
    by = prover(trade, trade.started())
    proof = by.proof()
    assert fetch(trade, by, proof).status_code == 200
    refused(fetch(trade, by, proof), 401, "invalid-dpop-proof")
    # The memory is in the database that all workers share; of many that use one proof at once a single one gets through.
    held = dpop.Proof("key", "parallel-proof", time.time())

    def attempt(_: int) -> bool:
        try:
            proofs.use(trade.exchange.operations.database, held)
        except ProofError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6), timeout=60)) == 1


def test_one_that_was_used_is_forgotten_only_when_its_time_is_over(trade_here: Any) -> None:
    operations, now = trade_here.exchange.operations, time.time()
    for name, at in (("old", now - 2 * dpop.WINDOW - 5), ("edge", now - dpop.WINDOW - 5), ("new", now)):
        proofs.use(operations.database, dpop.Proof(name, "an-identifier", at))
    operations.run_as_system("transfer.forget_proofs")
    with operations.database.reading() as session:
        kept = [session.get(UsedProof, dpop.Proof(name, "an-identifier", 0).digest) for name in ("old", "edge", "new")]
    assert [row is not None for row in kept] == [False, True, True]


def test_a_hostile_proof_at_the_request_binds_nothing(trade_here: Any, bound: Prover, refused: Any) -> None:
    transfer = bound.address.split("/")[-2]
    key = Ed25519PrivateKey.generate()
    for more, field in (
        ({"htm": "GET"}, "htm"), ({"htu": bound.address}, "htu"), ({"iat": 5}, "iat"), ({"header": {"typ": "JWT"}}, "typ"),
    ):  # fmt: skip
        answer = ask(trade_here, transfer, key, **more)
        assert refused(answer, 400, "invalid-dpop-proof")["field"] == field
        assert answer.json["error"] == "invalid_dpop_proof"
    refused(ask(trade_here, transfer, proof=""), 400, "invalid-dpop-proof")
    again = Prover(bound.address.replace("artefact", "token"), "POST", key=key).proof()
    assert ask(trade_here, transfer, proof=again).json["token_type"] == "DPoP"
    refused(ask(trade_here, transfer, proof=again), 400, "invalid-dpop-proof")


def test_a_proof_of_one_transfer_opens_no_other(trade_here: Any, bound: Prover, refused: Any) -> None:
    agreement = trade_here.transfer(bound.address.split("/")[-2]).agreement_id
    other = prover(trade_here, trade_here.started(agreement), bound.key)
    refused(fetch(trade_here, other, bound.proof()), 401, "invalid-dpop-proof")
    # Address and key fit, but the token is the other transfer's.
    crossed = Prover(bound.address, token=other.token, key=bound.key)
    refused(fetch(trade_here, crossed, crossed.proof()), 401, "invalid-token")


@pytest.fixture(scope="module")
def strict(open_exchange: Any, make_trade: Any) -> Any:
    """An exchange that demands bound tokens, with nonces."""
    return make_trade(open_exchange(dpop="required", dpop_nonce=True))


def test_an_operator_can_demand_bound_tokens_with_nonces(strict: Any, refused: Any) -> None:
    transfer, key = strict.started(), Ed25519PrivateKey.generate()
    unbound = ask(strict, transfer)
    assert refused(unbound, 400, "binding-required")["field"] == "DPoP"
    first = ask(strict, transfer, key)
    refused(first, 400, "use-dpop-nonce")
    assert first.json["error"] == "use_dpop_nonce"
    nonce = first.headers["DPoP-Nonce"]
    for wrong in ("", "A" * 32, nonce[:-1], nonce + "A", dpop.make_nonce(b"another seed", datetime.now(UTC)), 5):
        refused(ask(strict, transfer, key, nonce=wrong), 400, "use-dpop-nonce")
    given = ask(strict, transfer, key, nonce=nonce)
    by = Prover(f"{strict.exchange.settings.public_url}/api/v1/transfers/{transfer}/artefact", key=key)
    by.token = given.json["access_token"]
    stale = fetch(strict, by, by.proof())
    refused(stale, 401, "use-dpop-nonce")
    assert 'error="use_dpop_nonce"' in stale.headers["WWW-Authenticate"]
    assert fetch(strict, by, by.proof(nonce=stale.headers["DPoP-Nonce"])).status_code == 200


def test_a_nonce_holds_for_minutes_and_not_before_it_was_made() -> None:
    seed, now = bytes(32), datetime(2026, 1, 1, tzinfo=UTC)
    by = Prover("http://127.0.0.1/a")

    def holds(minutes: float) -> bool:
        at = now + timedelta(minutes=minutes)
        proof = by.proof(iat=int(at.timestamp()), nonce=dpop.make_nonce(seed, now))
        try:
            dpop.verify(proof, method="GET", address=by.address, now=at, nonce_seed=seed)
        except ProofError as error:
            return error.code != "use-dpop-nonce"
        return True

    assert [holds(minutes) for minutes in (-1, 0, 4, 5, 60)] == [False, True, True, False, False]


def test_an_unbound_token_of_before_opens_nothing_once_binding_is_demanded(strict: Any, refused: Any) -> None:
    transfer = strict.started()
    services = strict.exchange.operations.services
    row = strict.transfer(transfer)
    grant = access_tokens.Grant(transfer, row.agreement_id, row.consumer_id, strict.consumer.user, datetime.now(UTC))
    token, _ = access_tokens.issue(services, grant, bytes(10))
    answer = strict.client().get(f"/api/v1/transfers/{transfer}/artefact", headers={"Authorization": f"Bearer {token}"})
    refused(answer, 401, "invalid-token")


@pytest.mark.parametrize("end", ["suspended", "terminated", "firm suspended", "API token revoked", "person disabled"])
def test_a_bound_token_ends_at_once(embedded: Any, refused: Any, end: str) -> None:
    trade = embedded
    buyer = trade.exchange.person(trade.consumer, "buyer")
    transfer = trade.started()
    made = trade.exchange.operations.run(buyer, "participants.create_token", name="program").result
    by = Prover(f"{trade.exchange.settings.public_url}/api/v1/transfers/{transfer}/artefact")
    path = f"/api/v1/transfers/{transfer}/token"
    proof = Prover(trade.exchange.settings.public_url + path, "POST", key=by.key).proof()
    headers = {"Authorization": f"Bearer {made['token']}", "DPoP": proof}
    by.token = trade.client().post(path, headers=headers).json["access_token"]
    assert fetch(trade, by, by.proof()).status_code == 200
    if end == "suspended":
        trade.run(trade.provider, "transfer.suspend", transfer=transfer, reason="Maintenance")
    elif end == "terminated":
        trade.run(trade.provider, "transfer.terminate", transfer=transfer, reason="Over")
    elif end == "firm suspended":
        trade.run(
            trade.exchange.staff("operator"),
            "participants.suspend",
            participant=trade.consumer.participant,
            reason="Unpaid",
        )
    elif end == "API token revoked":
        trade.run(buyer, "participants.revoke_token", token=made["id"])
    else:
        trade.run(trade.consumer, "participants.disable_person", user=buyer.user)
    status = 401 if end in {"API token revoked", "person disabled"} else 409
    refused(fetch(trade, by, by.proof()), status)


def test_a_running_answer_stops_when_the_api_token_behind_it_is_revoked(embedded: Any, in_small_parts: None) -> None:
    trade = embedded
    transfer = trade.started()
    made = trade.exchange.operations.run(trade.consumer, "participants.create_token", name="program").result
    client = trade.exchange.app.test_client()
    headers = {"Authorization": f"Bearer {made['token']}"}
    answer = client.get(f"/api/v1/transfers/{transfer}/artefact", headers=headers, buffered=False)
    blocks = answer.iter_encoded()
    next(blocks)
    trade.run(trade.consumer, "participants.revoke_token", token=made["id"])
    with pytest.raises(AuthenticationError):
        list(blocks)


@pytest.fixture(scope="module")
def served(open_exchange: Any, make_trade: Any) -> Iterator[tuple[Any, str]]:
    """An exchange that demands bound tokens, behind its own public address."""
    box: list[Any] = []
    with serving(lambda environ, start: box[0](environ, start)) as address:  # noqa: PLW0108 - the app comes after the port
        exchange = open_exchange(public_url=address, dpop="required", dpop_nonce=True)
        box.append(exchange.app)
        yield make_trade(exchange), address


def test_the_client_proves_its_key_where_the_exchange_demands_it(served: Any, tmp_path: Path) -> None:
    trade, address = served
    transfer = trade.started()
    client = Client(address, trade.exchange.token(trade.consumer))
    for bound in (False, True):
        digest = client.fetch(transfer, tmp_path / f"{bound}.sealed", opened=False, bound=bound)
        assert digest == client.transfer(transfer)["sealed_digest"]
    assert client.access_token(transfer)["token_type"] == "DPoP"
    # Under another name than its own the exchange refuses, and says which it is.
    elsewhere = Client(address.replace("127.0.0.1", "localhost"), trade.exchange.token(trade.consumer))
    with pytest.raises(ApiError, match=address) as refusal:
        elsewhere.access_token(transfer)
    assert refusal.value.problem["field"] == "htu"


def test_the_command_line_fetches_by_a_bound_token(served: Any, run: Any, tmp_path: Path) -> None:
    trade, address = served
    transfer = trade.started()
    token = trade.exchange.token(trade.consumer)
    done = run("fetch", transfer, "--sealed", "--bound", "-o", str(tmp_path), "--url", address, EXCHANGE_TOKEN=token)
    assert done.exit_code == 0, done.output
    assert len(list(tmp_path.glob("*.sealed"))) == 1


def test_base64_has_one_spelling() -> None:
    assert jose.decode(jose.encode(b"\xff\xfe")) == b"\xff\xfe"
    for wrong in ("__5", "//4", "__4=", "_", "__4 ", "＿４"):
        with pytest.raises(ValueError, match=r"spelling|alphabet|padded|Incorrect|multiple|cannot be"):
            jose.decode(wrong)
