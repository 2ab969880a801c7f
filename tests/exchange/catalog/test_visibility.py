"""Getting, listing and searching show each actor exactly the same offers: those that the rule of visibility names."""

import random

import pytest

from exchange.access import STRANGER
from exchange.catalog import listing
from exchange.catalog import service as catalog
from exchange.errors import InvalidInputError, NotFoundError
from exchange.participants.models import Participant

CODES = b"code,value\n001,1.5\n"


def may_see(offer, actor, *, suspended):
    """The rule in one place, written from the promise and not from the code."""
    if offer["state"] != "open" or offer["owner"] in suspended:
        return False
    if offer["visibility"] == "public" or offer["owner"] == actor.participant:
        return True
    if actor.participant is None or actor.status != "verified":
        return False
    return not offer["audience"] or actor.participant in offer["audience"]


def walk(market, actor, text="", **filters):
    found, cursor = [], None
    while True:
        with market.exchange.operations.database.reading() as session:
            page = catalog.search(session, actor, text, filters, cursor)
        found += [offer.id for offer in page.items]
        cursor = page.next
        if cursor is None:
            return found


def gets(market, actor, offer):
    with market.exchange.operations.database.reading() as session:
        try:
            return catalog.visible_offer(session, actor, offer).state == "open"
        except NotFoundError:
            return False


def gets_dataset(market, actor, dataset):
    with market.exchange.operations.database.reading() as session:
        try:
            return bool(catalog.visible_dataset(session, actor, dataset))
        except NotFoundError:
            return False


def test_list_get_and_search_agree_with_the_rule_for_every_actor(market, monkeypatch):
    rng = random.Random(11)
    monkeypatch.setattr(listing, "PAGE", 3)
    firms = [market.exchange.firm(f"Firm {number}") for number in range(4)]
    pending = market.exchange.firm("Pending", verified=False)
    actors = [*firms, market.exchange.person(firms[0], "buyer"), pending, STRANGER, market.exchange.staff("auditor")]
    datasets = [
        market.prepared(firm, CODES, title=f"轴承振动 {place}") for place, firm in enumerate(firms) for _ in "ab"
    ]
    owners = [firm for firm in firms for _ in "ab"]
    offers = {}
    for _ in range(24):
        place = rng.randrange(len(datasets))
        visibility = rng.choice(["public", "authorised", "authorised"])
        others = [firm.participant for firm in firms]
        audience = rng.sample(others, rng.randint(0, 2)) if visibility == "authorised" else []
        price = rng.choice([{"kind": "free"}, {"kind": "one-off", "amount_fen": 500}])
        terms = {"visibility": visibility, "audience": audience, "price": price}
        offer = market.draft(owners[place], datasets[place], **terms)
        state = rng.choice(["draft", "open", "open", "open", "closed"])
        if state != "draft":
            market.run(owners[place], "catalog.publish_offer", offer=offer)
        if state == "closed":
            market.run(owners[place], "catalog.withdraw_offer", offer=offer)
        offers[offer] = {
            "owner": owners[place].participant, "dataset": datasets[place], "visibility": visibility,
            "audience": audience, "state": state, "price": price["kind"],
        }  # fmt: skip

    def check(suspended):
        for actor in actors:
            seen = {offer for offer, facts in offers.items() if may_see(facts, actor, suspended=suspended)}
            listed = walk(market, actor)
            assert len(listed) == len(set(listed)), "no offer stands twice"
            assert set(listed) == seen
            assert set(walk(market, actor, "承振")) == seen
            free = {offer for offer in seen if offers[offer]["price"] == "free"}
            assert set(walk(market, actor, "轴承", price=["free"])) == free
            assert walk(market, actor, "齿轮") == []
            own = {offer for offer, facts in offers.items() if facts["owner"] == actor.participant}
            for offer, facts in offers.items():
                expected = offer in seen or (offer in own and facts["state"] == "open")
                assert gets(market, actor, offer) == expected
            for dataset, owner in zip(datasets, owners, strict=True):
                offered = any(offers[offer]["dataset"] == dataset for offer in seen)
                assert gets_dataset(market, actor, dataset) == (offered or owner.participant == actor.participant)

    check(suspended=set())
    with market.exchange.operations.database.writing() as session:
        session.get_one(Participant, firms[1].participant).status = "suspended"
    check(suspended={firms[1].participant})


def test_a_dataset_is_found_by_its_new_text_as_soon_as_it_is_described(market):
    firm = market.exchange.firm("华东精密机床")
    dataset = market.prepared(firm, "振动,温度\n1,2\n".encode(), title="五轴加工中心", keywords=["刀具磨损"])
    offer = market.offer(firm, dataset)
    for text in ("五轴", "加工中心", "刀具磨损", "华东精密", "温度", "Telemetry machining", "生产数据"):
        assert walk(market, firm, text) == [offer], text
    market.run(firm, "catalog.describe_dataset", dataset=dataset, title="六轴机器人")
    assert walk(market, firm, "五轴") == []
    assert walk(market, firm, "六轴") == [offer]


def test_filters_narrow_and_are_counted_as_the_actor_sees_them(embedded):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    public = embedded.offer(firm, embedded.prepared(firm, CODES))
    hidden = embedded.prepared(firm, CODES, grade=2, domain="management")
    embedded.offer(
        firm, hidden, visibility="authorised", audience=[firm.participant], price={"kind": "one-off", "amount_fen": 5}
    )
    assert walk(embedded, other, grade=["1", "2"]) == [public]
    assert walk(embedded, firm, domain=["management"], grade=["1"]) == []
    with embedded.exchange.operations.database.reading() as session:
        mine = catalog.search(session, firm, count=True).facets
        theirs = catalog.search(session, other, count=True).facets
        narrowed = catalog.search(session, firm, "", {"grade": ["2"]}, count=True).facets
    assert mine["grade"] == {"1": 1, "2": 1}
    assert mine["price"] == {"free": 1, "one-off": 1}
    assert theirs["domain"] == {"production": 1}
    assert narrowed["grade"] == {"1": 1, "2": 1}, "a filter does not hide its own alternatives"
    assert narrowed["domain"] == {"management": 1}


def test_an_unknown_filter_or_cursor_is_refused(embedded):
    with embedded.exchange.operations.database.reading() as session:
        for filters in ({"colour": ["red"]}, {"grade": ["4"]}, {"domain": ["nowhere"]}):
            with pytest.raises(InvalidInputError):
                catalog.search(session, STRANGER, "", filters)
        for cursor in ("x", "-1", "²", "1" * 20):
            with pytest.raises(InvalidInputError):
                catalog.search(session, STRANGER, "", {}, cursor)
