"""The log's side of tlog-witness: handing a witness the newest checkpoint, and reading its answer.

The transport is passed in, so that whoever runs the log decides whom it may call and how long it waits.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger import note
from ledger.cosignature import Cosignature, verify_line
from ledger.errors import LedgerError, SignatureError
from ledger.note import Verifier
from ledger.witness.core import SIZE_TYPE

MAX_ANSWER_BYTES = 64 * 1024
_TRIES = 3


@dataclass(frozen=True)
class Reply:
    """What a witness answered over HTTP."""

    status: int
    content_type: str
    body: bytes


Post = Callable[[str, bytes], Reply]
"""POST bytes to an address and return the reply, of at most MAX_ANSWER_BYTES. May raise what it likes."""

Consistency = Callable[[int, int], Sequence[bytes]]
"""Return the consistency proof from an old size to a new one; the old size is never 0."""


class WitnessError(LedgerError):
    """A witness did not cosign. `seen` is the size that it cosigned before, where it said so."""

    def __init__(self, reason: str, seen: int | None = None) -> None:
        self.seen = seen
        super().__init__(reason)


def submit(
    post: Post, url: str, witness: Verifier, signed: str, size: int, seen: int, consistency: Consistency
) -> Cosignature:
    """Return a witness's verified cosignature of a signed checkpoint of this size.

    `url` is its submission prefix, `seen` the size that it cosigned last as far as is known (0: unknown);
    it is corrected by what the witness says. Raises WitnessError when it does not cosign.
    """
    body, _ = note.split(signed)
    for _attempt in range(_TRIES):
        path = consistency(seen, size) if 0 < seen < size else []
        lines = [f"old {seen}", *(base64.b64encode(item).decode() for item in path)]
        reply = post(f"{url.rstrip('/')}/add-checkpoint", ("\n".join(lines) + "\n\n" + signed).encode())
        if reply.status == 200:
            return _read(reply.body, body, witness, seen)
        if reply.status != 409 or reply.content_type.partition(";")[0].strip() != SIZE_TYPE:
            reason = " ".join(reply.body[:200].decode("utf-8", "replace").split())
            raise WitnessError(f"it answered {reply.status}: {reason}", seen or None)
        seen = _size(reply.body)
        if seen > size:
            raise WitnessError(f"it has cosigned size {seen}, which is more than this log has: {size}", seen)
    raise WitnessError("it names another size each time", seen)


def _read(data: bytes, body: str, witness: Verifier, seen: int) -> Cosignature:
    try:
        lines = data[:MAX_ANSWER_BYTES].decode("utf-8").removesuffix("\n").split("\n")
        own = [line for line in lines if note.parse_line(line).is_of(witness)]
        if own:
            return verify_line(own[0], body, witness)
    except (SignatureError, UnicodeDecodeError) as error:
        raise WitnessError(f"its cosignature does not hold: {error}", seen or None) from error
    raise WitnessError("its answer holds no cosignature of the key that the policy names", seen or None)


def _size(data: bytes) -> int:
    text = data[:32].removesuffix(b"\n")
    if not text.isdigit() or len(text) > 19 or str(int(text)).encode() != text:
        raise WitnessError("it answered 409 without a size")
    return int(text)
