"""Tenants are walls: what belongs to others looks on every route exactly like what does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from exchange.access import Permission
from exchange.catalog.models import Dataset
from exchange.negotiation.models import AgreementRecord
from exchange.web import required_permission

UNKNOWN = "urn:uuid:01900000-0000-7000-8000-000000000000"
# Names of a route's arguments that are ids of what belongs to somebody.
OWNED = {
    "transfer",
    "agreement",
    "negotiation",
    "dataset",
    "version",
    "offer",
    "valuation",
    "identifier",
    "account",
    "user",
}
OTHERS = {
    "act",
    "alert",
    "kind",
    "index",
    "name",
    "number",
    "size",
    "filename",
    "token",
    "request_id",
    "participant",
}

# A body that passes each route's own checks, so that only the wall can refuse it.
BODIES: dict[str, dict[str, Any]] = {
    "appraisal_api.estimate": {"items": {"storage": 100_000}, "margin": "0.1", "age_years": "1", "life_years": "5"},
    "appraisal_api.price_offer": {"valuation": UNKNOWN, "kind": "one-off"},
    "catalog_api.describe": {"title": "Mine now"},
    "catalog_api.draft_offer": {"template": "internal-use", "price": {"kind": "free"}, "visibility": "public"},
    "catalog_api.change_offer": {"visibility": "public"},
    "catalog_api.reread": {},
    "catalog_api.freeze": {"reason": "Not for us."},
    "catalog_api.unfreeze": {"reason": "Not for us."},
    "catalog_api.grade": {"answers": {"safety": 1, "loss": 1, "reach": 1}, "category": "general"},
    "catalog_api.declare_rights": {
        "holding": True, "processing": True, "operating": True, "source": "own-production", "evidence": "Our own line, 42.",
    },
    "negotiations_api.counter": {"price_fen": 1},
    "negotiations_api.terminate": {"reason": "Not for us."},
    "accounts_api.refund": {"reason": "Not for us."},
    "participants_api.set_roles": {"roles": ["buyer"]},
    "transfers_api.acknowledge": {"digest": "sha256:" + "0" * 64},
    "transfers_api.suspend": {"reason": "Not for us."},
    "transfers_api.terminate": {"reason": "Not for us."},
}  # fmt: skip


@dataclass
class Estate:
    """Everything that two firms made together, and a third, verified firm outside."""

    trade: Any
    rival: Any
    ids: dict[str, str] = field(default_factory=dict)

    def address(self, rule: Any, values: dict[str, str]) -> str:
        fixed = {"act": "suspend" if "transfers" in rule.rule else "agree", "kind": "free", "index": "0", "number": "1"}
        return re.sub(r"<(?:[^:<>]+:)?(\w+)>", lambda found: {**fixed, **values}.get(found[1], UNKNOWN), rule.rule)


@pytest.fixture(scope="module")
def estate(shared_embedded: Any, make_trade: Any) -> Estate:
    # The forms' own tokens are another test's matter; here only the wall shall refuse.
    shared_embedded.app.config["WTF_CSRF_ENABLED"] = False
    trade = make_trade(shared_embedded)
    rival = shared_embedded.firm("Rival Works")
    offer = trade.offer(price_fen=5_000, visibility="authorised", audience=[trade.consumer.participant])
    agreement = trade.agreement(offer, price_fen=5_000)
    transfer = trade.started(agreement)
    costs = {"items": {"storage": 100_000}, "margin": "0.1", "age_years": "1", "life_years": "5"}
    valuation = trade.client(trade.provider).post(
        f"/api/v1/datasets/{trade.agreement_row(agreement).dataset_id}/valuations", json=costs
    )
    row = trade.agreement_row(agreement)
    with shared_embedded.operations.database.reading() as session:
        job = trade.transfer(transfer).job_id
        assert session.scalar(select(Dataset.id).where(Dataset.id == row.dataset_id))
        assert session.get(AgreementRecord, agreement)
    accounts = trade.client(trade.consumer).get("/api/v1/accounts").json["items"]
    return Estate(
        trade, rival,
        {
            "transfer": transfer, "agreement": agreement, "negotiation": row.negotiation_id, "dataset": row.dataset_id,
            "version": row.version_id, "offer": offer, "identifier": job, "account": accounts[0]["id"],
            "valuation": valuation.json["id"], "user": shared_embedded.person(trade.consumer, "buyer").user,
        },
    )  # fmt: skip


def routes(app: Any) -> Iterator[tuple[Any, str]]:
    """Yield (rule, method) for every route that names a thing of somebody."""
    for rule in app.url_map.iter_rules():
        if rule.arguments & OWNED:
            yield from ((rule, method) for method in sorted(rule.methods - {"OPTIONS", "HEAD"}))


def ask(estate: Estate, client: Any, rule: Any, method: str, values: dict[str, str]) -> Any:
    path = estate.address(rule, values)
    if rule.endpoint == "catalog_api.upload":
        return client.open(path + "?filename=x.csv", method=method, data=b"a,b\n1,2\n")
    if path.startswith("/api/"):
        return client.open(
            path, method=method, json=BODIES.get(rule.endpoint, {}) if method in {"POST", "PUT", "PATCH"} else None
        )
    return client.open(path, method=method, data={"reason": "Not for us."} if method == "POST" else None)


def test_every_argument_of_every_route_is_known_to_this_test(shared_embedded: Any) -> None:
    arguments = set().union(*(rule.arguments for rule in shared_embedded.app.url_map.iter_rules()))
    assert arguments <= OWNED | OTHERS


def test_another_firms_things_look_on_every_route_like_what_does_not_exist(estate: Estate) -> None:
    client = estate.trade.client(estate.rival)
    seen = 0
    faults = []
    for rule, method in routes(estate.trade.exchange.app):
        permission = required_permission(estate.trade.exchange.app, rule.endpoint, method)
        if permission is not None and not permission.startswith(("firm:", "public:", "account:")):
            continue
        foreign = ask(estate, client, rule, method, estate.ids)
        unknown = ask(estate, client, rule, method, dict.fromkeys(estate.ids, UNKNOWN))
        seen += 1
        if foreign.status_code != 404:
            faults.append(f"{method} {rule.rule}: {foreign.status_code}")
        elif _without_chance(foreign.text) != _without_chance(unknown.text):
            faults.append(f"{method} {rule.rule}: another text than for what does not exist")
    assert not faults, "\n".join(faults)
    assert seen > 60


def _without_chance(text: str) -> str:
    """Drop what differs from page to page by itself: CSRF tokens and the addresses that the page repeats."""
    text = re.sub(r'(?:name="csrf_token"[^>]*|csrf-token" content=)"[^"]*"', "", text)
    return re.sub(r"urn(?::|%3A)uuid(?::|%3A)[0-9a-f-]{36}", "URN", text)


def test_nothing_changed_by_all_those_attempts(estate: Estate) -> None:
    trade = estate.trade
    assert trade.transfer(estate.ids["transfer"]).state == "STARTED"
    assert trade.agreement_row(estate.ids["agreement"]).state == "in_force"
    assert trade.client(trade.consumer).get(f"/api/v1/transfers/{estate.ids['transfer']}/artefact").status_code == 200
    assert trade.kinds(estate.rival.participant) == ["participant.joined", "participant.keys", "participant.verified"]


@pytest.mark.parametrize("role", ["operator", "supervisor", "auditor"])
def test_people_of_the_exchange_act_for_no_firm(estate: Estate, role: str) -> None:
    client = estate.trade.client(estate.trade.exchange.staff(role))
    for rule, method in routes(estate.trade.exchange.app):
        permission = required_permission(estate.trade.exchange.app, rule.endpoint, method)
        if permission is None or not permission.startswith("firm:") or permission == Permission.CATALOG_READ:
            continue
        answer = ask(estate, client, rule, method, estate.ids)
        assert answer.status_code in {403, 404}, f"{method} {rule.rule}: {answer.status_code}"


def test_strangers_are_asked_to_sign_in_on_every_route_of_a_firm(estate: Estate) -> None:
    client = estate.trade.client()
    for rule, method in routes(estate.trade.exchange.app):
        permission = required_permission(estate.trade.exchange.app, rule.endpoint, method)
        answer = ask(estate, client, rule, method, estate.ids)
        allowed = {404} if permission == Permission.PUBLIC else {401, 302, 303}
        # A page's form is refused for want of its token before anybody is asked who they are.
        allowed |= {400} if method == "POST" and not rule.rule.startswith("/api/") else set()
        # The artefact is public only to those who bring a token of its transfer.
        allowed |= {401} if rule.endpoint == "transfers_api.artefact" else set()
        assert answer.status_code in allowed, f"{method} {rule.rule}: {answer.status_code}"


def test_lists_name_only_ones_own(estate: Estate) -> None:
    client = estate.trade.client(estate.rival)
    for path in (
        "/api/v1/datasets",
        "/api/v1/negotiations",
        "/api/v1/catalog",
        "/transfers",
        "/audit/mine",
        "/negotiations",
        "/accounts",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, path
        found = [name for name, value in estate.ids.items() if value in answer.text or value[-12:] in answer.text]
        assert found == [], f"{path} names {found}"
    listed = client.get(f"/api/v1/agreements/{estate.ids['agreement']}/transfers")
    assert listed.status_code == 404 or listed.json["items"] == []
