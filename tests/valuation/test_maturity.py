"""The catalogue is the standard's, and a self-assessment says no more than what was answered and shown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger import canonical
from valuation.errors import MaturityError
from valuation.maturity import Answer, assess, catalogue, editions

ONE, HALF, NONE = Decimal(1), Decimal("0.5"), Decimal(0)


def reaching(level: int, evidence: str = "policy DG-07") -> Answer:
    return Answer((ONE,) * level + (NONE,) * (5 - level), evidence)


def test_the_edition_of_2018_has_eight_domains_and_28_items() -> None:
    book = catalogue()
    assert book.standard == "GB/T 36073-2018"
    assert [len(domain.items) for domain in book.domains] == [3, 3, 4, 3, 3, 4, 4, 4]
    assert len({item.id for item in book.items}) == 28
    assert all(item.id.startswith(f"{domain.id}.") for domain in book.domains for item in domain.items)
    assert [level.name_zh for level in book.levels] == ["初始级", "受管理级", "稳健级", "量化管理级", "优化级"]
    assert editions() == ("2018",)


def test_the_whole_is_the_mean_of_the_domains_not_of_the_items() -> None:
    answers = {item.id: reaching(2) for item in catalogue().items}
    for item in catalogue().domains[0].items:
        answers[item.id] = reaching(4)
    found = assess(answers)
    assert found.level == Decimal("2.25")
    assert found.coverage == 1
    assert found.domains[0].level == 4
    assert found.to_json()["kind"] == "self-assessment"
    canonical.encode(found.to_json())


def test_a_level_is_reached_without_a_break() -> None:
    broken = Answer((ONE, HALF, ONE, ONE, ONE), "audit 2026")
    assert broken.level(Decimal("0.75")) == 1
    assert broken.level(HALF) == 5
    assert reaching(0, "").level(ONE) == 0


def test_what_was_not_answered_lowers_the_coverage_and_leaves_the_whole_open() -> None:
    item = catalogue().items[0].id
    found = assess({item: reaching(3)})
    assert found.level is None
    assert round(found.coverage, 6) == Decimal("0.035714")
    assert (found.domains[0].level, found.domains[0].answered) == (3, 1)
    assert found.domains[1].level is None


def test_gaps_stand_in_the_order_in_which_to_close_them() -> None:
    first, second, third = (item.id for item in catalogue().items[:3])
    found = assess(
        {
            first: reaching(3),
            second: Answer((ONE, HALF, NONE, NONE, NONE), "draft"),
            third: reaching(1),
        }
    )
    assert [gap.item for gap in found.gaps(3)] == [second, third]
    assert found.gaps(1) == ()


@pytest.mark.parametrize(
    ("conformity", "evidence", "named"),
    [
        ((ONE,) * 4, "x", "five"),
        ((ONE, ONE, ONE, ONE, Decimal("0.9")), "x", "0.75"),
        ((ONE, NONE, NONE, NONE, NONE), " ", "evidence"),
        ((ONE,) * 5, "x" * 2001, "2000"),
    ],
    ids=["four", "ninth", "bare", "long"],
)
def test_what_is_no_answer_is_refused(conformity: tuple[Decimal, ...], evidence: str, named: str) -> None:
    with pytest.raises(MaturityError, match=named):
        Answer(conformity, evidence)


def test_unknown_items_editions_and_thresholds_are_refused() -> None:
    with pytest.raises(MaturityError, match="luck"):
        assess({"strategy.luck": reaching(1)})
    with pytest.raises(MaturityError, match="1999"):
        assess({}, edition="1999")
    for threshold in (Decimal(0), Decimal("1.1")):
        with pytest.raises(MaturityError, match="threshold"):
            assess({}, threshold=threshold)
