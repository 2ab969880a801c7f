"""What the tests of policies share: a policy from a few constraints, and a question about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.odrl import Decision, Policy, Request, World, evaluate, parse

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def offer() -> Callable[..., Policy]:
    """`offer(constraint, …, action="use", **policy)`: an Offer with one permission under these constraints."""

    def make(*constraints: dict[str, Any], action: Any = "use", rule: dict[str, Any] | None = None, **policy: Any):
        permission = {"action": action, **(rule or {})}
        if constraints:
            permission["constraint"] = list(constraints)
        return parse({"@id": "urn:x:offer", "@type": "Offer", "permission": [permission], **policy})

    return make


@pytest.fixture
def ask() -> Callable[..., Decision]:
    """`ask(policy, action="use", world=World(), **request)`: the decision for buyer `urn:x:buyer`."""

    def decide(policy: Policy, action: str = "use", world: World | None = None, **request: Any) -> Decision:
        values = {"assignee": "urn:x:buyer", "target": "urn:x:data", "at": NOW} | request
        return evaluate(policy, Request(action, **values), world or World())

    return decide
