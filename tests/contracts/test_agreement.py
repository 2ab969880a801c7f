"""Agreements: one form, two signatures, and nothing that can be changed afterwards."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.agreement import Agreement, Role, Signature, SignedAgreement, digest_of, sign, verify
from contracts.errors import AgreementError
from contracts.odrl import parse, templates
from ledger.signatures import SigningKey

PROVIDER, CONSUMER, DATASET = "urn:uuid:provider", "urn:uuid:consumer", "urn:uuid:dataset"
PROVIDER_KEY, CONSUMER_KEY = SigningKey.from_seed(b"p" * 32), SigningKey.from_seed(b"c" * 32)
PLAN = {"version": 1, "columns": [{"column": "operator", "method": "suppress", "parameters": {}}]}


def _policy(**changes):
    offer = parse(templates.build("purpose-and-count", purposes=["predictive-maintenance"], count=3))
    parties = {"assigner": PROVIDER, "assignee": CONSUMER, "target": DATASET} | changes
    return offer.as_agreement(uid="urn:uuid:policy", **parties).to_json()


def _values(**changes):
    return {
        "id": "urn:uuid:agreement",
        "provider": PROVIDER,
        "consumer": CONSUMER,
        "dataset": DATASET,
        "dataset_version": {"id": "urn:uuid:version", "digest": "sha256:" + "a" * 64},
        "policy": _policy(),
        "plan": PLAN,
        "plan_hash": digest_of(PLAN),
        "price": {"kind": "one-off", "amount_fen": 500_000, "currency": "CNY"},
        "purpose": "predictive-maintenance",
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
        "valid_until": datetime(2027, 1, 1, tzinfo=UTC),
        "mandate": {"acts": ["release", "meter"], "key": "ed25519:0011223344556677"},
        "created_at": datetime(2026, 1, 1, 8, 30, 0, 250_000, tzinfo=UTC),
        **changes,
    }


@pytest.fixture
def agreement() -> Agreement:
    return Agreement(**_values())


@pytest.fixture
def signed(agreement) -> SignedAgreement:
    data = agreement.canonical()
    return SignedAgreement(data, (sign(data, PROVIDER_KEY, Role.PROVIDER), sign(data, CONSUMER_KEY, Role.CONSUMER)))


def test_an_agreement_survives_json_and_its_canonical_bytes(agreement):
    assert Agreement.from_json(agreement.to_json()) == agreement
    assert Agreement.from_json(json.loads(json.dumps(agreement.to_json()))).canonical() == agreement.canonical()
    assert Agreement.from_bytes(agreement.canonical()) == agreement
    assert agreement.digest() == digest_of(agreement.to_json())


def test_the_digest_of_a_known_agreement_never_changes(agreement):
    """The canonical form is what courts and auditors hold; a change of it is a new version number."""
    text = agreement.canonical().decode()
    assert text.startswith('{"consumer":"urn:uuid:consumer","created_at":"2026-01-01T08:30:00.250000Z","dataset":')
    assert text.endswith('"valid_from":"2026-01-01T00:00:00Z","valid_until":"2027-01-01T00:00:00Z","version":1}')


def test_times_in_another_zone_give_the_same_bytes():
    beijing = timezone(timedelta(hours=8))
    moved = {name: _values()[name].astimezone(beijing) for name in ("valid_from", "valid_until", "created_at")}
    assert Agreement(**_values(**moved)).canonical() == Agreement(**_values()).canonical()


def test_what_the_caller_changes_later_does_not_change_what_is_signed():
    values = _values(plan=copy.deepcopy(PLAN), price={"amount_fen": 1})
    agreement = Agreement(**values)
    before = agreement.canonical()
    values["plan"]["columns"].clear()
    values["price"]["amount_fen"] = 0
    agreement.to_json()["policy"].clear()
    assert agreement.canonical() == before
    assert Agreement.from_json(agreement.to_json()).canonical() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": ""}, "id"),
        ({"purpose": "  "}, "purpose"),
        ({"provider": None}, "provider"),
        ({"consumer": PROVIDER}, "consumer"),
        ({"replaces": "urn:uuid:agreement"}, "replaces"),
        ({"dataset_version": {"id": "x"}}, "dataset_version"),
        ({"dataset_version": {"id": "x", "digest": "sha256:abc"}}, "dataset_version.digest"),
        ({"plan": {"version": 2}}, "plan_hash"),
        ({"plan_hash": "sha256:" + "0" * 64}, "plan_hash"),
        ({"price": "free"}, "price"),
        ({"mandate": {"limit": float("nan")}}, "mandate"),
        ({"mandate": {"limit": 2**60}}, "mandate"),
        ({"valid_from": datetime(2026, 1, 1)}, "valid_from"),  # noqa: DTZ001 - the zone is missing on purpose.
        ({"valid_until": datetime(2026, 1, 1, tzinfo=UTC)}, "valid_until"),
        ({"policy": _policy(assignee="urn:uuid:other")}, "policy"),
        ({"policy": _policy(target="urn:uuid:other")}, "policy"),
        ({"policy": templates.build("internal-use")}, "policy"),
    ],
)
def test_a_malformed_agreement_is_refused_and_the_part_is_named_in_both_languages(change, named):
    with pytest.raises(AgreementError) as refusal:
        Agreement(**_values(**change))
    assert f"agreement's {named} " in refusal.value.text_en
    assert f"协议的 {named} " in refusal.value.text_zh


def test_a_policy_that_cannot_be_read_is_refused_with_its_path():
    policy = _policy()
    del policy["permission"][0]["constraint"][0]["operator"]
    with pytest.raises(AgreementError, match=r"\$\.permission\[0\]\.constraint\[0\].*operator is missing"):
        Agreement(**_values(policy=policy))


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda document: document.pop("plan_hash"), "plan_hash is missing"),
        (lambda document: document.update(extra=1), "extra is not known"),
        (lambda document: document.update(version=2), "version is not 1"),
        (lambda document: document.update(version=True), "version is not 1"),
        (lambda document: document.update(valid_from="2026-01-01T00:00:00+00:00"), "valid_from is not a UTC time"),
        (lambda document: document.update(valid_from="2026-01-01"), "valid_from is not a UTC time"),
        (lambda document: document.update(created_at=None), "created_at is not a UTC time"),
    ],
)
def test_a_document_with_more_less_or_other_than_an_agreement_is_refused(agreement, edit, named):
    document = agreement.to_json()
    edit(document)
    with pytest.raises(AgreementError, match=named):
        Agreement.from_json(document)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b"\xff", b'{"version": 1}'])
def test_bytes_that_are_no_agreement_are_refused(data):
    with pytest.raises(AgreementError):
        Agreement.from_bytes(data)
    with pytest.raises(AgreementError):
        sign(data, PROVIDER_KEY, Role.PROVIDER)


def test_an_agreement_signed_by_both_verifies(signed, agreement):
    assert verify(signed) == agreement
    assert verify(signed, provider_key=PROVIDER_KEY.public, consumer_key=CONSUMER_KEY.public) == agreement
    again = SignedAgreement.from_json(json.loads(json.dumps(signed.to_json())))
    assert again == signed
    assert verify(again) == agreement


def test_an_agreement_with_one_signature_is_not_in_force(signed):
    provider, consumer = signed.signatures
    for signatures, missing in (((provider,), "consumer"), ((consumer,), "provider"), ((), "provider")):
        with pytest.raises(AgreementError, match=f"0 signatures of the {missing}"):
            verify(SignedAgreement(signed.agreement, signatures))
    with pytest.raises(AgreementError, match="2 signatures of the provider"):
        verify(SignedAgreement(signed.agreement, (provider, provider, consumer)))


def test_a_signature_cannot_be_presented_as_the_other_partys(signed):
    provider, consumer = signed.signatures
    swapped = (
        Signature(Role.CONSUMER, provider.public, provider.signature),
        Signature(Role.PROVIDER, consumer.public, consumer.signature),
    )
    with pytest.raises(AgreementError, match="provider's signature does not fit"):
        verify(SignedAgreement(signed.agreement, swapped))


def test_one_key_for_both_parties_is_refused(agreement):
    data = agreement.canonical()
    signatures = tuple(sign(data, PROVIDER_KEY, role) for role in Role)
    with pytest.raises(AgreementError, match="One key signed for both"):
        verify(SignedAgreement(data, signatures))


def test_a_signature_by_another_key_than_expected_is_refused(signed):
    stranger = SigningKey.from_seed(b"s" * 32).public
    with pytest.raises(AgreementError, match=r"consumer's signature is by .* not by the expected"):
        verify(signed, consumer_key=stranger)
    with pytest.raises(AgreementError, match=r"provider's signature is by .* not by the expected"):
        verify(signed, provider_key=stranger)


@given(data=st.data())
def test_any_altered_property_breaks_the_signatures(data):
    agreement = Agreement(**_values())
    signatures = tuple(
        sign(agreement.canonical(), key, role)
        for key, role in ((PROVIDER_KEY, Role.PROVIDER), (CONSUMER_KEY, Role.CONSUMER))
    )
    name = data.draw(st.sampled_from(["purpose", "price", "mandate", "valid_until", "id", "dataset_version"]))
    other = {
        "purpose": "research",
        "price": {"kind": "free", "amount_fen": 0, "currency": "CNY"},
        "mandate": {},
        "valid_until": None,
        "id": "urn:uuid:other",
        "dataset_version": {"id": "urn:uuid:version", "digest": "sha256:" + "b" * 64},
    }[name]
    altered = Agreement(**_values(**{name: other}))
    with pytest.raises(AgreementError, match="signature does not fit"):
        verify(SignedAgreement(altered.canonical(), signatures))


@given(position=st.integers(0, 63), flip=st.integers(1, 255))
def test_any_altered_byte_of_a_signature_is_found(position, flip):
    data = Agreement(**_values()).canonical()
    good = sign(data, PROVIDER_KEY, Role.PROVIDER)
    bad = bytearray(good.signature)
    bad[position] ^= flip
    with pytest.raises(AgreementError):
        Signature(Role.PROVIDER, good.public, bytes(bad)).check(data)


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["signatures"][0].update(public="AA=="),
        lambda document: document["signatures"][0].update(signature="not base64!"),
        lambda document: document["signatures"][0].update(signature=None),
        lambda document: document["signatures"][0].update(role="operator"),
        lambda document: document["signatures"][0].update(role=["provider"]),
        lambda document: document["signatures"][0].update(key="ed25519:0000000000000000"),
        lambda document: document["signatures"][0].update(note="x"),
        lambda document: document.update(signatures={}),
        lambda document: document.update(signatures=[None]),
        lambda document: document.update(more=1),
        lambda document: document.pop("agreement"),
        lambda document: document.update(agreement=[]),
    ],
)
def test_a_malformed_file_is_refused(signed, edit):
    document = signed.to_json()
    edit(document)
    with pytest.raises(AgreementError):
        SignedAgreement.from_json(document)


def test_an_amendment_names_the_agreement_it_replaces(agreement):
    amended = Agreement(**_values(id="urn:uuid:new", replaces=agreement.id))
    assert Agreement.from_json(amended.to_json()).replaces == agreement.id
    assert amended.digest() != agreement.digest()


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "contracts", "verify", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _flat(signed: SignedAgreement, target: Path) -> Path:
    target.write_text(json.dumps(signed.to_json(), ensure_ascii=False, indent=2), encoding="utf-8")
    return target


def test_the_command_verifies_a_file_and_says_its_terms(signed, tmp_path):
    path = _flat(signed, tmp_path / "agreement.json")
    done = _run(path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "both signatures hold" in done.stdout
    assert "The consumer may use the data only for predictive maintenance and at most 3 times." in done.stdout
    assert signed.signatures[0].key_id in done.stdout
    chinese = _run(path, "--language", "zh")
    assert "双方签名均有效" in chinese.stdout
    assert "使用方可以使用该数据：仅用于预测性维护；最多 3 次。" in chinese.stdout


def test_the_command_prints_json_and_accepts_the_expected_keys(signed, tmp_path):
    path = _flat(signed, tmp_path / "agreement.json")
    key = base64.b64encode(PROVIDER_KEY.public).decode()
    document = json.loads(_run(path, "--json", "--provider-key", key).stdout)
    assert document["ok"] is True
    assert document["digest"] == Agreement.from_bytes(signed.agreement).digest()


def test_the_command_refuses_an_altered_agreement_with_status_1(signed, tmp_path):
    document = signed.to_json()
    document["agreement"]["price"]["amount_fen"] = 1
    path = tmp_path / "agreement.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    done = _run(path)
    assert done.returncode == 1
    assert "provider's signature does not fit the agreement" in done.stdout
    wrong = base64.b64encode(b"x" * 32).decode()
    assert _run(_flat(signed, path), "--consumer-key", wrong).returncode == 1


def test_the_command_refuses_what_it_cannot_use_with_status_2(signed, tmp_path):
    absent = _run(tmp_path / "absent.json")
    assert (absent.returncode, absent.stdout) == (2, "")
    assert "No such file" in absent.stderr
    path = tmp_path / "agreement.json"
    for content in (b"", b"not json", b"\xff\xfe", b'{"agreement":1,"agreement":2}', b"[" * 200_000):
        path.write_bytes(content)
        done = _run(path)
        assert done.returncode == 2, content
        assert "Traceback" not in done.stderr
    assert _run(_flat(signed, path), "--provider-key", "short").returncode == 2


def test_the_command_imports_neither_the_web_nor_the_exchange(signed, tmp_path):
    path = _flat(signed, tmp_path / "agreement.json")
    code = (
        "import sys; from contracts.__main__ import main; main(['verify', sys.argv[1]]);"
        "bad = {'flask', 'werkzeug', 'sqlalchemy', 'pyarrow', 'exchange', 'valuation'} & set(sys.modules);"
        "sys.exit(f'{bad}' if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
