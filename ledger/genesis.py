"""The log's first entry: its name, its key, and the key of the exchange that writes to it."""

import base64
from datetime import UTC, datetime
from secrets import token_bytes

from ledger.attestation import GENESIS
from ledger.entry import Admitted, Statement, admit, commit, sign
from ledger.identifiers import new_id
from ledger.signatures import SigningKey
from ledger.statement import SALT_SIZE


def genesis(origin: str, vkey: str, statement_key: SigningKey, at: str | None) -> Admitted:
    """Return the statement that opens a log, signed by the statement key; `at` is now if not given."""
    now = datetime.now(UTC)
    statement = Statement(
        kind=GENESIS,
        id=new_id(now),
        at=at or now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        fields={
            "origin": origin,
            "log_key": vkey,
            "statement_key": base64.b64encode(statement_key.public).decode(),
        },
        signer=origin,
        custody="exchange",
    )
    draft = commit(statement, lambda _: token_bytes(SALT_SIZE))
    return admit(draft, sign(draft, statement_key))
