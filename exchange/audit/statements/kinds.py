"""Every kind of statement that the exchange records, in the order of the journey.

The log refuses any other. To record a new one, add it here (and its words to the vocabulary), give it its name in
templates/components/badges.html, and write docs/statements.md anew with `python -m exchange.audit.statements`.
"""

from __future__ import annotations

from exchange.audit.statements.vocabulary import (
    CONSUMER,
    EITHER_SIDE,
    EXCHANGE,
    PARTICIPANT,
    PROVIDER,
    kind,
)
from ledger.attestation import GENESIS
from ledger.schema import ID, Kind, Maybe, OneOf, Party
from ledger.succession import KEYS

LOG = (
    kind(GENESIS, EXCHANGE, "origin log_key statement_key", "the log is this one, under these keys; entry 0"),
    kind(KEYS, EXCHANGE, "", "from the next entry on the exchange's keys are these; signed by the key before",
         optional="log_key statement_key retired_log_key"),
)  # fmt: skip

# A person of the exchange belongs to no organisation.
_ANYBODY = {"participant": Maybe(ID)}
_FIRM = "participant name credit_code evidence_digest"
JOINING = (
    kind("participant.joined", PARTICIPANT, _FIRM, "it waits for the verification of its evidence", optional="country industry"),
    kind("participant.keys", PARTICIPANT, "participant signing_key encryption_key custody", "it signs with this key from now on"),
    kind("participant.verified", EXCHANGE, f"{_FIRM} signing_key custody", "it may publish and request; its signing key is attested",
         optional="country industry"),
    kind("participant.verification_noted", EXCHANGE, "participant operator note", "kept for the exchange's own people"),
    kind("participant.declared", PARTICIPANT, "participant name evidence_digest by", "what it says anew waits for the next verification",
         optional="country industry"),
    kind("participant.rejected", EXCHANGE, f"{_FIRM} reason", "it may declare its evidence anew"),
    kind("participant.suspended", EXCHANGE, "participant reason", "it trades nothing; running transfers stop at the next part"),
    kind("participant.reinstated", EXCHANGE, "participant reason", "the suspension ends"),
    kind("participant.roles", PARTICIPANT, "participant user roles by", "the person has these roles"),
    kind("participant.person_disabled", EXCHANGE, "participant user by", "sessions, tokens and waiting steps of the person end"),
    kind("participant.person_enabled", PARTICIPANT, "participant user by", "the person may sign in again"),
    kind("participant.password_reset", EXCHANGE, "participant user by", "a one-time code sets a new password", own=_ANYBODY),
    kind("participant.password_changed", EXCHANGE, "participant user by by_code", "other sessions of the person end", own=_ANYBODY),
    kind("exchange.roles", EXCHANGE, "user roles", "a person of the exchange has these roles"),
    kind("exchange.acted", EXCHANGE, "operator statement", "who of the exchange took the step of that statement; kept for its own people"),
)  # fmt: skip

_LISTED = "provider dataset version version_digest report_digest"
LISTING = (
    kind("dataset.version_published", PROVIDER, "provider dataset version number version_digest files rows bytes kind title",
         "the version with this digest may be offered"),
    kind("dataset.rights_declared", PROVIDER, "provider dataset holding processing operating source evidence_digest declared_at",
         "the dataset may be offered, as far as its grade allows"),
    kind("dataset.graded", PROVIDER, "provider dataset grade category answers suggested reason rule guide risk_assessment",
         "the grade governs who may be offered it"),
    kind("dataset.frozen", EXCHANGE, "provider dataset reason", "no offer is found, nothing is agreed, paid or delivered"),
    kind("dataset.unfrozen", EXCHANGE, "provider dataset reason", "the freeze ends"),
    kind("dataset.file_read", EXCHANGE, "provider dataset version version_digest file_digest by", "its own firm has the stored file"),
    kind("dataset.removed", PROVIDER, "provider dataset title", "the draft and what was uploaded are gone"),
    kind("offer.published", PROVIDER,
         "provider dataset offer version version_digest policy_digest plan_digest price template visibility audience grade category",
         "listed; never changed"),
    kind("offer.withdrawn", PROVIDER, "provider dataset offer", "no longer listed; agreements go on"),
    kind("quality.reported", EXCHANGE, f"{_LISTED} standard quality coverage", "shown; the report's hash is fixed"),
    kind("valuation.reported", EXCHANGE, f"{_LISTED} approach value_fen low_fen high_fen currency", "shown; the report's hash is fixed"),
)  # fmt: skip

_STEP = "negotiation role provider consumer offer dataset dataset_version terms_digest plan_digest price_fen"
_AGREED = f"{_STEP} agreement_id agreement_digest uses use_until valid_until"
NEGOTIATION = (
    kind("negotiation.requested", CONSUMER, f"{_STEP} terms", "the terms are on the table for the provider",
         optional="purpose intended_use"),
    kind("negotiation.offered", PROVIDER, f"{_STEP} terms", "the terms are on the table for the consumer"),
    kind("negotiation.accepted", CONSUMER, _STEP, "the provider may sign"),
    kind("negotiation.agreed", PROVIDER, _AGREED, "the agreement exists, signed by the provider; it carries its limits as plain data",
         counted="always"),
    kind("negotiation.verified", CONSUMER, _AGREED, "signed by both; the price may be held", counted="always"),
    kind("negotiation.finalized", EXCHANGE, f"{_AGREED} signed_agreement_digest", "in force", counted="always"),
    kind("negotiation.terminated", EITHER_SIDE, f"{_STEP} reason", "ended; an agreement of it ends, too", counted="in an agreement"),
)  # fmt: skip

_ESCROW = "agreement_id escrow provider consumer amount_fen currency journal_entry postings"
MONEY = (
    kind("account.topped_up", EXCHANGE, "participant amount_fen currency reference booked_by journal_entry postings", "the money can be spent"),
    kind("escrow.held", EXCHANGE, _ESCROW, "the agreement may come into force", counted="always"),
    kind("escrow.released", EXCHANGE, f"{_ESCROW} reason fee_fen", "the provider is paid", counted="always"),
    kind("escrow.refunded", EXCHANGE, f"{_ESCROW} reason", "the consumer has its money back; the agreement ends", counted="always"),
)  # fmt: skip

_USE = "transfer agreement agreement_digest"
_BY = {"by": OneOf(("provider", "consumer", "exchange"))}
DELIVERY = (
    kind("transfer.requested", CONSUMER, f"{_USE} format", "the policy is asked", counted="always"),
    kind("transfer.decided", EXCHANGE, f"{_USE} decision action reasons", "permitted: the artefact is prepared", counted="always"),
    kind("transfer.started", EXCHANGE,
         f"{_USE} use obligations version_digest plan_digest sealed_digest plain_digest parts_digest sealed_size rows recipient_key mark_digest",
         "one use is taken; bytes may flow", counted="always"),
    kind("transfer.part_denied", EXCHANGE, f"{_USE} reasons", "suspended: the policy has lapsed", counted="always"),
    kind("transfer.suspended", PROVIDER, f"{_USE} reason by", "stops at the next part", counted="always", own=_BY),
    kind("transfer.resumed", PROVIDER, f"{_USE} reason by", "runs on; the same use", counted="always", own=_BY),
    kind("transfer.terminated", (*EITHER_SIDE, Party.EXCHANGE), f"{_USE} reason by", "ended for good", counted="always", own=_BY),
    kind("delivery.acknowledged", CONSUMER, f"{_USE} digest", "the acceptance window ends", counted="always"),
)  # fmt: skip

SUPERVISION = (
    kind("audit.read", EXCHANGE, "reader", "they see what was closed to them", optional="statement participant what"),
    kind("audit.exported", EXCHANGE, "reader subject statements", "they have a bundle"),
    kind("opening.erased", (*PARTICIPANT, *EXCHANGE), "statement erased reason", "salt and value of these fields are destroyed",
         optional="operator participant"),
    kind("alert.raised", EXCHANGE, "alert severity about findings operator", "somebody of the exchange looks into it"),
    kind("alert.closed", EXCHANGE, "alert reason operator", "it was looked into"),
)  # fmt: skip

ALL: tuple[Kind, ...] = (*LOG, *JOINING, *LISTING, *NEGOTIATION, *MONEY, *DELIVERY, *SUPERVISION)

SECTIONS: dict[str, tuple[Kind, ...]] = {
    "The log": LOG,
    "Joining": JOINING,
    "Listing and value": LISTING,
    "Negotiation and agreement": NEGOTIATION,
    "Money": MONEY,
    "Delivery": DELIVERY,
    "Supervision": SUPERVISION,
}
