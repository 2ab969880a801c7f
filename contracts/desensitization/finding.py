"""What detection says about one column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.desensitization.kinds import KINDS, Category
from contracts.errors import PlanError


@dataclass(frozen=True)
class Finding:
    """A column that seems to hold a kind of sensitive value; a person confirms it.

    `confidence` lies between 0 and 1. `matched` of the `tested` values (neither null nor empty) show the kind;
    a finding from the name alone has `matched` 0. `width` is a fitting width of generalisation for numbers. `rows`
    are the numbers of the first rows, from zero, that show it. Where the column was sampled, `error` is the most by
    which the share `matched / tested` misses that of the whole column, 19 times in 20; it is None where every value
    was read.
    """

    column: str
    kind: str
    category: Category
    confidence: float
    matched: int
    tested: int
    reason_en: str
    reason_zh: str
    width: float | None = None
    rows: tuple[int, ...] = ()
    error: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))

    def to_json(self) -> dict[str, Any]:
        """The finding as a JSON object, without any value of the column."""
        document = {name: value for name, value in vars(self).items() if value is not None}
        return document | {"rows": list(self.rows)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Finding:
        """The finding that `to_json` wrote; raises PlanError for anything else."""
        try:
            finding = cls(**document)
        except TypeError as error:
            raise PlanError("A finding lacks or does not know a member.", "识别结果缺少或包含未知的成员。") from error
        if finding.kind not in KINDS or finding.category != KINDS[finding.kind].category:
            raise PlanError(
                f"There is no kind of finding {finding.kind!r}.", f"没有类别为 {finding.kind!r} 的识别结果。"
            )
        return finding
