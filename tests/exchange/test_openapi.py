"""The OpenAPI document says who may call what and how it refuses, and the program keeps to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from exchange.access import Permission
from exchange.openapi import PROBLEMS
from exchange.web import required_permission

METHODS = {"get", "put", "post", "patch", "delete"}


@pytest.fixture
def document(sqlite_exchange: Any) -> dict[str, Any]:
    return dict(sqlite_exchange.app.test_client().get("/api/v1/openapi.json").json)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in item.keys() & METHODS:
            yield path, method, item[method]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_inside_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 30
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]


def test_the_bearer_token_is_a_security_scheme_and_the_default(document: dict[str, Any]) -> None:
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert scheme["description"]
    assert document["security"] == [{"token": []}]


def test_every_operation_states_the_permission_that_its_view_asks_for(
    sqlite_exchange: Any, document: dict[str, Any]
) -> None:
    rules = {
        re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule): rule
        for rule in sqlite_exchange.app.url_map.iter_rules()
    }
    seen = set()
    for path, method, operation in operations(document):
        endpoint = next(
            rule.endpoint
            for rule in sqlite_exchange.app.url_map.iter_rules()
            if method.upper() in (rule.methods or ()) and rule.rule == rules[path].rule
        )
        permission = required_permission(sqlite_exchange.app, endpoint, method)
        seen.add(permission)
        open_to_all = {} in operation["security"]
        assert open_to_all is (permission is Permission.PUBLIC), f"{method} {path}"
        assert open_to_all or f"`{permission}`" in operation["description"]
        assert open_to_all or {"401", "403"} <= operation["responses"].keys()
    assert len(seen) > 10


def test_every_refusal_is_a_problem_document_with_examples(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert "default" in operation["responses"], f"{method} {path}"
        assert "DEFAULT_ERROR" not in json.dumps(operation)
    schema = document["components"]["schemas"]["Problem"]
    for name, answer in document["components"]["responses"].items():
        assert list(answer["content"]) == ["application/problem+json"]
        examples = answer["content"]["application/problem+json"]["examples"]
        assert examples, name
        for example in examples.values():
            jsonschema.validate(example["value"], schema)


def test_no_example_shows_a_code_that_the_program_does_not_give() -> None:
    repository = Path(__file__).parents[2]
    source = "\n".join(
        path.read_text() for path in (repository / "exchange").rglob("*.py") if path.name != "openapi.py"
    )
    for _, _, examples in PROBLEMS.values():
        for example in examples:
            known = f'"{example["code"]}"' in source or example["code"] == "too-many-requests"
            assert known, example["code"]


def test_answers_of_the_program_are_such_documents(sqlite_exchange: Any, document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["Problem"]
    firm = sqlite_exchange.firm("East China Bearing")
    stranger, known = sqlite_exchange.app.test_client(), sqlite_exchange.client(firm)
    answers = {
        401: stranger.get("/api/v1/datasets"),
        403: known.post("/api/v1/accounts/top-ups", json={"participant": "x", "amount_fen": 1, "reference": "y"}),
        404: known.get("/api/v1/datasets/urn:uuid:01900000-0000-7000-8000-000000000000"),
        422: known.post("/api/v1/datasets", json={}),
        409: known.post("/api/v1/participants/me/join"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status, answer.text
        assert answer.content_type == "application/problem+json"
        jsonschema.validate(json.loads(answer.text), schema)
    malformed = json.loads(answers[422].text)
    assert "messages" in malformed
    assert "messages" in malformed["mend"]
    assert "details" not in malformed["mend"]
    told = known.post("/api/v1/datasets", json={}, headers={"Accept-Language": "zh"})
    assert "messages" in json.loads(told.text)["mend"]


def test_every_question_that_needs_a_permission_refuses_a_stranger(
    sqlite_exchange: Any, document: dict[str, Any]
) -> None:
    client = sqlite_exchange.app.test_client()
    asked = 0
    for path, method, operation in operations(document):
        if method == "get" and {} not in operation["security"]:
            numbered = re.sub(r"\{(number|index|size)\}", "1", path)
            answer = client.get(re.sub(r"\{[^}]+\}", "urn:uuid:01900000-0000-7000-8000-000000000000", numbered))
            assert answer.status_code == 401, path
            asked += 1
    assert asked > 20


def test_writes_take_an_idempotency_key(document: dict[str, Any]) -> None:
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    writes = [(path, operation) for path, method, operation in operations(document) if method != "get"]
    without = {path for path, operation in writes if key not in operation.get("parameters", [])}
    assert without == {"/api/v1/ledger/verification"}
    assert all("409" in operation["responses"] for path, operation in writes if path not in without)
