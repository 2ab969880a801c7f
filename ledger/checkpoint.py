"""Checkpoints (c2sp.org/tlog-checkpoint): the log's signed statement of its size and root."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from ledger import note
from ledger.errors import ProofError, SignatureError
from ledger.hashing import HASH_SIZE
from ledger.note import Verifier
from ledger.signatures import SigningKey

MAX_PATH = 63


@dataclass(frozen=True)
class Checkpoint:
    """A tree of `size` leaves with this root, in the log named `origin`."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def body(self) -> str:
        """Return the text that is signed."""
        lines = [self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions]
        return "\n".join(lines) + "\n"


def vkey(origin: str, public: bytes) -> str:
    """Return the verifier key line of a log, the one thing an auditor must obtain by another way."""
    return Verifier(origin, public).to_vkey()


def sign(origin: str, size: int, root: bytes, *keys: SigningKey) -> str:
    """Return the note of a checkpoint, signed by each of the keys. Requires size >= 0 and a 32-byte root."""
    return note.sign(Checkpoint(origin, size, root).body(), origin, *keys)


def verify(signed: str, trusted_vkey: str) -> Checkpoint:
    """Return the checkpoint of a note which the key signed under the same origin.

    Raises SignatureError when it is malformed, not signed by this key, or of another origin.
    """
    verifier = Verifier.from_vkey(trusted_vkey)
    found = parse_body(note.verify(signed, verifier))
    if found.origin != verifier.name:
        raise SignatureError(f"the checkpoint is of the log {found.origin!r}, not {verifier.name!r}")
    return found


def unsafe_parse(signed: str) -> Checkpoint:
    """Return what a note claims, without checking any signature; for display and for finding a key."""
    text, separator, _ = signed.rpartition("\n\n")
    if not separator:
        raise SignatureError("the checkpoint has no signature")
    return parse_body(text + "\n")


def format_extension(old: int, path: Sequence[bytes], signed: str) -> str:
    """Return a checkpoint with its consistency proof from size `old`, as tlog-witness requests have it."""
    lines = [f"old {old}", *(base64.b64encode(item).decode() for item in path)]
    return "\n".join(lines) + "\n\n" + signed


def parse_extension(text: str) -> tuple[int, list[bytes], str]:
    """Return the old size, the proof and the signed checkpoint of `format_extension`. Checks nothing else.

    Raises ProofError when the text is malformed.
    """
    head, separator, signed = text.partition("\n\n")
    first, *lines = head.split("\n")
    number = first.removeprefix("old ")
    if not separator or number == first or not _is_number(number) or len(lines) > MAX_PATH:
        raise ProofError("not a checkpoint with a consistency proof")
    try:
        return int(number), [note.decode_base64(line) for line in lines], signed
    except SignatureError as error:
        raise ProofError(f"a hash of the proof is malformed: {error}") from error


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and str(int(text)) == text and int(text) < 2**63


def parse_body(text: str) -> Checkpoint:
    """Return what the text of a checkpoint says; nothing is verified. Raises SignatureError when it is malformed."""
    if not text.endswith("\n"):
        raise SignatureError("the text of a checkpoint ends in a newline")
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise SignatureError("a checkpoint has an origin, a size and a root, each on a line")
    origin, size, encoded, *extensions = lines
    if not _is_number(size):
        raise SignatureError(f"{size[:30]!r} is no tree size")
    root = note.decode_base64(encoded)
    if len(root) != HASH_SIZE:
        raise SignatureError("the root of a checkpoint is not 32 bytes")
    return Checkpoint(origin, int(size), root, tuple(extensions))
