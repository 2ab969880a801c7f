"""The Chinese of the pages: complete, with the same placeholders, compiled, and what a reader of Chinese sees."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.frontend import CommandLineInterface
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from flask.testing import FlaskClient
from jinja2 import Environment, nodes
from werkzeug.exceptions import HTTPException

from exchange.catalog import uploads
from exchange.progress_words import progress_words

ROOT = Path(__file__).parents[2]
CHINESE = ROOT / "exchange" / "translations" / "zh" / "LC_MESSAGES"
# Names that are the same in both languages.
SAME = {"API"}
TRANSLATORS = {"_": 1, "gettext": 1, "ngettext": 2, "pgettext": 2, "npgettext": 3}
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?[a-zA-Z%]")
# A kind of statement that has no words yet shows as it stands on the ledger.
_KIND = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)*(?<!\.json)")
_HAN = re.compile(r"[\u4e00-\u9fff]")
Key = tuple[str | None, str]


def key(message: Message) -> Key:
    # A compiled catalogue gives its contexts as bytes.
    context = message.context.decode() if isinstance(message.context, bytes) else message.context
    return context, message.id if isinstance(message.id, str) else message.id[0]


def texts(found: Catalog) -> dict[Key, Message]:
    return {key(message): message for message in found if message.id}


def several(text: Any) -> tuple[str, ...]:
    """Return a message's forms: one, or a singular and its plurals."""
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.fixture(scope="module")
def keywords() -> list[str]:
    """The names of translating functions that `make translations` looks for beside the usual ones."""
    recipe = re.search(r"pybabel --quiet extract (.*)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert recipe
    return re.findall(r"-k (\S+)", recipe[1])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, keywords: list[str]) -> dict[Key, Message]:
    """Every text of the templates and the Python sources, found anew."""
    target = tmp_path_factory.mktemp("texts") / "messages.pot"
    options = [part for keyword in keywords for part in ("-k", keyword)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        CommandLineInterface().run(["pybabel", "-q", "extract", "-F", "babel.cfg", *options, "-o", str(target), "."])
    with target.open("rb") as file:
        return texts(read_po(file))


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    with (CHINESE / "messages.po").open("rb") as file:
        return read_po(file, locale="zh")


def test_every_text_has_its_chinese_and_nothing_else_is_kept(found: dict[Key, Message], chinese: Catalog) -> None:
    known = texts(chinese)
    assert len(found) > 900, "the texts were not found"
    assert not found.keys() - known.keys(), "run `make translations` and write what is missing"
    assert not known.keys() - found.keys(), "run `make translations` to drop what nothing uses"
    assert not chinese.obsolete
    unfinished = [name for name, message in known.items() if message.fuzzy or not all(several(message.string))]
    assert not unfinished


def test_every_chinese_text_is_chinese(chinese: Catalog) -> None:
    for (_, english), message in texts(chinese).items():
        if english not in SAME and re.search(r"[A-Za-z]{2}", _PLACEHOLDER.sub("", english)):
            assert all(_HAN.search(text) for text in several(message.string)), english


def test_a_chinese_text_has_the_placeholders_of_the_english_one(chinese: Catalog) -> None:
    for message in texts(chinese).values():
        wanted = sorted(set(_PLACEHOLDER.findall(several(message.id)[-1])))
        for text in several(message.string):
            assert sorted(set(_PLACEHOLDER.findall(text))) == wanted, (message.id, text)


def test_the_compiled_catalogue_is_that_of_the_written_one(chinese: Catalog) -> None:
    with (CHINESE / "messages.mo").open("rb") as file:
        compiled = texts(read_mo(file))
    written = texts(chinese)
    assert compiled.keys() == written.keys()
    for name, message in written.items():
        assert several(compiled[name].string) == several(message.string), name


def test_python_calls_only_translators_that_the_search_knows_with_texts_written_out(keywords: list[str]) -> None:
    known = TRANSLATORS.keys() | {word.partition(":")[0] for word in keywords}
    for path in sorted((ROOT / "exchange").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "flask_babel":
                names |= {item.asname or item.name: item.name for item in node.names if item.name.endswith("gettext")}
        assert not names.keys() - known, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                written = TRANSLATORS[names[node.func.id].removeprefix("lazy_")]
                for part in node.args[:written]:
                    assert isinstance(part, ast.Constant), f"{path}:{node.lineno}"


def test_templates_translate_only_texts_written_out() -> None:
    reader = Environment(extensions=["jinja2.ext.do"], autoescape=True)
    for path in sorted((ROOT / "exchange" / "templates").rglob("*.html")):
        for call in reader.parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in TRANSLATORS:
                for part in call.args[: TRANSLATORS[call.node.name]]:
                    assert isinstance(part, nodes.Const), f"{path}:{call.lineno}"


class Seen(HTMLParser):
    """What a page shows: texts, and attributes that are read out or shown; and its links."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"code", "pre", "script", "textarea"}:
            self._silent += 1
        if given.get("lang") == "en":
            return
        self.texts += [given[name] or "" for name in ("title", "aria-label", "placeholder", "alt") if name in given]
        if tag == "a":
            self.links.append(given.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"code", "pre", "script", "textarea"}:
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.texts.append(" ".join(data.split()))


def shapes(chinese: Catalog) -> re.Pattern[str]:
    """Return the pattern of every English text that has another Chinese one; what is filled in matches anything."""
    patterns = []
    for message in texts(chinese).values():
        for text in several(message.id):
            if text != several(message.string)[0] and re.search(r"[A-Za-z]{2}", _PLACEHOLDER.sub("", text)):
                parts = [re.escape(part) for part in re.split(r"%(?:\(\w+\))?[a-zA-Z]", " ".join(text.split()))]
                patterns.append(".+".join(parts))
    return re.compile("|".join(patterns))


def pages(client: FlaskClient, visited: set[Any]) -> Iterator[tuple[str, str]]:
    """Walk from the start page along the links, and yield path and HTML of one page of each kind."""
    router = client.application.url_map.bind("localhost")
    waiting = ["/", "/nothing-here"]
    while waiting:
        path = waiting.pop()
        parts = urlsplit(path)
        try:
            endpoint = router.match(parts.path)[0]
        except HTTPException:
            endpoint = parts.path
        chosen = tuple(pair for pair in parse_qsl(parts.query) if pair[0] in {"tab", "template", "open"})
        if parts.netloc or endpoint in {"preferences.update", "static"} or (endpoint, chosen) in visited:
            continue
        visited.add((endpoint, chosen))
        # A download is read to its end, so that nothing of it lives on into the next request.
        answer = client.get(path, buffered=True)
        if answer.mimetype != "text/html":
            continue
        assert answer.status_code in {200, 303, 404}, (path, answer.status_code)
        html = answer.get_data(as_text=True)
        yield path, html
        seen = Seen()
        seen.feed(html)
        waiting += [link for link in seen.links if link.startswith("/")]


@pytest.fixture
def trade(sqlite_exchange: Any, sample_csv: bytes) -> Any:
    """An exchange on which a dataset was offered, valued, agreed on, paid and delivered; and one that waits."""
    provider, consumer = sqlite_exchange.firm("华东机床"), sqlite_exchange.firm("江南轴承")
    run: Callable[..., Any] = lambda actor, name, **given: sqlite_exchange.operations.run(actor, name, **given).result  # noqa: E731
    dataset = run(
        provider, "catalog.create_dataset", title="主轴振动", description="一个加工单元", domain="production"
    )["id"]
    uploads.take(sqlite_exchange.operations, provider, dataset, io.BytesIO(sample_csv), name="cell.csv")
    run(
        provider, "catalog.declare_rights", dataset=dataset, holding=True, processing=True, operating=True,
        source="own-production", evidence="自有产线，登记编号四十二。",
    )  # fmt: skip
    answers = {"safety": 1, "loss": 1, "reach": 1}
    run(
        provider,
        "catalog.grade_dataset",
        dataset=dataset,
        answers=answers,
        category="general",
        reason="这些行均为虚构。" * 2,
    )
    price = {"kind": "one-off", "amount_fen": 120_000, "currency": "CNY"}
    for _ in range(2):
        offer = run(
            provider, "catalog.draft_offer", dataset=dataset, template="internal-use", parameters={}, price=price,
            visibility="public",
        )["id"]  # fmt: skip
        run(provider, "catalog.publish_offer", offer=offer)
    run(
        provider,
        "catalog.draft_offer",
        dataset=dataset,
        template="n-times",
        parameters={"count": 3},
        price=price,
        visibility="public",
    )
    run(provider, "catalog.create_dataset", title="空数据集", description="", domain="production")
    for agreed in (False, True):
        wish = {"offer": offer, "purpose": "predictive-maintenance", "intended_use": "预测本厂主轴的故障，安排检修。"}
        negotiation = run(consumer, "negotiation.request", **wish)["negotiation"]
        if agreed:
            run(provider, "negotiation.agree", negotiation=negotiation)
            agreement = run(consumer, "negotiation.verify", negotiation=negotiation)["agreement"]
    operator = sqlite_exchange.staff("operator")
    run(operator, "settlement.top_up", participant=consumer.participant, amount_fen=500_000, reference="BANK-1")
    run(consumer, "settlement.fund", agreement=agreement)
    run(consumer, "transfer.request", agreement=agreement)
    sqlite_exchange.firm("待核验企业", verified=False)
    sqlite_exchange.people = {
        "visitor": None, "provider": provider, "consumer": consumer, "operator": operator,
        "auditor": sqlite_exchange.staff("auditor"), "newcomer": sqlite_exchange.firm("新入驻企业", verified=False),
    }  # fmt: skip
    return sqlite_exchange


@pytest.mark.slow
def test_no_page_shows_a_reader_of_chinese_an_english_text(trade: Any, chinese: Catalog) -> None:
    english = shapes(chinese)
    visited: set[Any] = set()
    left: dict[str, list[str]] = {}
    for name, person in trade.people.items():
        client = trade.client(person)
        client.set_cookie("locale", "zh")
        mine: set[Any] = set()
        for path, html in pages(client, mine):
            assert '<html lang="zh' in html, path
            seen = Seen()
            seen.feed(html)
            wrong = [text for text in seen.texts if english.fullmatch(text)]
            # An entry's own page names its kind beside the words for it.
            if not path.startswith("/audit/entries/"):
                wrong += [text for text in seen.texts if _KIND.fullmatch(text)]
            if wrong:
                left[f"{name} {path}"] = wrong
        visited |= mine
    assert not left, "\n".join(f"{where}: {texts}" for where, texts in left.items())
    # The walk is of use only if it came by the pages that matter.
    came = {endpoint for endpoint, _ in visited}
    assert {"catalog.show", "catalog.manage", "catalog.edit_offer", "negotiation.show", "negotiation.agreement"} <= came
    assert {
        "transfer.show",
        "settlement.index",
        "audit.entry",
        "participants.organisation",
        "supervision.index",
    } <= came


def test_the_language_comes_from_the_cookie_then_from_the_browser_then_from_the_setting(
    make_exchange: Callable[..., Any],
) -> None:
    client = make_exchange(default_locale="zh").client()

    def language(**headers: str) -> str:
        shown = re.search(r'<html lang="([a-z]+)', client.get("/", headers=headers).get_data(as_text=True))
        assert shown
        return shown[1]

    assert language() == "zh"
    assert language(**{"Accept-Language": "fr"}) == "zh"
    assert language(**{"Accept-Language": "en-GB,en;q=0.9"}) == "en"
    client.set_cookie("locale", "zh")
    assert language(**{"Accept-Language": "en"}) == "zh"


def test_the_progress_of_a_job_is_told_in_the_language_of_the_page(sqlite_exchange: Any) -> None:
    reports = ("reading", "measuring 振动", "12/40", "cell.csv", None)
    with sqlite_exchange.app.test_request_context("/", headers={"Cookie": "locale=zh"}):
        assert [progress_words(report) for report in reports] == ["正在读取", "正在统计 振动", "12/40", "cell.csv", ""]
    with sqlite_exchange.app.test_request_context("/"):
        assert [progress_words(report) for report in reports] == ["reading", "measuring 振动", "12/40", "cell.csv", ""]


def test_every_report_of_a_worker_has_words() -> None:
    """A report is a text, a text with one name at its end, or a bare name."""
    known = set()
    source = (ROOT / "exchange" / "progress_words.py").read_text(encoding="utf-8")
    for folder in ("exchange", "valuation"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for report in re.findall(r"progress\([^\n]*?,\s*f?\"([a-z][^\"]+)\"\)", path.read_text(encoding="utf-8")):
                known.add(report)
                assert f'"{re.sub(r" ?{.*", "", report)}"' in source, f"{path}: {report}"
    assert len(known) >= 9, "the reports were not found"
