"""A plan goes into a data contract of ODCS v3 and comes out the same; contracts of others are read carefully."""

import copy
import json

import jsonschema
import pyarrow as pa
import pytest

from contracts.desensitization.finding import Finding
from contracts.desensitization.kinds import KINDS
from contracts.desensitization.odcs import from_odcs, to_odcs
from contracts.desensitization.plan import ColumnRule, Plan, RowFilter
from contracts.errors import PlanError

SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
        ("phone", pa.string()),
        ("serial", pa.dictionary(pa.int32(), pa.string())),
        ("price", pa.decimal128(12, 2)),
        ("tags", pa.list_(pa.string())),
    ]
)
PLAN = Plan(
    (
        ColumnRule("time", "generalize", {"unit": "hour"}),
        ColumnRule("phone", "tokenize", {"keep_first": 3}, reason="mobile_phone"),
        ColumnRule("serial", "pseudonymize", {"algorithm": "hmac-sha256"}, "group:chain"),
        ColumnRule("price", "generalize", {"ranges": [10, 50.5]}),
        ColumnRule("tags", "keep", {"exact": True}),
    ),
    (RowFilter("phone", "neq", "x"),),
)
FINDINGS = [
    Finding("phone", kind, KINDS[kind].category, 0.9, 1, 1, "shown", "可见")
    for kind in ("machine_serial", "mobile_phone")
]
# The parts of odcs-json-schema-v3.1.0.json that a contract of ours uses, with their closed member lists.
CUSTOM = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "property": {"type": "string"},
            "value": {},
            "description": {"type": "string"},
        },
        "additionalProperties": False,
    },
}
ELEMENT = {
    "id": {"type": "string"}, "name": {"type": "string"}, "physicalType": {"type": "string"}, "physicalName": {"type": "string"},
    "description": {"type": "string"}, "businessName": {"type": "string"}, "tags": {"type": "array"}, "customProperties": CUSTOM,
}  # fmt: skip
PROPERTY = {
    **ELEMENT,
    "logicalType": {"enum": ["string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"]},
    "required": {"type": "boolean"}, "unique": {"type": "boolean"}, "classification": {"type": "string"},
    "encryptedName": {"type": "string"}, "transformLogic": {"type": "string"}, "transformDescription": {"type": "string"},
}  # fmt: skip
CONTRACT = {
    "type": "object",
    "properties": {
        "version": {"type": "string"}, "kind": {"enum": ["DataContract"]}, "apiVersion": {"enum": ["v3.1.0"]},
        "id": {"type": "string"}, "name": {"type": "string"}, "status": {"type": "string"},
        "schema": {"type": "array", "items": {
            "type": "object", "required": ["name"], "additionalProperties": False,
            "properties": {**ELEMENT, "logicalType": {"enum": ["object"]}, "properties": {"type": "array", "items": {
                "type": "object", "required": ["name"], "properties": PROPERTY, "additionalProperties": False}}},
        }},
    },
    "required": ["version", "apiVersion", "kind", "id", "status"],
    "additionalProperties": False,
}  # fmt: skip


def contract() -> dict:
    return to_odcs(PLAN, SCHEMA, contract_id="urn:uuid:1", name="press", findings=FINDINGS)


def test_a_plan_comes_back_from_its_contract_with_the_same_digest() -> None:
    document = json.loads(json.dumps(contract()))
    jsonschema.validate(document, CONTRACT)
    again = from_odcs(document, SCHEMA)
    assert again == PLAN
    assert again.digest() == PLAN.digest()
    phone = document["schema"][0]["properties"][1]
    assert phone["classification"] == "direct"
    assert "token of the same form" in phone["transformDescription"]
    types = [item["logicalType"] for item in document["schema"][0]["properties"]]
    assert types == ["timestamp", "string", "string", "number", "array"]


def foreign(**members: object) -> dict:
    properties = [{"name": name, **members.get(name, {})} for name in SCHEMA.names]  # type: ignore[dict-item]
    return {
        "apiVersion": "v3.0.2", "kind": "DataContract", "id": "x", "version": "1", "status": "active",
        "schema": [{"name": "other", "properties": []}, {"name": "press", "properties": properties}],
    }  # fmt: skip


def test_a_contract_of_another_tool_is_read_by_its_classification_and_by_what_was_found() -> None:
    document = foreign(
        time={"classification": "public"}, price={"classification": "Confidential"}, tags={"encryptedName": "tags_enc"}
    )
    plan = from_odcs(document, SCHEMA, name="press", findings=FINDINGS, grade=3)
    assert {rule.column: rule.method for rule in plan.columns} == {
        "time": "generalize", "phone": "suppress", "serial": "keep", "price": "suppress", "tags": "suppress",
    }  # fmt: skip
    rule = plan.rule("price")
    assert rule is not None
    assert rule.reason == "Confidential"


def broken() -> list[object]:
    documents: list[object] = [
        None,
        [],
        {},
        {"kind": "DataContract"},
        foreign(),
        {**contract(), "apiVersion": "v2.2.2"},
    ]
    for path, value in (
        (("schema",), {}),
        (("schema", 0, "properties"), [1]),
        (("schema", 0, "properties", 0, "name"), None),
        (("schema", 0, "properties", 0, "name"), "ghost"),
        (("schema", 0, "properties", 0, "customProperties"), {}),
        (("schema", 0, "properties", 0, "customProperties", 0, "value"), "mask"),
        (("schema", 0, "properties", 0, "customProperties", 0, "value", "method"), "encrypt"),
        (("schema", 0, "customProperties", 0, "value"), 9),
        (("schema", 0, "customProperties", 1, "value"), "x"),
    ):
        document = copy.deepcopy(contract())
        place: object = document
        for step in path[:-1]:
            place = place[step]  # type: ignore[index]
        place[path[-1]] = value  # type: ignore[index]
        documents.append(document)
    return documents


@pytest.mark.parametrize("document", broken(), ids=lambda document: json.dumps(document)[-60:])
def test_a_contract_that_cannot_be_read_is_refused(document: object) -> None:
    with pytest.raises(PlanError) as caught:
        from_odcs(document, SCHEMA)
    assert caught.value.text_zh != caught.value.text_en


def test_a_plan_of_other_columns_has_no_contract() -> None:
    with pytest.raises(PlanError, match="same columns"):
        to_odcs(PLAN, pa.schema([("a", pa.int8())]), contract_id="x", name="t")
