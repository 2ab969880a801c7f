"""Cosignatures have the bytes that c2sp.org/tlog-cosignature says, and only the cosigner's key makes them."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from ledger import checkpoint, note
from ledger.cosignature import (
    COSIGNER_KINDS,
    LOG_KINDS,
    Cosigner,
    cosignatures,
    verify_checkpoint,
    verify_line,
)
from ledger.errors import SignatureError
from ledger.hashing import leaf_hash
from ledger.note import ED25519, ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, Verifier
from ledger.signatures import SigningKey

KEY = SigningKey.from_seed(b"L" * 32)
ORIGIN = "exchange.example/log"
ROOT = leaf_hash(b"entry")
SIGNED = checkpoint.sign(ORIGIN, 7, ROOT, KEY)
BODY = f"{ORIGIN}\n7\n{base64.b64encode(ROOT).decode()}\n"
TIME = 1679315147
NAME = "witness.example.com/w1"
KINDS = [ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE]


def cosigner(kind: int, name: str = NAME) -> Cosigner:
    return Cosigner(name, b"W" * 32, kind)


def cosigned(kind: int, time: int = TIME) -> str:
    return SIGNED + cosigner(kind).cosign(BODY, time) + "\n"


def signature_of(line: str) -> bytes:
    return base64.b64decode(line.split(" ")[2])


def test_an_ed25519_cosignature_signs_the_header_the_time_and_the_body():
    line = cosigner(ED25519_COSIGNATURE).cosign(BODY, TIME)
    assert line.startswith(f"— {NAME} ")
    data = signature_of(line)
    assert len(data) == 4 + 8 + 64
    assert data[4:12] == TIME.to_bytes(8, "big")
    message = b"cosignature/v1\ntime 1679315147\n" + BODY.encode()
    Ed25519PublicKey.from_public_bytes(cosigner(ED25519_COSIGNATURE).verifier.public).verify(data[12:], message)


def test_an_ml_dsa_44_cosignature_signs_name_time_origin_and_the_whole_tree():
    data = signature_of(cosigner(ML_DSA_44_COSIGNATURE).cosign(BODY, TIME))
    assert len(data) == 4 + 8 + 2420
    message = b"subtree/v1\n\0" + bytes([len(NAME)]) + NAME.encode() + TIME.to_bytes(8, "big")
    message += bytes([len(ORIGIN)]) + ORIGIN.encode() + bytes(8) + (7).to_bytes(8, "big") + ROOT
    MLDSA44PublicKey.from_public_bytes(cosigner(ML_DSA_44_COSIGNATURE).verifier.public).verify(data[12:], message)


def test_the_key_id_is_that_of_another_implementation():
    # The seed and the key id of torchwood's litewitness test (cmd/litewitness/testdata/mldsa.txt).
    seed = bytes.fromhex("2886adc2b0eabfce67c0472939127998bf886cf256bfee8ba76a253fce1146e0")
    made = Cosigner("example.com/mldsa-log", seed, ML_DSA_44_COSIGNATURE)
    assert made.verifier.key_hash.hex() == "b5df45c5"
    assert made.verifier.to_vkey().startswith("example.com/mldsa-log+b5df45c5+BuhtcL97l3dcitjZ8Y9J54gmQ1TWn/BM")


@pytest.mark.parametrize("kind", KINDS)
def test_a_cosignature_is_read_with_its_time_and_a_vkey_gives_the_key_back(kind: int):
    verifier = cosigner(kind).verifier
    assert Verifier.from_vkey(verifier.to_vkey(), COSIGNER_KINDS) == verifier
    (found,) = cosignatures(cosigned(kind), verifier)
    assert (found.time, found.verifier) == (TIME, verifier)
    assert verify_line(found.line, BODY, verifier) == found
    assert cosignatures(SIGNED, verifier) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [4, 11, 12, 40, -1])
def test_every_changed_byte_of_a_cosignature_is_refused(kind: int, place: int):
    line = cosigner(kind).cosign(BODY, TIME)
    data = bytearray(signature_of(line))
    data[place] ^= 1
    changed = SIGNED + f"— {NAME} {base64.b64encode(data).decode()}\n"
    with pytest.raises(SignatureError):
        cosignatures(changed, cosigner(kind).verifier)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", ["7\n", "8\n"])
def test_a_cosignature_of_another_checkpoint_is_refused(kind: int, other: str):
    line = cosigner(kind).cosign(BODY, TIME)
    elsewhere = checkpoint.sign("other.example/log" if other == "7\n" else ORIGIN, int(other), ROOT, KEY)
    with pytest.raises(SignatureError, match="does not verify"):
        cosignatures(elsewhere + line + "\n", cosigner(kind).verifier)


def test_an_ml_dsa_44_cosignature_is_bound_to_the_cosigners_name():
    data = signature_of(cosigner(ML_DSA_44_COSIGNATURE).cosign(BODY, TIME))
    other = cosigner(ML_DSA_44_COSIGNATURE, "another.example").verifier
    line = note.signature_line(other, data[4:])
    with pytest.raises(SignatureError, match="does not verify"):
        cosignatures(f"{SIGNED}{line}\n", other)


def test_a_plain_signature_of_the_same_key_is_no_cosignature_and_the_other_way_round():
    seed = b"L" * 32
    cosigning = Cosigner(ORIGIN, seed)
    plain = Verifier(ORIGIN, KEY.public)
    assert cosigning.verifier.key_hash != plain.key_hash
    assert cosignatures(SIGNED, cosigning.verifier) == []
    with pytest.raises(SignatureError, match="no signature"):
        note.verify(note.join(BODY, [cosigning.cosign(BODY, TIME)]), plain)
    with pytest.raises(SignatureError, match="not the key of a cosigner"):
        cosignatures(SIGNED, plain)
    with pytest.raises(SignatureError, match="only a plain"):
        note.verify(SIGNED, cosigning.verifier)


def test_a_time_beyond_the_limit_is_neither_signed_nor_read():
    made = cosigner(ED25519_COSIGNATURE)
    with pytest.raises(SignatureError, match="no time"):
        made.cosign(BODY, 2**63)
    data = signature_of(made.cosign(BODY, TIME))
    late = note.signature_line(made.verifier, b"\xff" * 8 + data[12:])
    with pytest.raises(SignatureError, match="beyond"):
        cosignatures(f"{SIGNED}{late}\n", made.verifier)


def test_a_log_may_sign_with_either_kind_of_key_and_only_under_its_own_origin():
    assert verify_checkpoint(SIGNED, Verifier(ORIGIN, KEY.public)).size == 7
    pq = Cosigner(ORIGIN, b"L" * 32, ML_DSA_44_COSIGNATURE)
    signed = note.join(BODY, [pq.cosign(BODY, 0)])
    assert verify_checkpoint(signed, Verifier.from_vkey(pq.verifier.to_vkey(), LOG_KINDS)).root == ROOT
    with pytest.raises(SignatureError, match="no signature"):
        verify_checkpoint(SIGNED, pq.verifier)
    stranger = Cosigner("other.example/log", b"L" * 32, ML_DSA_44_COSIGNATURE)
    with pytest.raises(SignatureError, match="of the log"):
        verify_checkpoint(note.join(BODY, [stranger.cosign(BODY, 0)]), stranger.verifier)
    extended = BODY + "extension\n"
    with pytest.raises(SignatureError, match="extension"):
        verify_checkpoint(note.join(extended, [pq.cosign(extended, 0)]), pq.verifier)


def test_vkeys_of_the_wrong_type_or_length_are_refused():
    vkey = cosigner(ED25519_COSIGNATURE).verifier.to_vkey()
    with pytest.raises(SignatureError, match="not of the type 0x01"):
        Verifier.from_vkey(vkey)
    with pytest.raises(SignatureError, match="1312 bytes"):
        Verifier(NAME, bytes(32), ML_DSA_44_COSIGNATURE)
    with pytest.raises(SignatureError, match="no signature type"):
        Verifier(NAME, bytes(32), 0x02)
    with pytest.raises(SignatureError, match="no type of cosignature"):
        Cosigner(NAME, b"W" * 32, ED25519)
    with pytest.raises(SignatureError, match="32 bytes"):
        Cosigner(NAME, b"W", ML_DSA_44_COSIGNATURE)
    with pytest.raises(SignatureError, match="may have 255"):
        cosigner(ML_DSA_44_COSIGNATURE, "n" * 256).cosign(BODY, TIME)
    with pytest.raises(SignatureError, match="ends in a newline"):
        cosigner(ED25519_COSIGNATURE).cosign(BODY.rstrip("\n"), TIME)
