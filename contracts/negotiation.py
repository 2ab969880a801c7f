"""The contract negotiation of the Dataspace Protocol 2025-1, as a pure state machine.

Source: the protocol's state figure and its section on contract negotiation. The figure lets only one side
terminate in some states, the prose lets either side terminate in any state; the wider prose is followed,
except that FINALIZED and TERMINATED are final.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from contracts.machine import Machine, Role

__all__ = ["MACHINE", "Role", "State", "allowed", "message", "terminal", "transition"]


class State(StrEnum):
    """The seven states of a ContractNegotiation."""

    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"


def _steps(consumer: set[State], provider: set[State]) -> MappingProxyType[Role, frozenset[State]]:
    return MappingProxyType({Role.CONSUMER: frozenset(consumer), Role.PROVIDER: frozenset(provider)})


MACHINE = Machine(
    process_en="contract negotiation",
    process_zh="合同协商",
    states=State,
    steps=MappingProxyType(
        {
            None: _steps(consumer={State.REQUESTED}, provider={State.OFFERED}),
            State.REQUESTED: _steps(
                consumer={State.TERMINATED},
                provider={State.OFFERED, State.AGREED, State.TERMINATED},
            ),
            State.OFFERED: _steps(
                consumer={State.REQUESTED, State.ACCEPTED, State.TERMINATED},
                provider={State.TERMINATED},
            ),
            State.ACCEPTED: _steps(consumer={State.TERMINATED}, provider={State.AGREED, State.TERMINATED}),
            State.AGREED: _steps(consumer={State.VERIFIED, State.TERMINATED}, provider={State.TERMINATED}),
            State.VERIFIED: _steps(consumer={State.TERMINATED}, provider={State.FINALIZED, State.TERMINATED}),
            State.FINALIZED: _steps(consumer=set(), provider=set()),
            State.TERMINATED: _steps(consumer=set(), provider=set()),
        }
    ),
)

# The message that carries a process into each state (binding of the protocol over HTTPS).
_MESSAGES = MappingProxyType(
    {
        State.REQUESTED: "ContractRequestMessage",
        State.OFFERED: "ContractOfferMessage",
        State.ACCEPTED: "ContractNegotiationEventMessage",
        State.AGREED: "ContractAgreementMessage",
        State.VERIFIED: "ContractAgreementVerificationMessage",
        State.FINALIZED: "ContractNegotiationEventMessage",
        State.TERMINATED: "ContractNegotiationTerminationMessage",
    }
)


def allowed(state: State | None, role: Role) -> frozenset[State]:
    """The states into which `role` may move a negotiation that stands in `state` (None: not begun)."""
    return MACHINE.allowed(state, role)


def transition(state: State | None, to: State, role: Role) -> State:
    """Return `to` when `role` may take that step, else raise IllegalTransitionError."""
    return MACHINE.transition(state, to, role)


def terminal(state: State) -> bool:
    """Whether the negotiation has ended: FINALIZED or TERMINATED."""
    return MACHINE.terminal(state)


def message(to: State) -> str:
    """The `@type` of the protocol message that announces the step into `to`."""
    return _MESSAGES[to]
