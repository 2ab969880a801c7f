"""Whose key is it? Which public keys the log itself attests, from its genesis on.

The genesis entry states the exchange's statement key. A `participant.verified` or `participant.keys`
statement with the fields `participant` and `signing_key` (base64) attests a participant's key when it
is signed by the exchange, or by a key already attested for that participant (a rotation). An
`exchange.keys` statement with the field `statement_key`, signed by the exchange, adds one of its own.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from ledger.signatures import PUBLIC_SIZE

GENESIS = "log.opened"
EXCHANGE = "exchange"
_PARTICIPANT_KINDS = ("participant.verified", "participant.keys")


class Attestations:
    """The keys attested so far. Feed statements in the order of their index, each already verified."""

    def __init__(self) -> None:
        self._exchange: set[bytes] = set()
        # The exchange signs as `exchange`, and the log's first entry in the log's own name; never as somebody else.
        self._names = {EXCHANGE}
        self._participants: dict[str, set[bytes]] = {}

    def learn(self, kind: str, values: Mapping[str, Any], signer: Mapping[str, Any], public: bytes) -> None:
        """Take note of what a statement says about keys. Requires verified openings and signature.

        `values` are its opened fields, `signer` its opened `signer`, `public` the key that signed it.
        """
        if kind == GENESIS or (kind == "exchange.keys" and public in self._exchange):
            stated = _key(values.get("statement_key"))
            if stated is not None:
                self._exchange.add(stated)
            if kind == GENESIS:
                self._names.add(str(signer.get("participant")))
        if kind in _PARTICIPANT_KINDS:
            participant, stated = values.get("participant"), _key(values.get("signing_key"))
            own = signer.get("participant") == participant and self.attests(signer, public)
            if isinstance(participant, str) and stated is not None and (public in self._exchange or own):
                self._participants.setdefault(participant, set()).add(stated)

    def attests(self, signer: Mapping[str, Any], public: bytes) -> bool:
        """Return whether this is a key of the opened `signer`, as far as learned."""
        if signer.get("custody") == EXCHANGE:
            return public in self._exchange and signer.get("participant") in self._names
        return public in self._participants.get(str(signer.get("participant")), set())

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
