"""Policies in the profile of the Dataspace Protocol: valid against its schemas, read without JSON-LD, decided alike."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema.exceptions import ValidationError

from contracts.errors import PolicyError
from contracts.odrl import evaluate, parse
from contracts.odrl.dsp import CONTEXT, Message, read_message, write_message, write_policy
from tests.contracts.odrl.test_dsp_schemas import CONTRACT, NEGOTIATION, validate  # noqa: F401 - a fixture.
from tests.contracts.odrl.test_round_trips import grouped, members, requests

SCHEMAS = {
    "ContractRequestMessage": "contract-request-message-schema.json",
    "ContractOfferMessage": "contract-offer-message-schema.json",
    "ContractAgreementMessage": "contract-agreement-message-schema.json",
}
OFFER = parse({"@id": "urn:x:offer", "@type": "Offer", "target": "urn:x:data", "permission": [{"action": "use"}]})
AGREEMENT = OFFER.as_agreement(
    uid="urn:x:a", assigner="urn:x:p", assignee="urn:x:c", target="urn:x:data", timestamp="2026-01-01T00:00:00Z"
)
BOTH = {"consumer_pid": "urn:x:c", "provider_pid": "urn:x:p"}
MESSAGES = [
    Message("ContractRequestMessage", OFFER, consumer_pid="urn:x:c", callback_address="https://example.com/"),
    Message("ContractRequestMessage", OFFER, **BOTH),
    Message("ContractOfferMessage", OFFER, provider_pid="urn:x:p", callback_address="https://example.com/"),
    Message("ContractOfferMessage", OFFER, **BOTH),
    Message("ContractAgreementMessage", AGREEMENT, **BOTH),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_with_a_policy_fits_its_schema_and_is_read_back(validate, message):  # noqa: F811 - the fixture.
    document = write_message(message)
    validate(f"{NEGOTIATION}/{SCHEMAS[message.kind]}", document)
    assert read_message(json.loads(json.dumps(document))) == message


@given(document=grouped, request=requests, world=members)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_policy_is_valid_in_the_profile_and_decided_alike(validate, document, request, world):  # noqa: F811
    policy = parse(document | {"@type": "Offer"})
    if not policy.permissions and not policy.prohibitions:
        return
    written = write_policy(policy)
    validate(f"{CONTRACT}/Offer", written)
    assert evaluate(parse(written), request, world).permitted is evaluate(policy, request, world).permitted


def test_a_refined_action_becomes_a_word_and_decides_alike(validate, ask):  # noqa: F811 - the fixture.
    refined = {"@id": "use", "refinement": [{"leftOperand": "purpose", "operator": "eq", "rightOperand": "research"}]}
    policy = parse({"@id": "urn:x", "@type": "Offer", "permission": [{"action": refined}]})
    with pytest.raises(ValidationError):
        validate(f"{CONTRACT}/Offer", policy.to_json())
    written = write_policy(policy)
    validate(f"{CONTRACT}/Offer", written)
    for purpose in ("research", "marketing"):
        assert ask(parse(written), purpose=purpose).permitted is ask(policy, purpose=purpose).permitted


@pytest.mark.parametrize(
    ("policy", "where"),
    [
        (parse({"@id": "urn:x", "permission": [{"action": "use"}]}), "$.@type"),
        (parse({"@id": "urn:x", "@type": "Offer"}), "$"),
        (replace(OFFER, inherits=("urn:x:parent",)), "$.inheritFrom"),
        (replace(AGREEMENT, assignee=None), "$.assignee"),
    ],
)
def test_what_the_profile_has_no_place_for_is_refused_with_its_path(policy, where):
    with pytest.raises(PolicyError) as refusal:
        write_policy(policy)
    assert refusal.value.path == where


@pytest.mark.parametrize(
    ("message", "where"),
    [
        (Message("ContractRequestMessage", OFFER, consumer_pid="urn:x:c"), "$.providerPid"),
        (replace(MESSAGES[1], callback_address="https://example.com"), "$.providerPid"),
        (Message("ContractOfferMessage", OFFER, consumer_pid="urn:x:c"), "$.providerPid"),
        (Message("ContractAgreementMessage", AGREEMENT, consumer_pid="urn:x:c"), "$.providerPid"),
        (replace(MESSAGES[1], policy=replace(OFFER, target=None)), "$.offer.target"),
        (replace(MESSAGES[4], policy=replace(AGREEMENT, timestamp=None)), "$.agreement.timestamp"),
    ],
)
def test_a_message_that_lacks_something_is_not_written(message, where):
    with pytest.raises(PolicyError) as refusal:
        write_message(message)
    assert refusal.value.path == where


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"@type": "ContractNegotiation"}, "$.@type"),
        ({"@context": ["https://example.org/c"]}, "$['@context']"),
        ({"@context": [CONTEXT, {"use": "https://example.org/steal"}]}, "$['@context']"),
        ({"consumerPid": 5}, "$.consumerPid"),
        ({"callbackAddress": "https://example.com"}, "$.providerPid"),
        ({"offer": None}, "$.offer"),
        ({"offer": AGREEMENT.to_json()}, "$.offer.@type"),
        ({"offer": OFFER.as_offer().to_json()}, "$.offer.target"),
    ],
)
def test_a_message_that_is_malformed_is_refused_with_its_path(change, where):
    with pytest.raises(PolicyError) as refusal:
        read_message(write_message(MESSAGES[1]) | change)
    assert refusal.value.path == where


def test_the_protocols_own_examples_are_read(vectors):
    kinds = []
    for path in sorted((vectors / "dsp-2025-1/negotiation/example").glob("contract-*-message*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["@type"] in SCHEMAS:
            kinds.append(read_message(document).kind)
    assert len(kinds) == 6
    assert set(kinds) == set(SCHEMAS)
