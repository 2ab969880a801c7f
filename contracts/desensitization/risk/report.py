"""The effect grade of de-identification after GB/T 42460-2023, with the figures that it rests on.

The grade is found in two steps, as the standard has them: by kind first (are direct identifiers left, are there single
rows at all), then by number (is the re-identification risk below the threshold).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from contracts.desensitization.finding import Finding
from contracts.desensitization.model import Plan
from contracts.desensitization.risk.groups import Groups, count, merged
from contracts.desensitization.risk.models import Risks, describe, risks

# The threshold in common use: one in twenty.
THRESHOLD = 0.05
_OPEN = frozenset({"keep", "round", "local_suppress", "shuffle"})
_GRADES = {
    1: ("direct identifiers remain", "仍含直接标识符"),
    2: ("direct identifiers are removed, but the re-identification risk is not below the threshold", "已去除直接标识符，但重标识风险不低于阈值"),
    3: ("the re-identification risk is below the threshold", "重标识风险低于阈值"),
    4: ("only aggregates are delivered", "仅交付聚合数据"),
}  # fmt: skip


@dataclass(frozen=True)
class Report:
    """The grade (1 to 4), why, the risks, and each sensitive column's diversity and closeness."""

    grade: int
    reason_en: str
    reason_zh: str
    quasi: tuple[str, ...]
    risks: Risks
    sensitive: dict[str, dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return asdict(self) | {"quasi": list(self.quasi)}


def assess(
    delivered: Any, plan: Plan, findings: Iterable[Finding], *, threshold: float = THRESHOLD, aggregated: bool = False
) -> Report:
    """The report on a delivered table (Arrow table or Parquet paths) that left under `plan`.

    Columns found to be direct identifiers must be changed by the plan; quasi-identifiers that it delivers form the
    groups; sensitive ones are judged inside them. `aggregated` says that no row stands for a single case.
    """
    found = list(findings)
    shown = {rule.column: rule for rule in plan.columns if rule.method != "suppress"}
    direct = [item.column for item in found if item.category == "direct" and item.column in shown]
    exposed = sorted({name for name in direct if shown[name].method in _OPEN})
    quasi = tuple(dict.fromkeys(item.column for item in found if item.category == "quasi" and item.column in shown))
    others = dict.fromkeys(item.column for item in found if item.category == "sensitive" and item.column in shown)
    sensitive = [name for name in others if name not in quasi]
    groups = count(delivered, [*quasi, *sensitive])
    by_quasi = merged(groups, quasi) if quasi else _whole(groups)
    figures = risks(by_quasi, threshold=threshold)
    if exposed:
        grade = 1
    elif aggregated:
        grade = 4
    else:
        # A risk is what the standard compares: the largest probability with which a row is matched rightly.
        grade = 3 if figures.prosecutor_highest < threshold else 2
    reason_en, reason_zh = _GRADES[grade]
    if exposed:
        reason_en, reason_zh = f"{reason_en}: {', '.join(exposed)}", f"{reason_zh}：{'、'.join(exposed)}"
    return Report(grade, reason_en, reason_zh, quasi, figures, describe(groups, quasi, sensitive) if quasi else {})


def _whole(groups: Groups) -> Groups:
    """One group of all rows: without quasi-identifiers nobody stands out."""
    sizes = np.array([groups.rows], np.int64) if groups.rows else np.empty(0, np.int64)
    return Groups((), groups.values.select([]), sizes)


def rare(source: Any, quasi: Sequence[str], k: int) -> dict[str, tuple[Any, ...]]:
    """For local suppression: of every quasi-identifier the values that may stay, so that each stands in k rows or more.

    The values are ready for the parameter `values` of the method `local_suppress`, the most frequent first.
    """
    groups = count(source, quasi)
    kept = {}
    for name in quasi:
        alone = merged(groups, [name])
        order = np.argsort(-alone.sizes, kind="stable")
        values = alone.values.column(name).to_pylist()
        kept[name] = tuple(values[row] for row in order if alone.sizes[row] >= k and values[row] is not None)
    return kept
