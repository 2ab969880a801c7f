"""Signatures are Ed25519, verify only what was signed, and never cross a domain."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.errors import SignatureError
from ledger.signatures import SigningKey, key_id, signing_input, verify, verify_bytes

KEY = SigningKey.from_seed(bytes(range(32)))


def test_the_published_vectors_are_judged_as_published(vectors):
    document = json.loads((vectors("wycheproof") / "ed25519_test.json").read_text())
    judged = {"valid": 0, "invalid": 0}
    for group in document["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            try:
                verify_bytes(public, message, signature)
                verdict = "valid"
            except SignatureError:
                verdict = "invalid"
            assert verdict == test["result"], test
            judged[verdict] += 1
    assert sum(judged.values()) == document["numberOfTests"]
    assert min(judged.values()) > 50


def test_a_signature_verifies_in_its_domain_only():
    signature = KEY.sign("statement", b"payload")
    verify(KEY.public, "statement", b"payload", signature)
    for domain, payload in (("agreement-provider", b"payload"), ("statement", b"other")):
        with pytest.raises(SignatureError):
            verify(KEY.public, domain, payload, signature)


def test_a_domain_cannot_be_confused_with_a_payload():
    assert signing_input("a", b"x") == b"industrial-data-exchange/a/v1\nx"
    for domain in ("", "a/v1\n", "A", "a b", "ä"):
        with pytest.raises(SignatureError):
            signing_input(domain, b"x")


def test_another_implementation_makes_the_same_signature():
    other = Ed25519PrivateKey.from_private_bytes(KEY.seed)
    assert other.public_key().public_bytes_raw() == KEY.public
    assert other.sign(signing_input("statement", b"p")) == KEY.sign("statement", b"p")


def test_a_key_does_not_show_its_seed():
    assert repr(KEY.seed) not in repr(KEY)
    assert KEY.seed.hex() not in repr(KEY)
    assert SigningKey.from_seed(KEY.seed) == KEY
    assert SigningKey.generate() != SigningKey.generate()


def test_the_key_id_names_the_public_key():
    assert key_id(KEY.public).startswith("ed25519:")
    assert len(key_id(KEY.public)) == len("ed25519:") + 16


@pytest.mark.parametrize("seed", [b"", b"x" * 31, b"x" * 33, "x" * 32])
def test_a_seed_of_another_form_is_refused(seed):
    with pytest.raises(SignatureError):
        SigningKey.from_seed(seed)


@pytest.mark.parametrize(
    ("public", "signature"),
    [(b"", bytes(64)), (bytes(31), bytes(64)), (bytes(32), bytes(63)), (bytes(32), bytes(65)), (bytes(32), bytes(64))],
)
def test_malformed_keys_and_signatures_are_refused(public, signature):
    with pytest.raises(SignatureError):
        verify(public, "statement", b"payload", signature)
