"""Two people at once: each step takes effect once, and the other one is told."""

import threading

from exchange.catalog import listing
from exchange.catalog.models import Offer
from exchange.errors import ConflictError, ExchangeError

CODES = b"code,value\n001,1.5\n"


def at_once(*works):
    """Run all works at the same moment and return what each gave or raised."""
    results, barrier = [None] * len(works), threading.Barrier(len(works))

    def run(place, work):
        barrier.wait()
        try:
            results[place] = work()
        except ExchangeError as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_an_offer_published_by_two_people_at_once_is_published_once(market):
    firm = market.exchange.firm("Maker")
    dataset = market.prepared(firm, CODES)
    offer = market.draft(firm, dataset)
    results = at_once(*[lambda: market.run(firm, "catalog.publish_offer", offer=offer)] * 4)
    refused = [result for result in results if isinstance(result, ExchangeError)]
    assert len(refused) == 3
    assert {type(error) for error in refused} == {ConflictError}
    assert market.kinds(dataset).count("offer.published") == 1


def test_a_version_signed_by_two_people_at_once_is_stated_once(market):
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    version = market.upload(firm, dataset, CODES)
    with market.exchange.operations.database.writing() as session:
        from exchange.catalog.versions import get_version

        get_version(session, version).published_at = None
    at_once(*[lambda: market.run(firm, "catalog.publish_version", version=version)] * 4)
    assert market.kinds(dataset).count("dataset.version_published") == 2, "one more than the upload's own"


def test_the_parts_of_one_version_may_arrive_in_parallel(market, nothing):
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)

    def send(number):
        return lambda: market.upload(firm, dataset, f"a\n{number}\n".encode(), f"{number}.csv", part=number, parts=4)

    versions = at_once(*(send(number) for number in range(1, 5)))
    assert len(set(versions)) == 1
    assert (market.version(versions[0]).state, market.version(versions[0]).rows) == ("ready", 4)
    assert market.leftovers() == nothing


def test_a_lost_index_is_made_anew_from_the_open_offers(market):
    firm = market.exchange.firm("Maker")
    kept = market.offer(firm, market.prepared(firm, CODES, title="Gear"))
    closed = market.offer(firm, market.prepared(firm, CODES, title="Gear"))
    market.run(firm, "catalog.withdraw_offer", offer=closed)
    with market.exchange.operations.database.writing() as session:
        listing.search.clear(session)
        assert listing.find(session, firm, "gear").items == []
        assert listing.reindex(session) == 1
        assert [offer.id for offer in listing.find(session, firm, "gear").items] == [kept]
        assert session.get_one(Offer, closed).state == "closed"
