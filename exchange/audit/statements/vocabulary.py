"""The fields that statements have: one name means one thing and has one type, whatever the kind.

Each has its meaning for docs/statements.md, which is generated from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ledger.schema import (
    DIGEST,
    FLAG,
    ID,
    INTEGER,
    MAX_INTEGER,
    MOMENT,
    PUBLIC_KEY,
    TEXT,
    Counted,
    Document,
    Integer,
    Kind,
    ListOf,
    Maybe,
    OneOf,
    Party,
    Pattern,
    Record,
    Text,
    Type,
)

EXCHANGE, PARTICIPANT, PROVIDER, CONSUMER = (
    (Party.EXCHANGE,),
    (Party.PARTICIPANT,),
    (Party.PROVIDER,),
    (Party.CONSUMER,),
)
EITHER_SIDE = (Party.PROVIDER, Party.CONSUMER)

PRICE = Record({"kind": OneOf(("free", "one-off")), "amount_fen": INTEGER, "currency": TEXT})
TERMS = Record(
    {
        "template": TEXT,
        "parameters": Document("parameters of the template"),
        "policy": Document("ODRL Offer"),
        "price": PRICE,
        "plan_digest": DIGEST,
        "valid_until": Maybe(MOMENT),
    }
)
POSTING = Record(
    {"owner": TEXT, "kind": TEXT, "amount_fen": Integer(-MAX_INTEGER), "subject": TEXT}, frozenset({"subject"})
)
REASON = Record({"rule": TEXT, "text": TEXT})

Meaning = tuple[Type, str]
FIELDS: dict[str, Meaning] = {
    # Who and what.
    "participant": (ID, "the organisation"),
    "provider": (ID, "the organisation whose data it is"),
    "consumer": (ID, "the organisation that wants or has the data"),
    "user": (ID, "a person's account"),
    "by": (TEXT, "who acted: a person's account, a side, or the exchange"),
    "operator": (TEXT, "the person of the exchange who acted"),
    "reader": (TEXT, "the person of the exchange who looked, or `system` for the command line"),
    "dataset": (ID, "the dataset"),
    "version": (ID, "the version of the dataset"),
    "offer": (ID, "the offer"),
    "negotiation": (ID, "the negotiation"),
    "agreement": (ID, "the agreement"),
    "agreement_id": (ID, "the agreement"),
    "transfer": (ID, "the transfer: one use of an agreement"),
    "escrow": (ID, "what is held for one agreement"),
    "statement": (ID, "another statement"),
    "role": (OneOf(("provider", "consumer")), "the side that takes the step"),
    # Joining.
    "name": (Text(200), "the organisation's name"),
    "credit_code": (TEXT, "unified social credit code"),
    "evidence_digest": (DIGEST, "SHA-256 of the evidence that was given"),
    "country": (TEXT, "ISO 3166-1"),
    "industry": (TEXT, "GB/T 4754"),
    "signing_key": (PUBLIC_KEY, "Ed25519"),
    "encryption_key": (PUBLIC_KEY, "X25519"),
    "custody": (OneOf(("custodial", "self-held")), "who holds the private keys"),
    "roles": (ListOf(TEXT), "all roles that the person has from now on"),
    "by_code": (FLAG, "whether a one-time code was used"),
    "note": (TEXT, "remarks of the exchange's people"),
    "reason": (TEXT, "why, in words"),
    # Listing.
    "number": (INTEGER, "the version's number"),
    "kind": (OneOf(("table", "opaque")), "whether the version is a table or files as they came"),
    "version_digest": (DIGEST, "SHA-256 over the version's files"),
    "file_digest": (DIGEST, "SHA-256 of one stored file"),
    "files": (ListOf(DIGEST), "SHA-256 of each file, in order"),
    "rows": (Maybe(INTEGER), "number of rows; null for files that are no table"),
    "bytes": (INTEGER, "size of all files"),
    "title": (TEXT, "the dataset's title"),
    "holding": (FLAG, "the right to hold the data"),
    "processing": (FLAG, "the right to process it"),
    "operating": (FLAG, "the right to market it"),
    "source": (TEXT, "where the data comes from"),
    "declared_at": (MOMENT, "when"),
    "grade": (Maybe(OneOf((1, 2, 3))), "grade of the data"),
    "category": (TEXT, "`general`, `important` or `core`"),
    "answers": (Document("answer to each impact question"), "what the grade follows from"),
    "suggested": (
        Document("answer to each impact question"),
        "what the columns suggest at least; below it the reason says why",
    ),
    "rule": (TEXT, "how the grade follows"),
    "guide": (TEXT, "the guide that was applied"),
    "risk_assessment": (TEXT, "reference of the risk assessment"),
    "policy_digest": (DIGEST, "SHA-256 of the ODRL policy"),
    "plan_digest": (DIGEST, "SHA-256 of the desensitization plan"),
    "price": (PRICE, "the price plan"),
    "template": (TEXT, "the template of the terms"),
    "visibility": (OneOf(("public", "authorised")), "who finds the offer"),
    "audience": (ListOf(ID), "the only organisations that may see it; empty: all that are authorised"),
    # Quality and value.
    "report_digest": (DIGEST, "SHA-256 of the canonical report"),
    "standard": (TEXT, "the standard and its catalogue's version"),
    "quality": (Maybe(TEXT), "the overall score as a decimal; null where nothing could be assessed"),
    "coverage": (TEXT, "the share of the weights that could be assessed"),
    "approach": (TEXT, "how the value was estimated"),
    "value_fen": (INTEGER, "the estimate"),
    "low_fen": (INTEGER, "lower end of its range"),
    "high_fen": (INTEGER, "upper end of its range"),
    # Negotiation.
    "dataset_version": (ID, "the version that is negotiated about"),
    "purpose": (TEXT, "what the data is wanted for"),
    "intended_use": (TEXT, "the same in the consumer's words"),
    "terms": (TERMS, "the terms proposed; the plan stands there by its digest"),
    "terms_digest": (DIGEST, "SHA-256 of the terms on the table"),
    "price_fen": (INTEGER, "the price on the table"),
    "agreement_digest": (DIGEST, "SHA-256 of the canonical agreement"),
    "signed_agreement_digest": (DIGEST, "SHA-256 of the agreement with both signatures"),
    "uses": (Maybe(INTEGER), "how many uses the policy allows at most; null: it states no number"),
    "use_until": (Maybe(MOMENT), "when the policy's permission ends; null: it states no moment"),
    "valid_until": (Maybe(MOMENT), "when the agreement ends; null: open"),
    # Money.
    "amount_fen": (INTEGER, "the amount"),
    "fee_fen": (INTEGER, "the exchange's fee, kept from the amount"),
    "currency": (TEXT, "ISO 4217"),
    "reference": (TEXT, "the bank's reference"),
    "booked_by": (TEXT, "the person of the exchange who booked it"),
    "journal_entry": (Maybe(ID), "the journal entry; null where nothing was booked"),
    "postings": (ListOf(POSTING), "its legs, which sum to zero"),
    # Delivery.
    "format": (TEXT, "the format asked for"),
    "decision": (OneOf(("permit", "deny")), "what the policy says"),
    "action": (TEXT, "the ODRL action"),
    "reasons": (ListOf(REASON), "every rule that denies; empty when it permits"),
    "use": (INTEGER, "the number of this use, from 1"),
    "obligations": (ListOf(Document("obligation")), "what the permission obliges to"),
    "sealed_digest": (DIGEST, "SHA-256 of the sealed file"),
    "plain_digest": (DIGEST, "SHA-256 of the package inside it"),
    "parts_digest": (DIGEST, "SHA-256 over the digests of its parts"),
    "sealed_size": (INTEGER, "bytes of the sealed file"),
    "recipient_key": (TEXT, "first half of the SHA-256 of the key it is sealed to, in hex"),
    "mark_digest": (Pattern("digest, or empty", re.compile(r"|sha256:[0-9a-f]{64}")), "commitment to the buyer's mark"),
    "digest": (DIGEST, "SHA-256 of what arrived"),
    # Supervision.
    "what": (TEXT, "what was looked at"),
    "subject": (TEXT, "what the bundle is about"),
    "statements": (INTEGER, "how many statements it holds"),
    "erased": (ListOf(TEXT), "the names of the fields whose openings are destroyed"),
    "alert": (ID, "the alert"),
    "severity": (OneOf(("notice", "warning", "critical")), "how grave"),
    "about": (TEXT, "the id of what the alert is about, or `ledger`"),
    "findings": (ListOf(TEXT), "what was found, a sentence each"),
    # The log itself.
    "origin": (TEXT, "the log's name"),
    "log_key": (TEXT, "the log's verifier key"),
    "retired_log_key": (TEXT, "a former verifier key of the log, whose private half is destroyed"),
    "statement_key": (PUBLIC_KEY, "the exchange's statement key"),
}
# What can be a person's name or somebody's own words.
_PERSONAL = frozenset(
    {"name", "note", "reason", "intended_use", "title", "user", "by", "operator", "reader", "booked_by", "findings"}
)


def kind(
    name: str,
    signed_by: tuple[Party, ...],
    fields: str,
    effect: str,
    *,
    optional: str = "",
    counted: Counted = "never",
    own: Mapping[str, Type] | None = None,
) -> Kind:
    """Return a kind whose `fields` are words of the vocabulary, or `own` ones with another type.

    `optional` ones may be absent. Raises KeyError for a word that has no meaning yet.
    """
    types = {word: (own or {}).get(word) or FIELDS[word][0] for word in [*fields.split(), *optional.split()]}
    # A word out of a fixed list names nobody.
    personal = {word for word in types.keys() & _PERSONAL if not isinstance(types[word], OneOf)}
    return Kind(name, signed_by, types, effect, counted, frozenset(optional.split()), frozenset(personal))


def unused(kinds: Iterable[Kind]) -> set[str]:
    """Return the words of the vocabulary that no kind uses."""
    used: set[Any] = set()
    for item in kinds:
        used |= item.fields.keys()
    return FIELDS.keys() - used
