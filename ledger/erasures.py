"""Erased openings and who ordered it: what was erased under record is told apart from what is simply gone.

An order is an `opening.erased` statement whose field `statement` names the statement and whose `erased` lists the
fields. An opening that is gone without one is damage, or somebody who hides something.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ORDER = "opening.erased"


@dataclass(frozen=True)
class Erasure:
    """A field of an entry that was erased, the entry that ordered it (None where it is not known), what is wrong with that."""

    index: int
    field: str
    by: int | None
    order: str | None
    problem: str | None = None

    @property
    def words(self) -> str:
        """Return `erased by entry N`, as every tool says it."""
        if self.by is not None:
            return f"erased by entry {self.by}"
        return f"erased by {self.order}, which is not here" if self.order else "erased"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; indexes are strings."""
        return {"index": str(self.index), "field": self.field, "by": None if self.by is None else str(self.by)}


@dataclass(frozen=True)
class _Gone:
    index: int
    statement: str
    field: str
    by: str | None


class Erasures:
    """What was found erased, and the orders, in whatever order they come."""

    def __init__(self) -> None:
        self._gone: list[_Gone] = []
        # By what they speak of, and by their own ids.
        self._orders: dict[tuple[str, str], tuple[int, str]] = {}
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._gone)

    def found(self, index: int, statement: str, field: str, by: str | None) -> None:
        """Note that an opening of an entry is erased, as the statement `by` is said to have ordered."""
        self._gone.append(_Gone(index, statement, field, by))

    def ordered(self, index: int, statement: str, kind: str, values: Mapping[str, Any]) -> None:
        """Take note of a statement if it is an order. `values` are its fields as verified."""
        if kind != ORDER:
            return
        self._places[statement] = index
        wanted, fields = values.get("statement"), values.get("erased")
        if isinstance(wanted, str) and isinstance(fields, Sequence) and not isinstance(fields, str):
            for name in fields:
                self._orders.setdefault((wanted, str(name)), (index, statement))

    def judge(self, *, whole: bool) -> list[Erasure]:
        """Return the erasures in the order of their entries, each with what is wrong with its order.

        `whole` says that every statement of the log was heard; a bundle need not hold the orders.
        """
        found = []
        for item in sorted(self._gone, key=lambda gone: (gone.index, gone.field)):
            by, order = self._orders.get((item.statement, item.field), (None, item.by))
            fault = self._fault(item, whole) if by is None else None
            found.append(Erasure(item.index, item.field, by, order, fault))
        return found

    def _fault(self, item: _Gone, whole: bool) -> str | None:
        what = f"the opening of {item.field!r} is erased, and"
        if item.by is None:
            return f"{what} nothing says by whose order"
        if item.by in self._places:
            return f"{what} entry {self._places[item.by]}, which is said to order it, does not speak of it"
        return f"{what} no entry that orders it is on the log" if whole else None
