"""The transfer process of the Dataspace Protocol 2025-1, as a pure state machine.

Source: the protocol's state figure. REQUESTED may be started only by the provider; once started, either side
may suspend, complete or terminate, and either side may resume what is suspended.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from contracts.machine import Machine, Role

__all__ = ["MACHINE", "Role", "State", "allowed", "message", "terminal", "transition"]


class State(StrEnum):
    """The five states of a TransferProcess."""

    REQUESTED = "REQUESTED"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"


def _steps(consumer: set[State], provider: set[State]) -> MappingProxyType[Role, frozenset[State]]:
    return MappingProxyType({Role.CONSUMER: frozenset(consumer), Role.PROVIDER: frozenset(provider)})


_RUNNING = {State.COMPLETED, State.SUSPENDED, State.TERMINATED}
_HALTED = {State.STARTED, State.TERMINATED}

MACHINE = Machine(
    process_en="transfer process",
    process_zh="传输流程",
    states=State,
    steps=MappingProxyType(
        {
            None: _steps(consumer={State.REQUESTED}, provider=set()),
            State.REQUESTED: _steps(consumer={State.TERMINATED}, provider={State.STARTED, State.TERMINATED}),
            State.STARTED: _steps(consumer=_RUNNING, provider=_RUNNING),
            State.SUSPENDED: _steps(consumer=_HALTED, provider=_HALTED),
            State.COMPLETED: _steps(consumer=set(), provider=set()),
            State.TERMINATED: _steps(consumer=set(), provider=set()),
        }
    ),
)

# The message that carries a process into each state (binding of the protocol over HTTPS).
_MESSAGES = MappingProxyType(
    {
        State.REQUESTED: "TransferRequestMessage",
        State.STARTED: "TransferStartMessage",
        State.SUSPENDED: "TransferSuspensionMessage",
        State.COMPLETED: "TransferCompletionMessage",
        State.TERMINATED: "TransferTerminationMessage",
    }
)


def allowed(state: State | None, role: Role) -> frozenset[State]:
    """The states into which `role` may move a transfer that stands in `state` (None: not begun)."""
    return MACHINE.allowed(state, role)


def transition(state: State | None, to: State, role: Role) -> State:
    """Return `to` when `role` may take that step, else raise IllegalTransitionError."""
    return MACHINE.transition(state, to, role)


def terminal(state: State) -> bool:
    """Whether the transfer has ended: COMPLETED or TERMINATED."""
    return MACHINE.terminal(state)


def message(to: State) -> str:
    """The `@type` of the protocol message that announces the step into `to`."""
    return _MESSAGES[to]
