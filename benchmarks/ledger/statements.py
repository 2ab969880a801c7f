"""Statements to record, of the size that those of a journey have: an entry of about a kilobyte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from ledger.entry import Admitted, Draft, Signature, Statement, commit, sign
from ledger.identifiers import new_id
from ledger.signatures import SigningKey

PARTY = SigningKey.from_seed(b"P" * 32)
PER_AGREEMENT = 10
_SIGNER = "urn:uuid:0190a000-0000-7000-8000-00000000000a"
_AT = "2026-11-20T08:00:00Z"
_KIND = "transfer.released"
_DIGESTS = ("dataset_version", "plain_digest", "policy_digest", "sealed_digest")
# How many commitments the steps of an agreement have, the signer's among them.
_STEPS = (13, 13, 8, 13, 5, 6, 9, 5, 9, 4)
_FIELDS = (*_DIGESTS, "bytes", "dataset", "transfer")


def draft(number: int) -> Draft:
    """Return a statement of seven fields about an agreement."""
    fields = {name: "sha256:" + os.urandom(32).hex() for name in _DIGESTS}
    fields |= {"bytes": str(number), "dataset": _SIGNER, "transfer": _SIGNER}
    agreement, counter = _place(number)
    made = new_id(datetime.now(UTC))
    statement = Statement(_KIND, made, _AT, fields, _SIGNER, "custodial", agreement, counter)
    return commit(statement, lambda _: os.urandom(32))


def signed(count: int, first: int = 0) -> list[tuple[Draft, Signature]]:
    """Return so many statements with the signature of their party."""
    made = [draft(number) for number in range(first, first + count)]
    return [(each, sign(each, PARTY)) for each in made]


def bare(first: int, stop: int, *, varied: bool = False) -> Iterator[Admitted]:
    """Yield statements of the same size with invented commitments and no openings: for a log of many entries.

    `varied` ones have as many fields as the steps of a journey have, from four to thirteen, eight in the mean.
    """
    names = [*sorted(_FIELDS), "zeal", *(f"zeal{number}" for number in range(5))]
    for number in range(first, stop):
        agreement, counter = _place(number)
        fields = _STEPS[number % len(_STEPS)] if varied else len(_FIELDS) + 1
        random = os.urandom(32 * (fields + 1)).hex()
        hashes = (random[start : start + 64] for start in range(0, len(random), 64))
        commitments = ",".join(f'"{name}":"{next(hashes)}"' for name in names[:fields])
        made = f"urn:uuid:0190a000-0000-7000-9000-{number:012x}"
        payload = (
            f'{{"agreement":"{agreement}","at":"{_AT}","commitments":{{{commitments}}},"counter":"{counter}",'
            f'"id":"{made}","kind":"{_KIND}","v":1}}'
        )
        yield Admitted(made, agreement, counter, payload.encode(), bytes.fromhex(next(hashes)), {}, _SIGNER)


def _place(number: int) -> tuple[str, int]:
    """Return agreement and counter of the n-th statement."""
    return f"urn:uuid:0190a000-0000-7000-8000-{number // PER_AGREEMENT:012x}", number % PER_AGREEMENT + 1
