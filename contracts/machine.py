"""The shape that both state machines of the Dataspace Protocol share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from contracts.errors import IllegalTransitionError


class Role(StrEnum):
    """The side that takes a step. Each participant plays one of them per process."""

    CONSUMER = "consumer"
    PROVIDER = "provider"

    @property
    def other(self) -> Role:
        return Role.PROVIDER if self is Role.CONSUMER else Role.CONSUMER


S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Machine(Generic[S]):
    """A finite table of steps: from a state (None before the first message), by a role, to these states."""

    process_en: str
    process_zh: str
    states: type[S]
    steps: Mapping[S | None, Mapping[Role, frozenset[S]]]

    def allowed(self, state: S | None, role: Role) -> frozenset[S]:
        """The states into which `role` may move a process in `state`. Empty for anything unknown."""
        return self.steps.get(state, {}).get(role, frozenset())

    def transition(self, state: S | None, to: S, role: Role) -> S:
        """Return `to`, or raise IllegalTransitionError that names what would be allowed instead.

        `to` may be the plain word of a message; a word that is no state is refused like an illegal step.
        """
        allowed = self.allowed(state, role)
        if to not in allowed:
            raise IllegalTransitionError(
                state, to, role, allowed, process_en=self.process_en, process_zh=self.process_zh
            )
        return self.states(to)

    def terminal(self, state: S) -> bool:
        """Whether no side may take another step from `state`."""
        return not any(self.steps.get(state, {}).values())
