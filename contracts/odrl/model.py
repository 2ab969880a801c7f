"""The ODRL 2.2 information model as frozen values.

Source: W3C, ODRL Information Model 2.2. A value keeps what the document said, known or not: a term that is
not understood stays in its place, and a property that has no place here is kept in `others`, so that
writing the policy out again loses nothing. What is not known is found, named and denied by
`contracts.odrl.compiler`.

`path` is where a part stood in the document it was read from; it names the part in every reason. It takes
no part in equality.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

JSON: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

# The datatype of a right operand that is neither a string, a number, a typed value nor a reference. It is
# kept as the JSON text it had.
OPAQUE = "json"

# The datatype of a right operand that is named by its address and would have to be fetched first.
REFERENCE = "@reference"


def _path() -> Any:
    return field(default="", compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Other:
    """A property that the model has no place for, kept as the JSON text it had."""

    key: str
    text: str
    path: str = _path()

    @property
    def value(self) -> JSON:
        value: JSON = json.loads(self.text)
        return value


@dataclass(frozen=True, slots=True)
class Value:
    """One right operand: its characters and its type ("" for a plain string, "@id" for a reference)."""

    text: str
    datatype: str = ""


@dataclass(frozen=True, slots=True)
class Constraint:
    """`left_operand operator right_operand`. `many` says that the right operand was written as a list."""

    left_operand: str
    operator: str
    right: tuple[Value, ...]
    many: bool = False
    unit: str | None = None
    uid: str | None = None
    others: tuple[Other, ...] = ()
    path: str = _path()


@dataclass(frozen=True, slots=True)
class LogicalConstraint:
    """`and`, `or`, `xone` or `andSequence` over constraints, which may be logical again."""

    operator: str
    operands: tuple[Condition, ...]
    uid: str | None = None
    others: tuple[Other, ...] = ()
    path: str = _path()


Condition: TypeAlias = Constraint | LogicalConstraint


@dataclass(frozen=True, slots=True)
class Collection:
    """A group of assets or of parties, narrowed by refinements, all of which must hold.

    `kind` is `AssetCollection` or `PartyCollection`. `uid` names the group itself, `source` the group that a
    refined one is taken from. Who or what belongs to it is a fact of the world.
    """

    kind: str
    uid: str | None = None
    source: str | None = None
    refinements: tuple[Condition, ...] = ()
    others: tuple[Other, ...] = ()
    path: str = _path()

    @property
    def name(self) -> str:
        """What the group is called where it has to be named: its source, else its uid, else its kind."""
        return self.source or self.uid or self.kind


Member: TypeAlias = str | Collection


@dataclass(frozen=True, slots=True)
class Action:
    """What is done with the data, narrowed by refinements, all of which must hold."""

    name: str
    refinements: tuple[Condition, ...] = ()
    others: tuple[Other, ...] = ()
    path: str = _path()


@dataclass(frozen=True, slots=True)
class Rule:
    """What permissions, prohibitions and duties share.

    An empty `targets` or `assignees` leaves it to the policy. Each member is one asset or party, or a group.
    """

    action: Action
    constraints: tuple[Condition, ...] = ()
    targets: tuple[Member, ...] = ()
    assigners: tuple[Member, ...] = ()
    assignees: tuple[Member, ...] = ()
    uid: str | None = None
    others: tuple[Other, ...] = ()
    path: str = _path()


@dataclass(frozen=True, slots=True)
class Duty(Rule):
    """Something that must be done; `consequences` become due as well when it is not."""

    parties: tuple[tuple[str, str], ...] = ()
    consequences: tuple[Duty, ...] = ()


@dataclass(frozen=True, slots=True)
class Permission(Rule):
    """Something that may be done, on condition of its duties."""

    duties: tuple[Duty, ...] = ()


@dataclass(frozen=True, slots=True)
class Prohibition(Rule):
    """Something that must not be done; `remedies` become due when it was done all the same."""

    remedies: tuple[Duty, ...] = ()


@dataclass(frozen=True)
class Policy:
    """A Set, an Offer or an Agreement.

    `conflict` is None when the document does not say, which means `invalid`. `inherits` names the parents whose
    rules are still missing here; `contracts.odrl.inheritance` adds them.
    """

    uid: str
    type: str = "Set"
    permissions: tuple[Permission, ...] = ()
    prohibitions: tuple[Prohibition, ...] = ()
    obligations: tuple[Duty, ...] = ()
    conflict: str | None = None
    assigner: str | None = None
    assignee: str | None = None
    target: str | None = None
    timestamp: str | None = None
    profiles: tuple[str, ...] = ()
    inherits: tuple[str, ...] = ()
    others: tuple[Other, ...] = ()

    # The compiled form, made by the first decision. It is derived from the fields above and not a part of
    # the value.
    _compiled: Any = field(default=None, init=False, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The policy as a JSON object in the profile of the Dataspace Protocol.

        `parse` reads it back unchanged.
        """
        from contracts.odrl.dump import dump

        return dump(self)

    def to_jsonld(self) -> dict[str, Any]:
        """The policy as a JSON-LD document under ODRL's own context, for readers that process JSON-LD."""
        from contracts.odrl.dump import dump_jsonld

        return dump_jsonld(self)

    def as_offer(self, *, uid: str | None = None, assigner: str | None = None, target: str | None = None) -> Policy:
        """The same rules as an Offer. In a catalogue an offer carries no target; in a message it does."""
        return replace(
            self,
            uid=uid or self.uid,
            type="Offer",
            assigner=assigner or self.assigner,
            assignee=None,
            target=target,
            timestamp=None,
        )

    def as_agreement(
        self, *, uid: str, assigner: str, assignee: str, target: str, timestamp: str | None = None
    ) -> Policy:
        """The same rules as an Agreement between two parties over one dataset."""
        return replace(
            self,
            uid=uid,
            type="Agreement",
            assigner=assigner,
            assignee=assignee,
            target=target,
            timestamp=timestamp,
        )

    def __getstate__(self) -> Mapping[str, Any]:
        # A copy or a pickle carries the value alone; the compiled form is made again where it is needed.
        return {**self.__dict__, "_compiled": None}
