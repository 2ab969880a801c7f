"""The log is searched by kind, time and agreement by anybody, by what an entry is about by those whom it concerns alone."""

from __future__ import annotations

import html
import itertools
import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from exchange.audit import search
from exchange.audit.search import Wanted
from exchange.identifiers import uuid7
from exchange.participants.models import Participant
from ledger.entry import Entry
from ledger.hashing import leaf_hash
from ledger.tree import Frontier

CHINA = ZoneInfo("Asia/Shanghai")


def indexes(page: str) -> list[int]:
    """Return the entries that a page of the log lists."""
    table = page[page.index("<tbody>") : page.index("</tbody>")] if "<tbody>" in page else ""
    return [int(found) for found in re.findall(r'<td class="num"[^>]*><a href="/audit/entries/(\d+)">', table)]


def entries(trade: Any) -> list[Entry]:
    log = trade.exchange.operations.services.log
    return list(log.entries(0, log.size()))


@pytest.fixture
def site(trade: Any) -> Any:
    trade.ledger_id = trade.agreement_row(trade.agreement(price_fen=500)).ledger_id
    return trade


def test_anybody_finds_entries_by_kind_and_time(site: Any) -> None:
    client, all_of_them = site.exchange.app.test_client(), entries(site)
    held = [entry.index for entry in all_of_them if entry.kind == "escrow.held"]
    assert indexes(client.get("/audit?kind=escrow.held").text) == held[::-1]
    today = datetime.now(CHINA).date()
    for start, end, expected in (
        (today, today, True),
        (today + timedelta(days=1), today + timedelta(days=1), False),
        (None, today - timedelta(days=1), False),
        (today, None, True),
    ):
        asked = "&".join(f"{name}={day}" for name, day in (("from", start), ("to", end)) if day)
        found = indexes(client.get(f"/audit?kind=escrow.held&{asked}").text)
        assert (found == held[::-1]) is expected, asked


def test_anybody_finds_an_agreements_entries_by_its_public_id_and_by_no_other_id(site: Any) -> None:
    client = site.exchange.app.test_client()
    mine = [entry.index for entry in entries(site) if entry.agreement == site.ledger_id]
    assert indexes(client.get(f"/audit?agreement={site.ledger_id}").text) == mine[::-1]
    # An id that stands on no public entry would tell whom an entry is about.
    for hidden in (
        site.provider.participant,
        site.consumer.participant,
        "exchange",
        "exchange/" + site.provider.participant,
    ):
        for name in ("agreement", "about"):
            assert indexes(client.get("/audit", query_string={name: hidden}).text) == []


def test_a_firm_finds_what_speaks_of_it_and_nothing_of_others(site: Any) -> None:
    agreement = site.agreement(price_fen=900)
    row = site.agreement_row(agreement)
    client = site.client(site.provider)
    of_agreement = {entry.index for entry in entries(site) if entry.agreement == row.ledger_id}
    assert set(indexes(client.get("/audit", query_string={"about": agreement}).text)) == of_agreement
    listed = indexes(client.get("/audit", query_string={"about": row.dataset_id}).text)
    kinds = {entries(site)[index].kind for index in listed}
    assert {"dataset.version_published", "offer.published"} <= kinds
    mine = client.get("/audit?mine=1&kind=participant.joined").text
    assert len(indexes(mine)) == 1
    rival = site.client(site.exchange.firm("Rival Works"))
    for hidden in (agreement, row.dataset_id, site.provider.participant, row.ledger_id):
        assert indexes(rival.get("/audit", query_string={"about": hidden}).text) == []


def test_the_pages_of_an_agreement_and_of_a_dataset_lead_to_their_entries(site: Any) -> None:
    agreement = site.agreement(price_fen=900)
    dataset = site.agreement_row(agreement).dataset_id
    client = site.client(site.provider)
    for page in (f"/agreements/{agreement}", f"/datasets/{dataset}?tab=proof", "/audit/mine"):
        link = re.search(r'href="(/audit\?(?:about|mine)=[^"]+)"', client.get(page).text)
        assert link, page
        assert len(indexes(client.get(html.unescape(link[1])).text)) > 2
    rival = site.client(site.exchange.firm("Rival Works"))
    assert "/audit?about=" not in rival.get(f"/datasets/{dataset}?tab=proof").text


def test_auditors_find_entries_by_whom_they_are_about_and_every_look_is_recorded(site: Any) -> None:
    client = site.client(site.exchange.staff("auditor"))
    log = site.exchange.operations.services.log
    before = log.size()
    client.get("/audit?kind=escrow.held")
    assert log.size() == before
    page = client.get("/audit", query_string={"about": site.provider.participant}).text
    assert site.provider.participant_name in page
    assert [entry.kind for entry in log.entries(before, log.size())] == ["audit.read"]
    found = indexes(page)
    kinds = {entries(site)[index].kind for index in found}
    # Also what the exchange noted of the firm, and that somebody looked just now.
    assert {"participant.joined", "participant.verification_noted", "negotiation.agreed", "audit.read"} <= kinds
    # The look itself is not open to the firm that it is about.
    answer = site.client(site.provider).get(f"/api/v1/ledger/entries/{log.size() - 1}")
    assert answer.json["openings"] is None


def test_auditors_find_a_firm_by_its_name_and_by_its_code_as_well(site: Any) -> None:
    client = site.client(site.exchange.staff("auditor"))
    with site.exchange.operations.database.reading() as session:
        firm = session.get(Participant, site.exchange.firm("Alone Works").participant)
    expected = {"participant.joined", "participant.keys", "participant.verified", "participant.verification_noted"}
    for asked in (firm.id, firm.name, firm.credit_code):
        found = indexes(client.get("/audit", query_string={"about": asked}).text)
        assert {entries(site)[index].kind for index in found} - {"audit.read"} <= expected
        assert len(found) > 2
    before = len(entries(site))
    answer = client.get("/audit", query_string={"about": "No Such Works"}).text
    assert "Nothing has that id" in answer
    assert len(entries(site)) == before, "what finds nothing is no look at anybody"


def test_an_erasure_is_not_found_under_the_agreement_that_it_was_about(site: Any) -> None:
    transfer = site.started(price_fen=500)
    site.run(site.provider, "transfer.terminate", transfer=transfer, reason="Zhang San, number 7431")
    ended = next(entry for entry in reversed(entries(site)) if entry.kind == "transfer.terminated")
    answer = site.client(site.exchange.staff("operator")).post(
        f"/api/v1/ledger/entries/{ended.index}/erasure", json={"fields": ["reason"], "reason": "Request of the person."}
    )
    assert answer.status_code == 200, answer.text
    order = next(entry for entry in reversed(entries(site)) if entry.kind == "opening.erased")
    public = indexes(site.exchange.app.test_client().get(f"/audit?agreement={ended.agreement}").text)
    assert ended.index in public
    assert all(entries(site)[index].agreement == ended.agreement for index in public)
    own = indexes(site.client(site.provider).get("/audit?mine=1").text)
    assert order.index in own


def test_pages_follow_each_other_forth_and_back_and_keep_what_was_asked(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE", 5)
    while sum(entry.kind == "participant.keys" for entry in entries(site)) < 12:
        site.exchange.firm("One of many", verified=False)
    client = site.exchange.app.test_client()
    expected = [entry.index for entry in entries(site) if entry.kind == "participant.keys"][::-1]

    def walk(page: str, relation: str) -> list[list[int]]:
        seen = []
        while True:
            text = client.get(page).text
            seen.append(indexes(text))
            link = re.search(rf'<a rel="{relation}" href="([^"]+)"', text)
            if link is None:
                return seen
            page = html.unescape(link[1])
            assert "kind=participant.keys" in page

    first = "/audit?kind=participant.keys"
    forth = walk(first, "next")
    assert [index for page in forth for index in page] == expected
    assert [len(page) for page in forth[:2]] == [5, 5]
    last = entries(site)[forth[-2][-1]].statement_id
    back = walk(f"{first}&before={last}", "prev")
    assert back == forth[::-1]
    assert indexes(client.get(f"{first}&before=urn:uuid:nothing").text) == forth[0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("from=yesterday", "There is no such day."),
        ("to=2026-02-30", "There is no such day."),
        ("from=0001-01-01", "There is no such day."),
        ("to=9999-12-31", "There is no such day."),
        ("from=99999-01-01", "There is no such day."),
        ("from=2026-03-02&to=2026-03-01", "The last day lies before the first one."),
        ("kind=no.such", "There is no kind of entry named like that."),
        ("kind=%25", "There is no kind of entry named like that."),
        ("agreement=%00", "An id reads urn:uuid:"),
        ("agreement='", "An id reads urn:uuid:"),
        ("agreement=" + "x" * 5000, "An id reads urn:uuid:"),
        ("about=%F0%9F%92%A9", "What an entry is about is not public."),
    ],
)
def test_what_cannot_be_looked_for_is_named_and_nothing_is_shown_for_it(embedded: Any, asked: str, said: str) -> None:
    answer = embedded.exchange.app.test_client().get(f"/audit?{asked}")
    assert answer.status_code == 200
    assert said in answer.text
    assert indexes(answer.text) == []
    assert 'aria-invalid="true"' in answer.text or "kind=" in asked or "about=" in asked


def test_hostile_places_break_nothing(site: Any) -> None:
    client = site.exchange.app.test_client()
    for asked in ("page=-5", "page=99999999999999999999", "page=x", "kind=escrow.held&before=%00", "kind=escrow.held&after=" + "x" * 5000,
                  "kind=escrow.held&before=a&after=b", "from=2026-01-01&to=9999-12-30", "from=0001-01-03"):  # fmt: skip
        answer = client.get(f"/audit?{asked}")
        assert answer.status_code == 200, asked


def test_each_page_is_one_walk_over_an_index(site: Any) -> None:
    now = datetime.now(CHINA)
    cut = (now, "urn:uuid:x")
    firm, thing = site.provider.participant, site.ledger_id
    asked = [
        Wanted(kind="escrow.held"),
        Wanted(start=now - timedelta(days=1), end=now),
        Wanted(kind="escrow.held", start=now - timedelta(days=1)),
        Wanted(firm=firm),
        Wanted(agreement=thing),
        Wanted(about=thing, firm=firm),
    ]
    with site.exchange.operations.database.reading() as session:
        dialect = session.get_bind().dialect
        if dialect.name == "postgresql":
            # The planner rightly reads a small table from end to end; what matters is that it need not.
            for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan", "enable_hashagg"):
                session.execute(text(f"SET LOCAL {setting} = off"))
        for wanted in asked:
            for place, upwards in ((None, False), (cut, False), (cut, True)):
                query = search._query(wanted, place, upwards=upwards)
                compiled = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
                explain = "EXPLAIN QUERY PLAN " if dialect.name == "sqlite" else "EXPLAIN "
                plan = "\n".join(
                    str(row[-1]) for row in session.execute(text((explain + str(compiled)).replace(":", r"\:")))
                )
                assert "ix_statement_index_" in plan, plan
                assert "FOR ORDER BY" not in plan
                assert "FOR DISTINCT" not in plan
                assert "Sort" not in plan
                assert "Seq Scan" not in plan


def test_the_path_that_is_drawn_leads_to_the_signed_root() -> None:
    from exchange.audit.pictures import rungs
    from ledger import proof
    from ledger.tree import position

    for size in (1, 2, 3, 7, 8, 13):
        leaves = [leaf_hash(b"%d" % number) for number in range(size)]
        frontier, created = Frontier().extend(leaves)
        read = lambda subtrees, created=created: [created[position(*subtree)] for subtree in subtrees]  # noqa: E731
        for index in range(size):
            ladder = rungs(index, size, leaves[index], proof.inclusion(index, size, read))
            top = ladder[-1].above if ladder else leaves[index].hex()
            assert top == frontier.root().hex()
            assert [rung.level for rung in ladder] == list(range(1, len(ladder) + 1))


def test_the_pictures_name_what_they_show_and_carry_nothing_that_the_policy_refuses(site: Any) -> None:
    client = site.exchange.app.test_client()
    index = len(entries(site)) - 2
    for locale, words in (("en", "Path of entry"), ("zh", "到达含")):
        text = client.get(f"/audit/entries/{index}", headers={"Accept-Language": locale}).text
        pictures = re.findall(r"<figure class=\"chart\">\s*(<svg.*?</svg>)", text, re.DOTALL)
        assert len(pictures) == 2
        assert words in pictures[0]
        assert entries(site)[index].leaf_hash.hex()[:8] in pictures[0]
        assert entries(site)[index - 1].leaf_hash.hex()[:8] in pictures[1]
        assert not re.search(r"style=|<script|href|on\w+=", "".join(pictures))


def test_statements_of_one_step_are_listed_in_the_order_of_the_log(
    embedded: Any, visitor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ids that fall within a step, where those of the log rise: an order by time and id alone would turn them round.
    falling = itertools.count(1)
    monkeypatch.setattr(
        "exchange.steps.uuid7", lambda now, _: uuid7(now, (2**80 - 1 - next(falling)).to_bytes(10, "big"))
    )
    reader = visitor(embedded.exchange, embedded.exchange.firm("Falling Works"))
    mine = indexes(reader.get("/audit/mine"))
    assert len(mine) > 2
    assert mine == sorted(mine, reverse=True)
    erasable = indexes(reader.get("/audit/erasures"))
    assert erasable == sorted(erasable, reverse=True)
