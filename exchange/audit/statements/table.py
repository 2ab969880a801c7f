"""docs/statements.md, made of the definitions: which kinds there are, who signs them, their fields, what is public of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exchange.audit.statements.kinds import ALL, SECTIONS
from exchange.audit.statements.vocabulary import FIELDS
from ledger.schema import Kind, Party

HEAD = """\
# Statements

Generated from `exchange/audit/statements` by `python -m exchange.audit.statements`; a test compares the two.

Everything that happens on the exchange is one of these statements, signed, and committed to by an entry of the log. The log checks each one when it is
recorded: a kind that is not here, a field that is missing, unknown or of another type, or another signer is refused, and the step with it.

## What is public

| part of a statement | on the public log | opening, beside the log |
|---|---|---|
| kind, id, time | in full | |
| agreement (its random ledger id) and counter | in full, where the statement is about an agreement | |
| every field | its name, and a [salted commitment](formats.md#committed-statement) to its value | salt and value |
| `signer`: who signs and who holds the key | commitment | salt and value |
| `signature` with the public key | commitment | salt and value |

Openings are for the parties that a statement speaks of, for auditors (whose every look is a statement) and for their bundles. An opening can be destroyed
where the table of fields says *erasable*: what can hold a person's name or somebody's words. Its commitment stays, so all proofs hold, and the field reads
*erased*. What proves an agreement, a delivery or a payment is never erasable.

## Kinds

*Signed by exchange* is the exchange's statement key, acting under the mandate of an agreement or, outside agreements, in its own name. Statements with a
*counter* carry an agreement's ledger id and running number, from 1 without gaps. Fields in brackets may be absent.

`log.opened` attests the exchange's statement key, `participant.verified` a participant's signing key. `negotiation.agreed`, `.verified` and `.finalized` carry
the agreement's parties and limits as plain data, so that deliveries can be checked against them without reading a policy. The `postings` of money add up to
zero, so that every balance can be replayed from the ledger alone.
"""

FIELD_HEAD = """
## Fields

One name means one thing in all kinds.

| field | type | is | on the public log | opening | erasable |
|---|---|---|---|---|---|
"""
_SIGNERS: Mapping[Party, str] = {
    Party.EXCHANGE: "exchange",
    Party.PARTICIPANT: "the participant",
    Party.PROVIDER: "the provider",
    Party.CONSUMER: "the consumer",
}
_COUNTED = {"never": "", "always": "yes", "in an agreement": "once there is an agreement"}


def markdown() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section(title, kinds) for title, kinds in SECTIONS.items()) + FIELD_HEAD + "".join(_fields())


def _section(title: str, kinds: tuple[Kind, ...]) -> str:
    rows = "".join(
        f"| `{kind.name}` | {' or '.join(_SIGNERS[party] for party in kind.signed_by)} | {_COUNTED[kind.counted]} "
        f"| {', '.join(_named(kind))} | {kind.effect} |\n"
        for kind in kinds
    )
    return f"\n### {title}\n\n| kind | signed by | counter | fields | effect once integrated |\n|---|---|---|---|---|\n{rows}"


def _named(kind: Kind) -> Iterator[str]:
    for name, field in kind.fields.items():
        own = "" if name in FIELDS and field == FIELDS[name][0] else f" ({field.name})"
        yield f"[`{name}`{own}]" if name in kind.optional else f"`{name}`{own}"


def _fields() -> Iterator[str]:
    erasable = {name for kind in ALL for name in kind.erasable}
    for name, (field, meaning) in sorted(FIELDS.items()):
        may = "yes" if name in erasable else ""
        yield f"| `{name}` | {field.name} | {meaning} | name, commitment | salt, value | {may} |\n"
