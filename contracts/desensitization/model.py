"""The parts of a desensitization plan as plain, frozen, validated data (RFC 8785 JSON in and out)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from contracts.desensitization.parameters import OPERATORS, check_mark, check_operand, check_parameters, check_text
from contracts.errors import PlanError
from ledger import canonical

VERSION = 1


@dataclass(frozen=True)
class ColumnRule:
    """What happens to one column: a method, its parameters (defaults filled in) and why.

    `key_reference` names where the key of a keyed method comes from, never the key: None or "agreement" is the key
    of this agreement and column. `reason` is a finding's kind or a free sentence. `mark` is the most that the buyer's
    mark may change a number of the column, as decimal text; without it no mark touches the column. Raises PlanError
    for an unknown method or parameter, and for a mark where the method allows none.
    """

    column: str
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    key_reference: str | None = None
    reason: str = ""
    mark: str | None = None

    def __post_init__(self) -> None:
        for value, what in ((self.column, "column"), (self.method, "method"), (self.reason, "reason")):
            check_text(value, what)
        checked = check_parameters(self.column, self.method, self.parameters, self.key_reference)
        object.__setattr__(self, "parameters", MappingProxyType(checked))
        if self.mark is not None:
            check_mark(self.column, self.mark, may_carry=self.may_carry_mark)

    @property
    def may_carry_mark(self) -> bool:
        """Whether the method leaves numbers that a mark may move: rounded ones, and those kept without `exact`."""
        return self.method == "round" or (self.method == "keep" and not self.parameters["exact"])

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled, and rules travel to other processes.
        return ColumnRule, (self.column, self.method, dict(self.parameters), self.key_reference, self.reason, self.mark)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` gives the same rule back."""
        document: dict[str, Any] = {"column": self.column, "method": self.method}
        if self.parameters:
            document["parameters"] = dict(self.parameters)
        if self.key_reference is not None:
            document["key_reference"] = self.key_reference
        if self.reason:
            document["reason"] = self.reason
        if self.mark is not None:
            document["mark"] = self.mark
        return document

    @classmethod
    def from_json(cls, document: Any) -> ColumnRule:
        """The rule in a JSON object; raises PlanError where a member is missing, unknown or of the wrong kind."""
        fields = _members(document, "rule", {"column", "method"}, {"parameters", "key_reference", "reason", "mark"})
        return cls(**fields)


@dataclass(frozen=True)
class RowFilter:
    """Only rows whose `column` stands in this relation to `value` are delivered; a null never does.

    The operators are ODRL's: eq, neq, lt, lteq, gt, gteq, isAnyOf, isNoneOf (the last two take a list). Times are
    RFC 3339 text. Raises PlanError for anything else.
    """

    column: str
    operator: str
    value: Any

    def __post_init__(self) -> None:
        check_text(self.column, "column")
        if self.operator not in OPERATORS:
            raise PlanError(
                f"The row filter on {self.column!r} has an unknown operator {self.operator!r}.",
                f"“{self.column}”列的行过滤条件使用了未知的运算符 {self.operator!r}。",
                mend_en=f"Use one of {', '.join(OPERATORS)}.",
                mend_zh=f"可用的运算符：{'、'.join(OPERATORS)}。",
            )
        object.__setattr__(self, "value", check_operand(self.column, self.operator, self.value))

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` gives the same filter back."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"column": self.column, "operator": self.operator, "value": value}

    @classmethod
    def from_json(cls, document: Any) -> RowFilter:
        """The filter in a JSON object; raises PlanError where a member is missing or unknown."""
        return cls(**_members(document, "row filter", {"column", "operator", "value"}, set()))


@dataclass(frozen=True)
class Plan:
    """Everything an agreement obliges on the way out: one rule for every column, and which rows.

    The filter sees the source's values, before any method. Output columns stand in the order of the source. Raises
    PlanError for two rules on one column, or another version.
    """

    columns: tuple[ColumnRule, ...]
    row_filter: tuple[RowFilter, ...] = ()
    version: int = VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "row_filter", tuple(self.row_filter))
        if self.version != VERSION or isinstance(self.version, bool):
            raise PlanError(
                f"This plan has version {self.version!r}; only version {VERSION} is understood.",
                f"无法识别方案版本 {self.version!r}，仅支持版本 {VERSION}。",
            )
        for name, count in Counter(rule.column for rule in self.columns).items():
            if count > 1:
                raise PlanError(
                    f"The plan has more than one rule for the column {name!r}.",
                    f"方案对“{name}”列有多条规则。",
                    mend_en="Keep one of them.",
                    mend_zh="请只保留一条。",
                )

    def rule(self, column: str) -> ColumnRule | None:
        """The rule for a column, or None where the plan has none."""
        return next((rule for rule in self.columns if rule.column == column), None)

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object of plain values, which is what goes into an agreement."""
        document: dict[str, Any] = {
            "version": self.version,
            "columns": [rule.to_json() for rule in self.columns],
        }
        if self.row_filter:
            document["row_filter"] = [item.to_json() for item in self.row_filter]
        return document

    @classmethod
    def from_json(cls, document: Any) -> Plan:
        """The plan in a JSON object; raises PlanError for anything missing, unknown or of the wrong kind."""
        fields = _members(document, "plan", {"version", "columns"}, {"row_filter"})
        rules, filters = fields["columns"], fields.get("row_filter", [])
        if not isinstance(rules, Sequence) or not isinstance(filters, Sequence):
            raise PlanError("The columns and row filters of a plan are lists.", "方案的列规则和行过滤条件应为列表。")
        return cls(
            tuple(ColumnRule.from_json(rule) for rule in rules),
            tuple(RowFilter.from_json(item) for item in filters),
            fields["version"],
        )

    def digest(self) -> str:
        """`sha256:` and the hex SHA-256 of the plan's RFC 8785 bytes; this goes into the agreement."""
        return "sha256:" + hashlib.sha256(canonical.encode(self.to_json())).hexdigest()

    def describe(self, locale: str = "en") -> list[str]:
        """The plan in sentences, one a column and one a filter, in Chinese for `zh…` and in English otherwise."""
        from contracts.desensitization.describe import describe

        return describe(self, locale)


def _members(document: Any, what: str, needed: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise PlanError(f"A {what} is a JSON object.", "方案的内容应为 JSON 对象。")
    names = set(document)
    wrong = sorted(str(name) for name in (needed - names) | (names - needed - optional))
    if wrong:
        raise PlanError(
            f"A {what} lacks or does not know: {', '.join(wrong)}.",
            f"方案缺少或包含未知的成员：{'、'.join(wrong)}。",
        )
    return dict(document)
