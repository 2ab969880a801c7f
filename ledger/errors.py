"""Errors of the ledger.

LedgerError
├── CanonicalError            a value or bytes outside RFC 8785 as this ledger admits it
├── SignatureError            a key or a signature that does not verify
├── AdmissionError            a statement that the log refuses
├── PolicyError               a trust policy that is malformed
├── ProofError                a proof that is malformed, impossible to build, or does not verify
├── TimestampError            a time stamp that was not given or does not hold
├── AnchorError               a checkpoint cannot be anchored just now; `code` says why
├── BundleError               a bundle that cannot be written, or a file that is no bundle at all
├── VerificationError         one or more named problems in what was checked
├── LedgerUnavailableError    the log could not be read or written in time; try again
└── NotFoundError             no such statement, entry or opening
"""

from collections.abc import Iterable


class LedgerError(Exception):
    """Root of every error that crosses the border of this package."""


class CanonicalError(LedgerError):
    """A value has no canonical form, or bytes are not in canonical form."""


class SignatureError(LedgerError):
    """A key is malformed or a signature does not verify under it."""


class AdmissionError(LedgerError):
    """The log refuses a statement: malformed, unsigned, too large, or already recorded."""


class PolicyError(LedgerError):
    """A trust policy is malformed or contradicts itself."""


class ProofError(LedgerError):
    """A Merkle proof is malformed, cannot be built, or does not lead to the root."""


class TimestampError(LedgerError):
    """A time stamp was refused by its authority, is malformed, or does not verify."""


class AnchorError(LedgerError):
    """A checkpoint cannot be anchored just now. `code` is stable, `facts` holds the values that the sentence names."""

    def __init__(self, code: str, sentence: str, **facts: str | int) -> None:
        self.code = code
        self.facts = facts
        super().__init__(sentence)


class BundleError(LedgerError):
    """A bundle cannot be written, or the input is not a bundle."""


class VerificationError(LedgerError):
    """What was checked is wrong; `problems` names each finding in one sentence."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))

    def __reduce__(self) -> tuple[type["VerificationError"], tuple[list[str]]]:
        return type(self), (self.problems,)


class LedgerUnavailableError(LedgerError):
    """The log could not be read or written in time. Nothing is lost: ask for the receipt again."""


class NotFoundError(LedgerError):
    """The log holds no such statement, entry or opening."""
