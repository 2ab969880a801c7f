"""Constraints ready to be decided: each knows what to read, how to test it, and how to say why it fails.

Three-valued throughout: True, False, or None where a fact is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from contracts.odrl.decision import Reason, Request, World
from contracts.odrl.model import JSON, REFERENCE, Condition, Constraint
from contracts.odrl.operands import OPERANDS
from contracts.odrl.operators import NotUnderstoodError, Test, any_of, build, one_of
from contracts.odrl.phrases import expected
from contracts.odrl.vocabulary import ANNOTATIONS, OPERATORS

# Called with the path, the kind, the value and what would be known, for each part that is not understood.
Report = Callable[[str, str, JSON, JSON], None]


class Node(Protocol):
    """A condition that can be decided and explained."""

    def decide(self, request: Request, world: World) -> bool | None: ...

    def explain(self, request: Request, world: World, rule: str) -> list[Reason]:
        """The reasons why it does not hold; none when it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Atom:
    """One constraint."""

    path: str
    left_operand: str
    operator: str
    expected: JSON
    keys: tuple[str, ...]
    read: Callable[[Request, World, tuple[str, ...]], Any]
    test: Test
    show: Callable[[Any], JSON]

    def decide(self, request: Request, world: World) -> bool | None:
        actual = self.read(request, world, self.keys)
        return None if actual is None else self.test(actual, world)

    def explain(self, request: Request, world: World, rule: str) -> list[Reason]:
        actual = self.read(request, world, self.keys)
        decided = None if actual is None else self.test(actual, world)
        if decided:
            return []
        return [
            Reason(
                "undecided" if decided is None else "constraint",
                rule,
                self.path,
                self.left_operand,
                self.operator,
                self.expected,
                None if actual is None else self.show(actual),
            )
        ]


@dataclass(frozen=True, slots=True)
class All:
    """Every part must hold. In a sequence the first part that does not hold is the only reason."""

    path: str
    parts: tuple[Node, ...]
    sequence: bool = False

    def decide(self, request: Request, world: World) -> bool | None:
        result: bool | None = True
        for part in self.parts:
            decided = part.decide(request, world)
            if decided is False:
                return False
            if decided is None:
                result = None
        return result

    def explain(self, request: Request, world: World, rule: str) -> list[Reason]:
        reasons: list[Reason] = []
        for part in self.parts:
            reasons += part.explain(request, world, rule)
            if reasons and self.sequence:
                break
        return reasons


@dataclass(frozen=True, slots=True)
class Choice:
    """`or`: at least one part must hold. `xone`: exactly one."""

    path: str
    operator: str
    parts: tuple[Node, ...]

    def decide(self, request: Request, world: World) -> bool | None:
        results = [part.decide(request, world) for part in self.parts]
        return any_of(results) if self.operator == "or" else one_of(results)

    def explain(self, request: Request, world: World, rule: str) -> list[Reason]:
        results = [part.decide(request, world) for part in self.parts]
        if (any_of(results) if self.operator == "or" else one_of(results)) is True:
            return []
        reasons = [
            Reason(
                "choice",
                rule,
                self.path,
                self.operator,
                "gteq" if self.operator == "or" else "eq",
                f"1/{len(results)}",
                f"{results.count(True)}/{len(results)}",
            )
        ]
        if results.count(True) < 2:
            for part in self.parts:
                reasons += part.explain(request, world, rule)
        return reasons


class Never:
    """What stands in the place of a constraint that is not understood.

    The policy that holds it denies anyhow.
    """

    def decide(self, _request: Request, _world: World) -> bool | None:
        return None

    def explain(self, _request: Request, _world: World, _rule: str) -> list[Reason]:
        return []


_EMPTY = MappingProxyType({"and": None, "or": None, "xone": None, "andSequence": None})


def compile_all(conditions: tuple[Condition, ...], keys: tuple[str, ...], path: str, report: Report) -> Node | None:
    """All of a rule's conditions as one node; None where there are none."""
    parts = tuple(compile_one(condition, keys, report) for condition in conditions)
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else All(path, parts)


def compile_one(condition: Condition, keys: tuple[str, ...], report: Report) -> Node:
    """One condition as a node. What is not understood is reported, and a Never takes its place."""
    report_others(condition.others, report)
    if isinstance(condition, Constraint):
        return _atom(condition, keys, report)
    if condition.operator not in _EMPTY or not condition.operands:
        report(f"{condition.path}.{condition.operator}", "logic", [], list(_EMPTY))
        return Never()
    parts = tuple(compile_one(operand, keys, report) for operand in condition.operands)
    if condition.operator in {"and", "andSequence"}:
        return All(condition.path, parts, condition.operator == "andSequence")
    return Choice(condition.path, condition.operator, parts)


def report_others(others: tuple[Any, ...], report: Report) -> None:
    """Report every property that is neither known nor a mere note."""
    for other in others:
        if other.key not in ANNOTATIONS:
            report(other.path, "property", other.key, None)


def _atom(constraint: Constraint, keys: tuple[str, ...], report: Report) -> Node:
    operand = OPERANDS.get(constraint.left_operand)
    if operand is None:
        report(f"{constraint.path}.leftOperand", "leftOperand", constraint.left_operand, sorted(OPERANDS))
    if constraint.operator not in OPERATORS:
        report(f"{constraint.path}.operator", "operator", constraint.operator, list(OPERATORS))
        return Never()
    if operand is None:
        return Never()
    if any(value.datatype == REFERENCE for value in constraint.right):
        named = [value.text for value in constraint.right]
        report(f"{constraint.path}.rightOperandReference", "reference", named, ["rightOperand"])
        return Never()
    try:
        test = build(operand, constraint)
    except NotUnderstoodError as problem:
        report(f"{constraint.path}.{problem.part}", problem.part, problem.value, problem.expected)
        return Never()
    return Atom(
        constraint.path,
        constraint.left_operand,
        constraint.operator,
        expected(constraint),
        keys,
        operand.read,
        test,
        operand.show,
    )
