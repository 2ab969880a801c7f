"""API tokens with caveats: what they do not name is closed on every route, and a token can only be narrowed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from exchange.access import Permission
from exchange.caveats import _FREE, _PLACES, _SUBJECTS
from tests.exchange.cli_tools import serving


@pytest.fixture(scope="module")
def there(shared_embedded: Any, make_trade: Any) -> Any:
    """Two firms with two agreements, a transfer under each, and what they are about."""
    trade = make_trade(shared_embedded)
    trade.agreements = [trade.agreement(), trade.agreement()]
    trade.transfers = [trade.started(agreement) for agreement in trade.agreements]
    trade.datasets = [trade.agreement_row(agreement).dataset_id for agreement in trade.agreements]
    return trade


def token(trade: Any, actor: Any = None, scopes: Any = None, **caveats: list[str]) -> str:
    made = trade.exchange.operations.run(
        actor or trade.consumer, "participants.create_token", name="narrow", scopes=scopes, caveats=caveats
    )
    return str(made.result["token"])


def client(trade: Any, secret: str) -> Any:
    made = trade.client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return made


@pytest.mark.parametrize("kind", ["agreements", "datasets"])
def test_a_token_touches_what_its_caveat_names_and_nothing_beside_it(there: Any, refused: Any, kind: str) -> None:
    narrow = client(there, token(there, **{kind: [getattr(there, kind)[0]]}))
    for place, status in ((0, 200), (1, 403)):
        agreement, transfer = there.agreements[place], there.transfers[place]
        negotiation = there.agreement_row(agreement).negotiation_id
        for path in (
            f"/agreements/{agreement}", f"/agreements/{agreement}/transfers", f"/agreements/{agreement}/document",
            f"/transfers/{transfer}", f"/transfers/{transfer}/artefact", f"/transfers/{transfer}/content",
            f"/negotiations/{negotiation}", f"/ledger/bundles/agreements/{agreement}",
        ):  # fmt: skip
            answer = narrow.get(f"/api/v1{path}")
            assert answer.status_code == status, (path, answer.text)
        asked = narrow.post(f"/api/v1/transfers/{transfer}/token")
        assert asked.status_code == status
        assert narrow.post(f"/api/v1/agreements/{agreement}/transfers", json={}).status_code == (
            202 if place == 0 else 403
        )
    page = narrow.get(f"/transfers/{there.transfers[1]}")
    assert page.status_code == 403
    answer = narrow.get(f"/api/v1/agreements/{there.agreements[1]}", headers={"Accept-Language": "zh"})
    assert refused(answer, 403, "outside-caveats")["detail"].startswith("该令牌仅限于")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_what_lies_outside_and_what_does_not_exist_look_the_same(there: Any) -> None:
    narrow = client(there, token(there, agreements=[there.agreements[0]]))
    unknown = narrow.get("/api/v1/agreements/urn:uuid:01900000-0000-7000-8000-000000000000")
    outside = narrow.get(f"/api/v1/agreements/{there.agreements[1]}")
    assert (unknown.status_code, unknown.json) == (outside.status_code, outside.json)


def test_every_route_that_names_nothing_inside_is_closed_to_a_narrowed_token(there: Any) -> None:
    app = there.exchange.app
    narrow = client(there, token(there, agreements=[there.agreements[0]]))
    outside = {
        "dataset": there.datasets[1], "agreement": there.agreements[1], "transfer": there.transfers[1],
        "negotiation": there.agreement_row(there.agreements[1]).negotiation_id, "number": "1", "index": "1",
    }  # fmt: skip
    tried = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint.endswith("static") or rule.endpoint in _FREE:
            continue
        path = re.sub(r"<(?:any\(([^,)]+)[^>]*|[^:>]+):(\w+)>", lambda found: found[1] or "1", rule.rule)
        path = re.sub(
            r"<(\w+)>", lambda found: outside.get(found[1], "urn:uuid:01900000-0000-7000-8000-000000000000"), path
        )
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            answer = narrow.open(path, method=method, json={} if method != "GET" else None)
            assert answer.status_code == 403, (method, path, answer.status_code)
            tried += 1
    assert tried > 150


def test_the_names_that_addresses_use_are_all_known_or_closed(there: Any) -> None:
    named = {name for rule in there.exchange.app.url_map.iter_rules() for name in rule.arguments}
    closed = {"participant", "user", "token", "request_id", "index", "kind", "account", "alert", "identifier", "size"}
    assert named - closed - _PLACES <= set(_SUBJECTS), (
        "Say in exchange/caveats.py what a new name in an address is about."
    )


def test_a_negotiation_names_its_offer_in_the_body(there: Any) -> None:
    first, second = there.offer(), there.offer()
    dataset = there.client(there.consumer).get(f"/api/v1/offers/{first}").json["dataset"]
    narrow = client(there, token(there, datasets=[dataset]))
    body = {"purpose": "predictive-maintenance", "intended_use": "Predict failures of our own spindles."}
    assert narrow.post("/api/v1/negotiations", json={"offer": second, **body}).status_code == 403
    assert narrow.post("/api/v1/negotiations", json=body).status_code == 403
    assert narrow.post("/api/v1/negotiations", json={"offer": first, **body}).status_code == 201


def test_an_action_narrows_to_the_permissions_that_end_with_it(there: Any) -> None:
    reader = client(there, token(there, actions=["read"]))
    assert reader.get(f"/api/v1/agreements/{there.agreements[0]}").status_code == 200
    assert reader.post(f"/api/v1/transfers/{there.transfers[0]}/token").status_code == 403
    both = client(there, token(there, actions=["read", "request"], agreements=[there.agreements[0]]))
    assert both.post(f"/api/v1/transfers/{there.transfers[0]}/token").status_code == 200
    assert both.post(f"/api/v1/transfers/{there.transfers[1]}/token").status_code == 403


def test_a_token_can_only_be_narrowed(there: Any, refused: Any) -> None:
    one, other = there.agreements
    parent = client(there, token(there, agreements=[one], actions=["read", "manage"]))
    for caveats, field in (
        ({"agreements": [other]}, "agreements"), ({"agreements": [one, other]}, "agreements"), ({"agreements": []}, "agreements"),
        ({"actions": ["read", "request"]}, "actions"), ({"actions": ["fly"]}, "actions"),
    ):  # fmt: skip
        answer = parent.post("/api/v1/tokens", json={"name": "wider", "caveats": caveats})
        assert refused(answer, 422)["field"] == field
    plain = parent.post("/api/v1/tokens", json={"name": "the same"}).json
    assert plain["caveats"] == {"agreements": [one], "actions": ["manage", "read"]}
    less = parent.post(
        "/api/v1/tokens", json={"name": "less", "caveats": {"actions": ["read"], "datasets": [there.datasets[0]]}}
    )
    assert less.json["caveats"] == {"actions": ["read"], "agreements": [one], "datasets": [there.datasets[0]]}
    child = client(there, less.json["token"])
    assert child.get(f"/api/v1/agreements/{one}").status_code == 200
    assert child.get(f"/api/v1/agreements/{other}").status_code == 403
    assert parent.get("/api/v1/tokens").status_code == 403
    refused(
        there.client(there.consumer).post("/api/v1/tokens", json={"name": "x", "caveats": {"colour": ["red"]}}), 422
    )


def test_caveats_and_scopes_both_hold(there: Any) -> None:
    narrow = client(there, token(there, scopes=[str(Permission.TRANSFER_READ)], agreements=[there.agreements[0]]))
    assert narrow.get(f"/api/v1/transfers/{there.transfers[0]}").status_code == 200
    assert narrow.get(f"/api/v1/agreements/{there.agreements[0]}").status_code == 403
    assert narrow.get(f"/api/v1/transfers/{there.transfers[1]}").status_code == 403


@pytest.mark.parametrize(("language", "words"), [("en", "Narrowed to"), ("zh", "限于")])
def test_the_page_makes_and_shows_a_narrowed_token(there: Any, visitor: Any, language: str, words: str) -> None:
    guest = visitor(there.exchange, there.consumer, language)
    answer = guest.send(
        "/account/tokens", "/account/tokens", 200, name="From the page", days="7",
        agreements=[there.agreements[0]], actions=["read"],
    )  # fmt: skip
    made = re.search(r"ide_[0-9a-f]{64}_[0-9a-f]{8}", answer.text)
    assert made
    assert words in answer.text
    assert there.agreements[0][-12:] in answer.text
    narrow = client(there, made[0])
    assert narrow.get(f"/api/v1/agreements/{there.agreements[0]}").status_code == 200
    assert narrow.get(f"/api/v1/agreements/{there.agreements[1]}").status_code == 403


def test_the_command_line_makes_lists_and_revokes(there: Any, run: Any) -> None:
    with serving(there.exchange.app) as address:
        more = {"EXCHANGE_URL": address, "EXCHANGE_TOKEN": there.exchange.token(there.consumer)}
        made = run(
            "token", "new", "nightly", "--agreement", there.agreements[0], "--action", "read", "--days", "2", **more
        )
        assert made.exit_code == 0, made.output
        narrow = client(there, made.output.strip())
        assert narrow.get(f"/api/v1/agreements/{there.agreements[0]}").status_code == 200
        line = next(line for line in run("token", "list", **more).output.splitlines() if " nightly " in line)
        assert there.agreements[0] in line
        assert run("token", "revoke", line.split()[0], **more).output == "Revoked.\n"
        assert narrow.get(f"/api/v1/agreements/{there.agreements[0]}").status_code == 401
