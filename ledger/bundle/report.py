"""The verdict on a bundle: every check by name, what it looked at, and what it found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Check:
    """One check: `name` is what was checked, `subject` what it was checked on."""

    name: str
    subject: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class EntrySummary:
    """What an entry of the bundle says in public, and who signed it if that is open."""

    index: int
    kind: str
    at: str
    statement_id: str
    agreement: str | None = None
    counter: int | None = None
    signer: str | None = None
    existed_by: str | None = None
    """By when it existed at the latest, as a time-stamping authority or a block says that the auditor trusts."""


@dataclass(frozen=True)
class Attestation:
    """A checkpoint that outsiders vouched for: when which trusted witness cosigned it (seconds since the epoch), and
    by when a trusted authority, and a block that the auditor named, say that it existed."""

    size: int
    cosigned: Mapping[str, int]
    stamped: datetime | None = None
    anchored: datetime | None = None


@dataclass(frozen=True)
class BundleReport:
    """The verdict. `pinned` says whether the log's key came from the auditor and not from the bundle."""

    checks: list[Check]
    log_origin: str | None
    vkey: str | None
    pinned: bool
    size: int | None = None
    subject: dict[str, Any] = field(default_factory=dict)
    entries: list[EntrySummary] = field(default_factory=list)
    attestations: list[Attestation] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)

    @property
    def problems(self) -> list[Check]:
        """The checks that failed, in the order they were made."""
        return [check for check in self.checks if not check.ok]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON; 64-bit numbers are strings."""
        document = asdict(self) | {"ok": self.ok, "size": None if self.size is None else str(self.size)}
        for entry in document["entries"]:
            entry["index"] = str(entry["index"])
            entry["counter"] = None if entry["counter"] is None else str(entry["counter"])
        for item in document["attestations"]:
            item["size"] = str(item["size"])
            for name in ("stamped", "anchored"):
                item[name] = None if item[name] is None else moment_text(item[name])
        return document


def moment_text(moment: datetime) -> str:
    """Return a moment in RFC 3339, UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
