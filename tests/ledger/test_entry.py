"""Statements are committed to, field by field, and admitted only when well formed and signed."""

import dataclasses
import hashlib
import hmac
import json
import re
import secrets

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.canonical import decode, encode
from ledger.entry import (
    MAX_ENTRY_BYTES,
    Draft,
    Entry,
    Opening,
    Signature,
    Statement,
    admit,
    commit,
    commitment,
    entry_bytes,
    sign,
    verify_opening,
    verify_signature,
)
from ledger.errors import AdmissionError, SignatureError, VerificationError
from ledger.signatures import SigningKey
from ledger.statement import MAX_PAYLOAD_BYTES

KEY = SigningKey.from_seed(b"P" * 32)
AGREEMENT = "urn:uuid:0190a000-0000-7000-8000-0000000000aa"


def salt(field):
    return secrets.token_bytes(32)


def entry_of(draft, signature=None, index=7, previous=bytes(32)):
    admitted = admit(draft, signature or sign(draft, KEY))
    return Entry.parse(entry_bytes(index, previous, admitted.payload, admitted.signature)), admitted


def test_a_commitment_is_the_keyed_hash_of_kind_field_and_value():
    opening = Opening(b"\x01" * 32, {"b": 1, "a": "é"})
    message = b'industrial-data-exchange/commitment/v1\nkind.x\nfield\n{"a":"\xc3\xa9","b":1}'
    expected = hmac.new(b"\x01" * 32, message, hashlib.sha256).digest()
    assert commitment("kind.x", "field", opening) == expected


@given(st.binary(max_size=130), st.text("ab", min_size=1), st.text(max_size=200))
def test_a_commitment_is_hmac_for_salts_and_values_of_any_length(key, name, value):
    message = b"industrial-data-exchange/commitment/v1\nkind.x\n" + name.encode() + b"\n" + encode(value)
    assert commitment("kind.x", name, Opening(key, value)) == hmac.digest(key, message, "sha256")


def test_the_public_entry_carries_no_value_no_signer_and_no_signature(make_draft):
    draft = make_draft(
        fields={"price_fen": 7_340_129_856_001, "buyer": "Acme"}, signer="Acme Ltd", agreement=AGREEMENT, counter=3
    )
    entry, admitted = entry_of(draft)
    document = json.loads(entry.body)
    assert set(document) == {"v", "index", "prev", "statement", "signature"}
    assert set(document["statement"]) == {"v", "kind", "id", "at", "agreement", "counter", "commitments"}
    assert set(document["statement"]["commitments"]) == {"price_fen", "buyer", "signer"}
    public_text = entry.body.decode()
    assert "7340129856001" not in public_text
    assert "Acme" not in public_text
    assert KEY.public.hex() not in public_text
    assert admitted.openings["signature"].value["sig"] not in public_text


def test_entry_bytes_are_canonical_and_say_what_went_in(make_draft):
    draft = make_draft(agreement=AGREEMENT, counter=3)
    entry, admitted = entry_of(draft, index=12, previous=b"\xab" * 32)
    assert encode(decode(entry.body)) == entry.body
    assert (entry.index, entry.previous, entry.counter, entry.agreement) == (12, b"\xab" * 32, 3, AGREEMENT)
    assert (entry.kind, entry.statement_id, entry.at) == (
        draft.statement.kind,
        draft.statement.id,
        draft.statement.at,
    )
    assert entry.payload == draft.payload
    assert entry.signature == admitted.signature


def test_the_same_value_under_another_salt_kind_or_field_has_another_commitment():
    base = commitment("kind.a", "field_a", Opening(b"1" * 32, "x"))
    others = [
        commitment("kind.b", "field_a", Opening(b"1" * 32, "x")),
        commitment("kind.a", "field_b", Opening(b"1" * 32, "x")),
        commitment("kind.a", "field_a", Opening(b"2" * 32, "x")),
        commitment("kind.a", "field_a", Opening(b"1" * 32, "y")),
    ]
    assert len({base, *others}) == 5


def test_openings_and_signature_verify(make_draft):
    entry, admitted = entry_of(make_draft())
    for name, opening in admitted.openings.items():
        verify_opening(entry, name, opening)
    found = verify_signature(entry, admitted.openings["signer"].value, admitted.openings["signature"].value)
    assert found.public == KEY.public


def test_a_changed_opening_is_found(make_draft):
    entry, admitted = entry_of(make_draft())
    for name, opening in admitted.openings.items():
        for changed in (Opening(opening.salt, "other"), Opening(bytes(32), opening.value), Opening(opening.salt, {1})):
            with pytest.raises(VerificationError, match=f"{name!r} of entry 7"):
                verify_opening(entry, name, changed)
    with pytest.raises(VerificationError, match="does not commit"):
        verify_opening(entry, "invented", Opening(bytes(32), 1))


def test_a_signature_that_is_not_of_this_statement_is_found(make_draft):
    entry, admitted = entry_of(make_draft())
    _, other = entry_of(make_draft())
    signer = admitted.openings["signer"].value
    with pytest.raises(VerificationError, match="does not hold"):
        verify_signature(entry, signer, other.openings["signature"].value)
    with pytest.raises(VerificationError, match="another signer"):
        verify_signature(entry, signer | {"participant": "x"}, admitted.openings["signature"].value)
    with pytest.raises(VerificationError, match="key id"):
        verify_signature(entry, signer, admitted.openings["signature"].value | {"key": "ed25519:0"})
    for broken in (None, {}, [], "x", admitted.openings["signature"].value | {"more": 1}):
        with pytest.raises(VerificationError):
            verify_signature(entry, signer, broken)


def test_an_unsigned_or_wrongly_signed_statement_is_refused(make_draft):
    draft, other = make_draft(), make_draft()
    for signature in (
        sign(other, KEY),
        Signature(SigningKey.generate().public, sign(draft, KEY).value),
        Signature(KEY.public, bytes(64)),
        Signature(KEY.public, KEY.sign("agreement-provider", draft.payload)),
        Signature(b"", b""),
    ):
        with pytest.raises(SignatureError):
            admit(draft, signature)


def test_a_payload_that_does_not_commit_to_its_statement_is_refused(make_draft):
    draft, other = make_draft(), make_draft()
    for forged in (
        dataclasses.replace(draft, payload=other.payload),
        dataclasses.replace(draft, statement=dataclasses.replace(draft.statement, kind="other.kind")),
        dataclasses.replace(draft, openings={**draft.openings, "number": Opening(b"1" * 32, 5)}),
        dataclasses.replace(draft, openings={**draft.openings, "more": Opening(b"1" * 32, 5)}),
        dataclasses.replace(draft, openings={}),
    ):
        with pytest.raises(AdmissionError):
            admit(forged, sign(forged, KEY))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": ""},
        {"kind": "Upper"},
        {"kind": "a\nb"},
        {"kind": "a..b"},
        {"kind": None},
        {"id": "urn:uuid:X"},
        {"id": "0190a000-0000-7000-8000-00000000000a"},
        {"id": "urn:uuid:0190A000-0000-7000-8000-00000000000A"},
        {"at": "2026-11-20T08:00:00+08:00"},
        {"at": "2026-11-20 08:00:00Z"},
        {"at": "2026-02-30T08:00:00Z"},
        {"at": "2026-11-20T08:00:00.1Z"},
        {"agreement": "x", "counter": 1},
        {"agreement": AGREEMENT},
        {"counter": 1},
        {"agreement": AGREEMENT, "counter": 0},
        {"agreement": AGREEMENT, "counter": 2**63},
        {"signer": ""},
        {"signer": None},
        {"custody": "shared"},
        {"fields": {"Upper": 1}},
        {"fields": {"a\nb": 1}},
        {"fields": {"signer": 1}},
        {"fields": {"signature": 1}},
        {"fields": {1: 1}},
        {"fields": {"a": float("nan")}},
        {"fields": {"a": 2**60}},
        {"fields": {"a": b"x"}},
        {"fields": {f"f{i}": 1 for i in range(300)}},
    ],
)
def test_a_malformed_statement_is_refused(make_draft, changes):
    with pytest.raises(AdmissionError):
        make_draft(**changes)


def test_the_largest_statement_makes_an_entry_within_the_limit(make_draft):
    names = [f"field_{i:03}_" + "x" * 50 for i in range(250)]
    entry, _ = entry_of(
        make_draft(fields=dict.fromkeys(names, 1), agreement=AGREEMENT, counter=2**63 - 1), index=2**63 - 1
    )
    assert len(entry.body) < MAX_ENTRY_BYTES
    overhead = len(entry.body) - len(entry.payload)
    assert MAX_PAYLOAD_BYTES + overhead <= MAX_ENTRY_BYTES


def test_a_large_value_is_committed_to_and_not_carried(make_draft):
    entry, _ = entry_of(make_draft(fields={"large": "x" * 1_000_000}))
    assert len(entry.body) < 1000


@pytest.mark.parametrize("broken", [b"", b"1" * 31, b"1" * 33, "1" * 32, None])
def test_a_salt_of_another_form_is_refused(make_draft, broken):
    statement = make_draft().statement
    for place in ("number", "signer", "signature"):
        with pytest.raises(AdmissionError, match="salt"):
            commit(statement, lambda name, place=place: broken if name == place else bytes(32))


def test_a_draft_kept_for_a_later_signature_has_the_same_bytes(make_draft):
    draft = make_draft(agreement=AGREEMENT, counter=3, fields={"a": [1, {"b": None}], "c": "数"})
    again = Draft.from_json(json.loads(json.dumps(draft.to_json())))
    assert again == draft
    admit(again, sign(draft, KEY))


@pytest.mark.parametrize("document", [{}, {"kind": 1}, None, [], {"salts": {}}])
def test_what_is_no_draft_is_refused(document):
    with pytest.raises(AdmissionError):
        Draft.from_json(document)


def test_secrets_do_not_show_in_representations(make_draft):
    draft = make_draft()
    assert repr(draft.openings["number"].salt) not in repr(draft)
    assert repr(draft.signature_salt) not in repr(draft)


def _changed(body, change):
    document = decode(body)
    change(document)
    return encode(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("prev"),
        lambda d: d.update(v=2),
        lambda d: d.update(more=1),
        lambda d: d.update(index=7),
        lambda d: d.update(index="07"),
        lambda d: d.update(index="-1"),
        lambda d: d.update(index="9" * 20),
        lambda d: d.update(prev="xyz"),
        lambda d: d.update(prev="AB" * 32),
        lambda d: d.update(signature=None),
        lambda d: d.update(statement=None),
        lambda d: d["statement"].update(v=0),
        lambda d: d["statement"].update(more=1),
        lambda d: d["statement"].update(agreement=AGREEMENT),
        lambda d: d["statement"].update(counter="1"),
        lambda d: d["statement"].update(kind="A"),
        lambda d: d["statement"].update(commitments=[]),
        lambda d: d["statement"]["commitments"].update({"x y": "0" * 64}),
        lambda d: d["statement"]["commitments"].update(x="0" * 63),
        lambda d: d["statement"]["commitments"].update(x="AB" * 32),
        lambda d: d["statement"]["commitments"].update(x="\ufffd" * 64),
        lambda d: d["statement"]["commitments"].update(x="0" * 63 + "g"),
    ],
)
def test_bytes_that_are_not_an_entry_are_refused(make_draft, change):
    entry, _ = entry_of(make_draft())
    with pytest.raises(VerificationError, match="not an entry"):
        Entry.parse(_changed(entry.body, change))


def _is_entry(body):
    """Judge by the letter of the format, with a JSON parser and the independent canonical encoder."""

    def matches(pattern, value):
        return isinstance(value, str) and re.fullmatch(pattern, value) is not None

    number, digest, urn = "(0|[1-9][0-9]{0,18})", "[0-9a-f]{64}", "urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    try:
        document = json.loads(body.decode())
        statement = document["statement"]
        commitments = statement["commitments"]
        return (
            rfc8785.dumps(document) == body
            and document.keys() == {"index", "prev", "signature", "statement", "v"}
            and statement.keys() - {"agreement", "counter"} == {"at", "commitments", "id", "kind", "v"}
            and ("agreement" in statement) == ("counter" in statement)
            and [document["v"], statement["v"]] == [1, 1]
            and matches(number, document["index"])
            and matches(digest, document["signature"])
            and (document["prev"] is None or matches(digest, document["prev"]))
            and all(matches("[a-z][a-z0-9_]{0,63}", k) and matches(digest, v) for k, v in commitments.items())
            and matches(urn, statement["id"])
            and matches(urn, statement.get("agreement", AGREEMENT))
            and matches(number, statement.get("counter", "1"))
            and matches(r"[a-z][a-z0-9_-]{0,63}(\.[a-z][a-z0-9_-]{0,63}){0,3}", statement["kind"])
            and matches(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z", statement["at"])
        )
    except (ValueError, LookupError, TypeError, AttributeError, rfc8785.CanonicalizationError):
        return False


_PIECES = st.sampled_from(
    [b"", b" ", b'"', b",", b":", b"{", b"}", b"\\u0061", b"\\/", b"0", b"1.0", b"-1", b"null", b"a", b"Z", "\u0661".encode(), b"\xff",
     b'"a":1,', b'"a":"' + b"0" * 64 + b'",', b'"z":"' + b"0" * 64 + b'"', b'"v":1', b"\n"]
)  # fmt: skip


@given(st.booleans(), st.lists(st.tuples(st.integers(0, 700), st.integers(0, 70), _PIECES), max_size=2), st.data())
def test_exactly_what_the_format_says_is_an_entry(make_draft, with_agreement, edits, data):
    draft = make_draft(**({"agreement": AGREEMENT, "counter": 3} if with_agreement else {}))
    body = entry_bytes(7, bytes(32), draft.payload, bytes(32))
    for start, length, piece in edits:
        body = body[:start] + piece + body[start + length :]
    if data.draw(st.booleans()):
        # Whole members in another place keep the text JSON, and not canonical.
        parts = body.split(b",")
        place = data.draw(st.integers(0, len(parts) - 1))
        parts.insert(data.draw(st.integers(0, len(parts))), parts[place])
        body = b",".join(parts)
    try:
        entry = Entry.parse(body)
    except VerificationError:
        assert not _is_entry(body)
        return
    assert _is_entry(body)
    document = json.loads(body)
    assert entry.payload == rfc8785.dumps(document["statement"])
    assert {name: value.hex() for name, value in entry.commitments.items()} == document["statement"]["commitments"]


def test_what_is_changed_after_the_commitment_is_not_what_is_recorded(make_draft):
    parties = ["A", "B"]
    draft = make_draft(fields={"parties": parties})
    parties.append("C")
    entry, admitted = entry_of(draft)
    assert admitted.openings["parties"].canonical() == b'["A","B"]'
    verify_opening(entry, "parties", Opening.from_canonical(draft.openings["parties"].salt, b'["A","B"]'))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_without_another_error(data):
    with pytest.raises(VerificationError):
        Entry.parse(data)


def test_statements_are_values():
    statement = Statement("a.b", AGREEMENT, "2026-11-20T08:00:00Z", {}, "x", "exchange")
    with pytest.raises(dataclasses.FrozenInstanceError):
        statement.kind = "c.d"
    assert commit(statement, salt).statement is statement
