"""What a bundle consists of: the names of its files and the digests that tie documents to entries."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ledger.errors import PolicyError, SignatureError
from ledger.note import Verifier
from ledger.policy import Policy

FORMAT = "industrial-data-exchange/bundle/v1"

README = "README.txt"
MANIFEST = "manifest.json"
POLICY = "trust.policy"
CHECKPOINT = "checkpoint"
FIXED = (README, MANIFEST, POLICY, CHECKPOINT)

# What an attested checkpoint comes with.
ATTESTED = ("checkpoint", "proof", "tsr", "anchor")

_INDEX = r"(0|[1-9][0-9]{0,18})"
_SIZE = r"([1-9][0-9]{0,18})"
NAME = re.compile(
    rf"README\.txt|manifest\.json|trust\.policy|checkpoint"
    rf"|entries/{_INDEX}\.json|proofs/{_INDEX}\.tlog-proof|openings/{_INDEX}\.json"
    rf"|keys/{_INDEX}\.json"
    rf"|attested/{_SIZE}\.(?:{'|'.join(ATTESTED)})"
    r"|documents/[^/\\\x00-\x1f]{1,200}"
)
_DOCUMENT = re.compile(r"documents/(?!\.\.?$)[^/\\\x00-\x1f]{1,200}")


def entry_name(index: int) -> str:
    """Return the file of an entry's verbatim bytes."""
    return f"entries/{index}.json"


def proof_name(index: int) -> str:
    """Return the file of an entry's tlog-proof."""
    return f"proofs/{index}.tlog-proof"


def openings_name(index: int) -> str:
    """Return the file of an entry's openings."""
    return f"openings/{index}.json"


def succession_name(index: int) -> str:
    """Return the file of a change of the log's key, which entry `index` made."""
    return f"keys/{index}.json"


def attested_name(size: int, kind: str) -> str:
    """Return a file of an attested checkpoint: its `checkpoint`, `proof`, `tsr` or `anchor`."""
    return f"attested/{size}.{kind}"


def attested_size(name: str) -> int | None:
    """Return the size that a file of an attested checkpoint belongs to, or None for any other file."""
    found = re.fullmatch(rf"attested/{_SIZE}\.[a-z]+", name)
    return int(found[1]) if found else None


def document_name(name: str) -> str | None:
    """Return the file of an attachment, or None when its name cannot stand in a bundle."""
    path = f"documents/{name}"
    return path if _DOCUMENT.fullmatch(path) else None


def index_of(name: str) -> int | None:
    """Return the index that a file of an entry belongs to, or None for any other file."""
    found = re.fullmatch(rf"(?:entries|proofs|openings)/{_INDEX}\.[a-z-]+", name)
    return int(found[1]) if found else None


def policy_vkey(data: bytes) -> str:
    """Return the vkey of the one log that a trust policy names. Raises SignatureError."""
    try:
        logs = Policy.parse(data).logs
    except PolicyError as error:
        raise SignatureError(f"the trust policy is malformed: {error}") from error
    if len(logs) != 1:
        raise SignatureError("the trust policy does not name exactly one log")
    return Verifier.from_vkey(logs[0].verifier.to_vkey()).to_vkey()


def digest(data: bytes) -> str:
    """Return `sha256:` and the hex digest, as statements name documents."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def named_digests(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (field, digest) for what a statement's fields say about documents.

    These are fields called `digest` or ending in `_digest`, and lists called or ending in `digests`.
    """
    for name, value in values.items():
        if isinstance(value, str) and (name == "digest" or name.endswith("_digest")):
            yield name, value
        elif isinstance(value, list) and (name == "digests" or name.endswith("_digests")):
            yield from ((name, item) for item in value if isinstance(item, str))
