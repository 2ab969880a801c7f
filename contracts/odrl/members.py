"""Who and what a rule speaks of: single assets and parties, and groups of them.

Three-valued throughout: True, False, or None where it is not known whether somebody belongs to a group. A permission
takes None as "not meant", a prohibition as "meant".
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.odrl.conditions import Node, Report, compile_all, report_others
from contracts.odrl.decision import Reason, Request, World
from contracts.odrl.model import Collection, Member
from contracts.odrl.operators import any_of, lies_in


@dataclass(frozen=True, slots=True)
class Group:
    """A group of assets or parties with its refinements read. Without `names` it is all that fits the refinements."""

    path: str
    name: str
    names: tuple[str, ...]
    condition: Node | None

    def belongs(self, member: str, world: World) -> bool | None:
        """Whether somebody or something is the group itself or is known to be a part of it."""
        if not self.names:
            return True
        return any_of([lies_in(member, name, None, world) for name in self.names])

    def decide(self, member: str, request: Request, world: World) -> bool | None:
        """Whether it belongs to the group and fits all refinements."""
        found = self.belongs(member, world)
        if found is False or self.condition is None:
            return found
        fits = self.condition.decide(request, world)
        return fits if found or fits is False else None


@dataclass(frozen=True, slots=True)
class Meant:
    """The parties or the assets of one rule."""

    words: frozenset[str]
    groups: tuple[Group, ...]

    def decide(self, member: str, request: Request, world: World) -> bool | None:
        """Whether the rule means this party or asset."""
        if member in self.words:
            return True
        return any_of([group.decide(member, request, world) for group in self.groups])

    def named(self) -> list[str]:
        """The names of all of them, in order."""
        return sorted({*self.words, *(group.name for group in self.groups)})

    def explain(self, kind: str, member: str, request: Request, world: World, rule: str) -> list[Reason]:
        """Why it cannot be told whether a group means this party or asset, or which refinement it does not fit."""
        reasons: list[Reason] = []
        for group in self.groups:
            found = group.belongs(member, world)
            if found is None:
                reasons.append(Reason("member", rule, group.path, kind, "isPartOf", group.name, member))
            if found is not False and group.condition is not None:
                reasons += group.condition.explain(request, world, rule)
        return reasons


def compile_members(
    members: tuple[Member, ...], shared: str | None, keys: tuple[str, ...], report: Report
) -> Meant | None:
    """The parties or assets of a rule, those of the policy where it names none; None where anyone or anything is meant."""
    if not members:
        return None if shared is None else Meant(frozenset({shared}), ())
    words = frozenset(member for member in members if isinstance(member, str))
    groups = tuple(_group(member, keys, report) for member in members if isinstance(member, Collection))
    return Meant(words, groups)


def _group(collection: Collection, keys: tuple[str, ...], report: Report) -> Group:
    report_others(collection.others, report)
    names = tuple(name for name in (collection.uid, collection.source) if name is not None)
    if not names and not collection.refinements:
        report(collection.path, "collection", collection.kind, ["source"])
    condition = compile_all(collection.refinements, keys, collection.path, report)
    return Group(collection.path, collection.name, names, condition)
