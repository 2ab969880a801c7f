"""The contract negotiation of the Dataspace Protocol 2025-1: every pair of states, for both roles."""

from __future__ import annotations

import itertools

import pytest

from contracts.errors import ContractsError, IllegalTransitionError
from contracts.negotiation import Role, State, allowed, message, terminal, transition

C, P = Role.CONSUMER, Role.PROVIDER

# Written out from the protocol's figure, independent of the code: (from, to) and who may send it.
LEGAL: dict[tuple[State | None, State], set[Role]] = {
    (None, State.REQUESTED): {C},
    (None, State.OFFERED): {P},
    (State.REQUESTED, State.OFFERED): {P},
    (State.REQUESTED, State.AGREED): {P},
    (State.REQUESTED, State.TERMINATED): {C, P},
    (State.OFFERED, State.REQUESTED): {C},
    (State.OFFERED, State.ACCEPTED): {C},
    (State.OFFERED, State.TERMINATED): {C, P},
    (State.ACCEPTED, State.AGREED): {P},
    (State.ACCEPTED, State.TERMINATED): {C, P},
    (State.AGREED, State.VERIFIED): {C},
    (State.AGREED, State.TERMINATED): {C, P},
    (State.VERIFIED, State.FINALIZED): {P},
    (State.VERIFIED, State.TERMINATED): {C, P},
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
    assert len(PAIRS) == 8 * 7 * 2
    assert sum(len(roles) for roles in LEGAL.values()) == 19


@pytest.mark.parametrize("state", State)
def test_only_finalized_and_terminated_are_final(state):
    assert terminal(state) is (state in {State.FINALIZED, State.TERMINATED})


def test_a_refusal_names_what_is_allowed_in_both_languages():
    with pytest.raises(IllegalTransitionError) as refusal:
        transition(State.OFFERED, State.VERIFIED, Role.CONSUMER)
    assert refusal.value.text("en") == (
        "The consumer cannot move a contract negotiation in state OFFERED to VERIFIED. "
        "The consumer may now move it to ACCEPTED or REQUESTED or TERMINATED."
    )
    assert refusal.value.text("zh") == (
        "使用方不能将处于 OFFERED 状态的合同协商变为 VERIFIED。"
        "使用方此时只能将其变为 ACCEPTED 或 REQUESTED 或 TERMINATED。"
    )


def test_a_refusal_before_the_first_message_and_after_the_last_says_so():
    with pytest.raises(IllegalTransitionError, match="that has not begun to AGREED"):
        transition(None, State.AGREED, Role.PROVIDER)
    with pytest.raises(IllegalTransitionError, match="can take no step here"):
        transition(State.FINALIZED, State.TERMINATED, Role.PROVIDER)


@pytest.mark.parametrize("word", ["", "agreed", "DELETED", "https://w3id.org/dspace/2025/1/AGREED"])
def test_a_word_that_is_no_state_is_refused_by_the_same_error(word):
    with pytest.raises(IllegalTransitionError):
        transition(State.REQUESTED, word, Role.PROVIDER)
    assert allowed(word, Role.PROVIDER) == frozenset()
    assert allowed(State.REQUESTED, "operator") == frozenset()


def test_the_plain_words_of_a_message_are_understood():
    assert transition("REQUESTED", "AGREED", "provider") is State.AGREED


def test_every_state_has_its_message():
    assert {message(state) for state in State} == {
        "ContractRequestMessage",
        "ContractOfferMessage",
        "ContractNegotiationEventMessage",
        "ContractAgreementMessage",
        "ContractAgreementVerificationMessage",
        "ContractNegotiationTerminationMessage",
    }


def test_the_refusal_is_an_error_of_the_package_and_the_other_role_is_the_counterpart():
    assert issubclass(IllegalTransitionError, ContractsError)
    assert Role.CONSUMER.other is Role.PROVIDER
    assert Role.PROVIDER.other is Role.CONSUMER
