"""What is written out validates against the JSON Schemas of the Dataspace Protocol 2025-1, and its examples are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT201909

from contracts.odrl import parse, templates, unknowns

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
NEGOTIATION = "https://w3id.org/dspace/2025/1/negotiation"
CONTRACT = f"{NEGOTIATION}/contract-schema.json#/definitions"
PARAMETERS = {
    "internal-use": {},
    "n-times": {"count": 3},
    "until-date": {"date": "2026-12-31"},
    "duration": {"days": 30},
    "purpose": {"purposes": ["research"]},
    "purpose-and-count": {"purposes": ["research", "audit"], "count": 3},
    "no-onward-transfer": {},
    "delete-after": {"days": 30},
}


@pytest.fixture(scope="module")
def validate(vectors: Path) -> Callable[[str, Any], None]:
    """`validate(reference, document)` raises ValidationError unless the document fits the schema."""
    registry: Registry[Any] = Registry()
    for path in (vectors / "dsp-2025-1").rglob("*-schema.json"):
        # Three schemas refer to `transfer-schema.json#definitions/…`, which lacks a slash.
        schema = json.loads(path.read_text(encoding="utf-8").replace("#definitions", "#/definitions"))
        registry = registry.with_resource(schema["$id"], DRAFT201909.create_resource(schema))

    def check(reference: str, document: Any) -> None:
        Draft201909Validator({"$ref": reference}, registry=registry).validate(document)

    return check


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_offer_of_each_template_fits_the_catalogue_and_the_messages(validate, name):
    offer = parse(templates.build(name, **PARAMETERS[name]))
    in_catalogue = offer.as_offer().to_json()
    validate(f"{CONTRACT}/Offer", in_catalogue)
    dataset = {
        "@context": CONTEXT,
        "@id": "urn:x:data",
        "@type": "Dataset",
        "hasPolicy": [in_catalogue],
        "distribution": [{"@type": "Distribution", "format": "HttpData-PULL", "accessService": "urn:x:service"}],
    }
    validate("https://w3id.org/dspace/2025/1/catalog/dataset-schema.json", dataset)
    message = {"@context": CONTEXT, "consumerPid": "urn:x:c", "offer": offer.as_offer(target="urn:x:data").to_json()}
    request = message | {"@type": "ContractRequestMessage", "callbackAddress": "https://example.com"}
    validate(f"{NEGOTIATION}/contract-request-message-schema.json", request)
    offered = message | {"@type": "ContractOfferMessage", "providerPid": "urn:x:p"}
    validate(f"{NEGOTIATION}/contract-offer-message-schema.json", offered)


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_agreement_of_each_template_fits_its_message(validate, name):
    agreement = parse(templates.build(name, **PARAMETERS[name])).as_agreement(
        uid="urn:x:agreement",
        assigner="urn:x:seller",
        assignee="urn:x:buyer",
        target="urn:x:data",
        timestamp="2026-01-01T00:00:00Z",
    )
    message = {
        "@context": CONTEXT,
        "@type": "ContractAgreementMessage",
        "providerPid": "urn:x:p",
        "consumerPid": "urn:x:c",
        "agreement": agreement.to_json(),
    }
    validate(f"{NEGOTIATION}/contract-agreement-message-schema.json", message)
    with pytest.raises(ValidationError):
        validate(f"{NEGOTIATION}/contract-agreement-message-schema.json", message | {"agreement": {}})


def test_numbers_refinements_and_logic_are_written_as_the_schema_asks(validate):
    limit = {"leftOperand": "count", "operator": "lteq", "rightOperand": 5}
    condition = {
        "odrl:xone": [limit, {"and": {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["a"]}}]
    }
    policy = parse({"@id": "urn:x", "@type": "Offer", "permission": {"action": "odrl:use", "constraint": condition}})
    with pytest.raises(ValidationError):
        validate(f"{CONTRACT}/Constraint", limit)
    validate(f"{CONTRACT}/Offer", policy.to_json())


def _policies(document: Any) -> list[dict[str, Any]]:
    """Every policy in an example, wherever it stands."""
    found = []
    if isinstance(document, dict):
        if document.get("@type") in {"Offer", "Agreement"}:
            found.append(document)
        for value in document.values():
            found += _policies(value)
    elif isinstance(document, list):
        for value in document:
            found += _policies(value)
    return found


def test_the_examples_of_the_protocol_are_read_and_written_back_valid(validate, vectors):
    seen = 0
    for path in sorted((vectors / "dsp-2025-1").rglob("example/*.json")):
        for document in _policies(json.loads(path.read_text(encoding="utf-8"))):
            policy = parse(document)
            assert parse(policy.to_json()) == policy
            assert policy.to_json() == document
            kind = "Agreement" if policy.type == "Agreement" else "MessageOffer"
            validate(f"{CONTRACT}/{kind}", policy.to_json())
            seen += 1
    assert seen >= 5


def test_the_protocols_full_example_is_refused_for_its_made_up_operands_and_profile(ask, vectors):
    path = vectors / "dsp-2025-1/negotiation/example/contract-agreement-message-full.json"
    policy = parse(json.loads(path.read_text(encoding="utf-8"))["agreement"])
    assert {problem.actual for problem in unknowns(policy)} == {
        "https://test.com/profile",
        "partner",
        "constraint1",
        "constraint2",
    }
    decision = ask(policy, assignee=policy.assignee, target=policy.target)
    assert not decision.permitted
