"""Whose key is it? Which public keys the log itself attests, from its genesis on.

The genesis entry states the exchange's statement key. A `participant.verified` or `participant.keys`
statement with the fields `participant` and `signing_key` (base64) attests a participant's key when it
is signed by the exchange, or by a key already attested for that participant (a rotation). An
`exchange.keys` statement with the field `statement_key`, signed by the exchange, puts that key in the
place of the one before: what the old key signs at a later index is not attested any more.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from ledger.signatures import PUBLIC_SIZE

GENESIS = "log.opened"
EXCHANGE = "exchange"
_FOR_EVER = 2**63
_PARTICIPANT_KINDS = ("participant.verified", "participant.keys")


class Attestations:
    """The keys attested so far. Feed statements in the order of their index, each already verified."""

    def __init__(self) -> None:
        # From which index on, and up to which, each of the exchange's keys signs.
        self._exchange: dict[bytes, tuple[int, int]] = {}
        # The exchange signs as `exchange`, and the log's first entry in the log's own name; never as somebody else.
        self._names = {EXCHANGE}
        self._participants: dict[str, set[bytes]] = {}

    def learn(self, index: int, kind: str, values: Mapping[str, Any], signer: Mapping[str, Any], public: bytes) -> None:
        """Take note of what a statement says about keys. Requires verified openings and signature.

        `values` are its opened fields, `signer` its opened `signer`, `public` the key that signed it.
        """
        if kind == GENESIS or (kind == "exchange.keys" and self._is_exchange(public, index)):
            stated = _key(values.get("statement_key"))
            if stated is not None:
                # The statement that changes the key is the last that the old one signs.
                for key, (since, until) in self._exchange.items():
                    self._exchange[key] = (since, min(until, index))
                self._exchange[stated] = (index, _FOR_EVER)
            if kind == GENESIS:
                self._names.add(str(signer.get("participant")))
        if kind in _PARTICIPANT_KINDS:
            participant, stated = values.get("participant"), _key(values.get("signing_key"))
            own = signer.get("participant") == participant and self.attests(signer, public, index)
            by_exchange = self._is_exchange(public, index)
            if isinstance(participant, str) and stated is not None and (by_exchange or own):
                self._participants.setdefault(participant, set()).add(stated)

    def attests(self, signer: Mapping[str, Any], public: bytes, index: int) -> bool:
        """Return whether this is a key of the opened `signer` for an entry at `index`, as far as learned."""
        if signer.get("custody") == EXCHANGE:
            return self._is_exchange(public, index) and signer.get("participant") in self._names
        return public in self._participants.get(str(signer.get("participant")), set())

    def _is_exchange(self, public: bytes, index: int) -> bool:
        since, until = self._exchange.get(public, (0, -1))
        return since <= index <= until

    @property
    def participants(self) -> int:
        """The number of participants of whom a key is attested."""
        return len(self._participants)


def _key(value: Any) -> bytes | None:
    try:
        key = base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return None
    return key if len(key) == PUBLIC_SIZE else None
