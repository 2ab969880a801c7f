"""The transfer process of the Dataspace Protocol 2025-1: every pair of states, for both roles."""

from __future__ import annotations

import itertools

import pytest

from contracts.errors import IllegalTransitionError
from contracts.transfer import Role, State, allowed, message, terminal, transition

C, P = Role.CONSUMER, Role.PROVIDER

# Written out from the protocol's figure, independent of the code: (from, to) and who may send it.
LEGAL: dict[tuple[State | None, State], set[Role]] = {
    (None, State.REQUESTED): {C},
    (State.REQUESTED, State.STARTED): {P},
    (State.REQUESTED, State.TERMINATED): {C, P},
    (State.STARTED, State.COMPLETED): {C, P},
    (State.STARTED, State.SUSPENDED): {C, P},
    (State.STARTED, State.TERMINATED): {C, P},
    (State.SUSPENDED, State.STARTED): {C, P},
    (State.SUSPENDED, State.TERMINATED): {C, P},
}
PAIRS = list(itertools.product([None, *State], State, Role))


@pytest.mark.parametrize(("state", "to", "role"), PAIRS)
def test_every_pair_of_states_is_legal_exactly_when_the_figure_says_so(state, to, role):
    if role in LEGAL.get((state, to), set()):
        assert transition(state, to, role) is to
        assert to in allowed(state, role)
    else:
        with pytest.raises(IllegalTransitionError) as refusal:
            transition(state, to, role)
        assert (refusal.value.state, refusal.value.to, refusal.value.role) == (state, to, role)
        assert refusal.value.allowed == allowed(state, role)
        assert to not in refusal.value.allowed


def test_the_table_above_covers_all_pairs():
    assert len(PAIRS) == 6 * 5 * 2
    assert sum(len(roles) for roles in LEGAL.values()) == 14


@pytest.mark.parametrize("state", State)
def test_only_completed_and_terminated_are_final(state):
    assert terminal(state) is (state in {State.COMPLETED, State.TERMINATED})


def test_a_refusal_names_the_process_and_what_is_allowed():
    with pytest.raises(IllegalTransitionError) as refusal:
        transition(State.REQUESTED, State.STARTED, Role.CONSUMER)
    assert refusal.value.text("en") == (
        "The consumer cannot move a transfer process in state REQUESTED to STARTED. "
        "The consumer may now move it to TERMINATED."
    )
    assert refusal.value.text("zh") == (
        "使用方不能将处于 REQUESTED 状态的传输流程变为 STARTED。使用方此时只能将其变为 TERMINATED。"
    )


def test_a_word_that_is_no_state_is_refused():
    with pytest.raises(IllegalTransitionError):
        transition(State.STARTED, "PAUSED", Role.PROVIDER)


def test_every_state_has_its_message():
    assert [message(state) for state in State] == [
        "TransferRequestMessage",
        "TransferStartMessage",
        "TransferSuspensionMessage",
        "TransferCompletionMessage",
        "TransferTerminationMessage",
    ]
