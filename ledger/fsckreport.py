"""What a check of a whole log reports."""

from dataclasses import dataclass, field
from typing import Any

from ledger.erasures import Erasure


@dataclass(frozen=True)
class Problem:
    """One finding. `index` is the entry it is about, the first where several may be meant, None where that is the whole log."""

    index: int | None
    check: str
    detail: str


@dataclass(frozen=True)
class FsckReport:
    """What a whole-log check found. `root` is the root computed from the entries' bytes.

    `openings` says whether the openings, and with them signatures and meaning, were looked at: `deliveries`
    were judged by the rules of `ledger.meaning`, `unjudged` statements could not be, since what a rule needs
    is erased.
    """

    size: int
    root: bytes
    vkey: str | None
    pinned: bool
    checkpoints: int
    erasures: tuple[Erasure, ...] = ()
    openings: bool = True
    deliveries: int = 0
    unjudged: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def erased(self) -> int:
        """The number of erased openings; each stands in `erasures` with the entry that ordered it."""
        return len(self.erasures)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON; 64-bit numbers are strings."""
        return {
            "ok": self.ok,
            "size": str(self.size),
            "root": self.root.hex(),
            "vkey": self.vkey,
            "pinned": self.pinned,
            "checkpoints": self.checkpoints,
            "erased": self.erased,
            "erasures": [item.to_json() for item in self.erasures],
            "openings": self.openings,
            "deliveries": self.deliveries,
            "unjudged": self.unjudged,
            "problems": [
                {"index": None if p.index is None else str(p.index), "check": p.check, "detail": p.detail}
                for p in self.problems
            ],
        }
