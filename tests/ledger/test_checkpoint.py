"""Signed notes, checkpoints and receipts follow the C2SP formats, and only the right key opens them."""

import base64

import pytest

from ledger import checkpoint, note
from ledger.checkpoint import Checkpoint
from ledger.errors import ProofError, SignatureError
from ledger.hashing import EMPTY_ROOT, leaf_hash
from ledger.note import Verifier
from ledger.receipt import Receipt, format_proof, parse_proof, verify_proof
from ledger.signatures import SigningKey

KEY = SigningKey.from_seed(b"L" * 32)
ORIGIN = "exchange.example/log"
VKEY = checkpoint.vkey(ORIGIN, KEY.public)
ROOT = leaf_hash(b"entry")
SIGNED = checkpoint.sign(ORIGIN, 1, ROOT, KEY)

# The example of Go's golang.org/x/mod/sumdb/note package.
PETER_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_of_another_implementation_verifies():
    text = note.verify(PETER_NOTE, Verifier.from_vkey(PETER_VKEY))
    assert text == PETER_NOTE.rpartition("\n\n")[0] + "\n"
    assert Verifier.from_vkey(PETER_VKEY).to_vkey() == PETER_VKEY


def test_a_checkpoint_reads_as_the_format_says():
    body = f"{ORIGIN}\n1\n{base64.b64encode(ROOT).decode()}\n"
    text, signature = SIGNED.split("\n\n")
    assert text + "\n" == body
    dash, name, encoded = signature.rstrip("\n").split(" ")
    assert (dash, name) == ("—", ORIGIN)
    assert len(base64.b64decode(encoded)) == 68
    assert checkpoint.verify(SIGNED, VKEY) == Checkpoint(ORIGIN, 1, ROOT)
    assert checkpoint.unsafe_parse(SIGNED) == Checkpoint(ORIGIN, 1, ROOT)


def test_signatures_of_unknown_keys_are_ignored_and_at_least_sixteen_are_accepted():
    others = [SigningKey.from_seed(bytes([i]) * 32) for i in range(40)]
    lines = "".join(note.sign("x\n", f"witness{i}", key).split("\n\n")[1] for i, key in enumerate(others))
    assert checkpoint.verify(SIGNED + lines, VKEY).size == 1
    assert checkpoint.verify(SIGNED.replace("\n\n", "\n\n" + lines), VKEY).size == 1


def test_extension_lines_are_kept_and_signed():
    body = Checkpoint(ORIGIN, 5, ROOT, ("extra",)).body()
    assert checkpoint.verify(note.sign(body, ORIGIN, KEY), VKEY).extensions == ("extra",)


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "\n",
        "\n\n",
        SIGNED[:-1],
        SIGNED.replace("\n\n", "\n"),
        SIGNED.replace("— ", "- "),
        SIGNED.replace("\n1\n", "\n2\n"),
        SIGNED.replace("\n1\n", "\n01\n"),
        SIGNED + "\n",
        SIGNED + "garbage\n",
        SIGNED + "— a b c\n",
        SIGNED + "— name !!!\n",
        SIGNED + "— name AAAA\n",
        SIGNED.replace(ORIGIN, "other.example/log", 1),
        SIGNED.replace(f"— {ORIGIN}", "— other.example/log"),
        "\x01" + SIGNED,
        SIGNED.replace("\n\n", "\n\ud800\n\n"),
        SIGNED.split("\n\n")[0] + "\n\n",
        "x" * 2_000_000,
    ],
)
def test_a_damaged_checkpoint_is_refused(damaged):
    with pytest.raises(SignatureError):
        checkpoint.verify(damaged, VKEY)


@pytest.mark.parametrize(
    "body",
    [
        f"{ORIGIN}\n1\n",
        f"{ORIGIN}\n\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n-1\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n1e3\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n١\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n{2**63}\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n{'9' * 9999}\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n1\nAAAA\n",
        f"{ORIGIN}\n1\n{base64.b64encode(ROOT).decode()[:-1]}\n",
        f"other.example/log\n1\n{base64.b64encode(ROOT).decode()}\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_of_this_log_is_refused(body):
    with pytest.raises(SignatureError):
        checkpoint.verify(note.sign(body, ORIGIN, KEY), VKEY)


def test_a_checkpoint_of_another_key_is_refused():
    other = SigningKey.from_seed(b"O" * 32)
    with pytest.raises(SignatureError, match="no signature of"):
        checkpoint.verify(SIGNED, checkpoint.vkey(ORIGIN, other.public))


def test_a_key_hash_that_collides_does_not_help():
    """The four bytes name the key; the signature under them must still verify."""
    text, line = SIGNED.split("\n\n")
    forged = SigningKey.from_seed(b"O" * 32).unsafe_sign_bytes((text + "\n").encode())
    key_hash = base64.b64decode(line.split(" ")[2])[:4]
    line = f"— {ORIGIN} {base64.b64encode(key_hash + forged).decode()}\n"
    with pytest.raises(SignatureError, match="does not verify"):
        checkpoint.verify(f"{text}\n\n{line}", VKEY)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a+b",
        VKEY.replace("+", "-"),
        VKEY[:-1],
        "x" + VKEY,
        PETER_VKEY.replace("c74f20a3", "c74f20a4"),
        f"name+00000000+{base64.b64encode(bytes(33)).decode()}",
        f"name+00000000+{base64.b64encode(bytes([1])).decode()}",
    ],
)
def test_a_malformed_vkey_is_refused(vkey):
    with pytest.raises(SignatureError):
        Verifier.from_vkey(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u3000b", "a\nb"])
def test_a_name_that_a_note_cannot_carry_is_refused(name):
    with pytest.raises(SignatureError):
        checkpoint.vkey(name, KEY.public)


def test_a_receipt_text_reads_as_the_format_says():
    text = format_proof(0, [ROOT], SIGNED)
    assert text == f"c2sp.org/tlog-proof@v1\nindex 0\n{base64.b64encode(ROOT).decode()}\n\n{SIGNED}"
    parts = parse_proof(text)
    assert (parts.index, parts.path, parts.checkpoint) == (0, (ROOT,), SIGNED)
    extra = text.replace("index", "extra AAAA\nindex", 1)
    assert parse_proof(extra) == parts


def test_a_receipt_proves_its_entry_and_no_other():
    text = format_proof(0, [], SIGNED)
    assert verify_proof(text, b"entry", VKEY).root == ROOT
    with pytest.raises(ProofError):
        verify_proof(text, b"other", VKEY)


PROOF = format_proof(3, [ROOT], SIGNED)


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        SIGNED,
        PROOF.replace("@v1", "@v2"),
        PROOF.replace("index 3\n", ""),
        PROOF.replace("index 3", "index 03"),
        PROOF.replace("index 3", "index -3"),
        PROOF.replace("index 3", "index x"),
        PROOF.replace("index 3", "index " + "9" * 30),
        PROOF.replace("\n\n", "\nAAAA\n\n", 1),
        PROOF.replace("\n\n", "\n!\n\n", 1),
        PROOF.split("\n\n")[0],
        format_proof(0, [ROOT] * 64, SIGNED),
    ],
)
def test_a_malformed_receipt_is_refused(damaged):
    with pytest.raises(ProofError):
        parse_proof(damaged)


@pytest.mark.parametrize("document", [{}, {"index": "x"}, {"index": None}])
def test_what_is_no_receipt_is_refused(document):
    with pytest.raises(ProofError):
        Receipt.from_json(document)


def test_a_checkpoint_with_its_consistency_proof_reads_back():
    text = checkpoint.format_extension(1, [ROOT, EMPTY_ROOT], SIGNED)
    assert checkpoint.parse_extension(text) == (1, [ROOT, EMPTY_ROOT], SIGNED)
    for damaged in ("", SIGNED, text.replace("old 1", "old x"), text.replace("\n\n", "\n!\n\n", 1)):
        with pytest.raises(ProofError):
            checkpoint.parse_extension(damaged)
