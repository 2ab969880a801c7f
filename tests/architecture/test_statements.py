"""What the program records and what it defines are the same: every kind is recorded somewhere, and every recorded one is defined."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.negotiation import State
from exchange.audit.statements import ALL, STATEMENTS
from exchange.audit.statements.table import markdown
from exchange.audit.statements.vocabulary import unused
from ledger.attestation import GENESIS

_KIND = re.compile(r"[a-z]+\.[a-z_]+")
# Kinds that calls put together from a part; the parts are stated here, so that a new one is not forgotten.
_BUILT = {
    "negotiation.": {state.lower() for state in State},
    "escrow.": {"held", "released", "refunded"},
}

Call = tuple[str, list[ast.expr]]


def _trees(repository: Path) -> list[ast.Module]:
    pages = (repository / "exchange").rglob("*.py")
    return [ast.parse(path.read_text(encoding="utf-8")) for path in pages if "statements" not in path.parts]


def _calls(node: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    for item in ast.walk(node):
        if isinstance(item, ast.Call):
            name = getattr(item.func, "id", getattr(item.func, "attr", ""))
            yield name, [*item.args, *(keyword.value for keyword in item.keywords)]


def _recorders(trees: list[ast.Module]) -> set[str]:
    """Return `record` and the functions that hand a kind on to it: those that pass one of their own parameters to a recorder."""
    known = {"record"}
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    while True:
        found = set(known)
        for function in functions:
            arguments = function.args
            own = {item.arg for item in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)} - {"step"}
            for name, given in _calls(function):
                if name in known and any(
                    isinstance(item, ast.Name) and item.id in own & {"kind", "event"} for item in given
                ):
                    found.add(function.name)
        if found == known:
            return known
        known = found


def recorded(repository: Path) -> set[str]:
    """Return the kinds that the program's calls name or put together."""
    trees = _trees(repository)
    recorders = _recorders(trees)
    kinds = set()
    for tree in trees:
        for name, given in _calls(tree):
            if name not in recorders:
                continue
            for item in given:
                if isinstance(item, ast.Constant) and isinstance(item.value, str) and _KIND.fullmatch(item.value):
                    kinds.add(item.value)
                elif isinstance(item, ast.JoinedStr) and isinstance(item.values[0], ast.Constant):
                    start = str(item.values[0].value)
                    kinds |= {start + part for part in _BUILT[start]}
    return kinds


@pytest.fixture(scope="module")
def kinds(repository: Path) -> set[str]:
    return recorded(repository)


def test_every_kind_that_is_recorded_is_defined(kinds: set[str]) -> None:
    assert len(kinds) > 30
    assert sorted(kinds - STATEMENTS.kinds.keys()) == []


def test_every_kind_that_is_defined_is_recorded(kinds: set[str]) -> None:
    # The log itself writes its first entry.
    assert sorted(STATEMENTS.kinds.keys() - kinds - {GENESIS}) == []


def test_every_word_of_the_vocabulary_is_used_by_a_kind() -> None:
    assert sorted(unused(ALL)) == []


def test_the_page_of_statements_is_what_the_definitions_give(repository: Path) -> None:
    page = (repository / "docs" / "statements.md").read_text(encoding="utf-8")
    assert page == markdown(), "write it anew: python -m exchange.audit.statements"


def test_the_page_shows_every_kind_with_its_fields_and_what_is_public_of_each(repository: Path) -> None:
    page = (repository / "docs" / "statements.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| `")}
    for kind in ALL:
        assert all(f"`{name}`" in rows[kind.name] for name in kind.fields), kind.name
        for name in kind.fields:
            assert "name, commitment | salt, value |" in rows[name], name


def test_every_kind_has_its_name_on_the_pages(repository: Path) -> None:
    badges = (repository / "exchange" / "templates" / "components" / "badges.html").read_text(encoding="utf-8")
    assert sorted(kind.name for kind in ALL if f'"{kind.name}":' not in badges) == []


def test_what_proves_a_deal_cannot_be_erased() -> None:
    proving = re.compile(r"digest|_fen|provider|consumer|agreement|decision|use|uses|.*_until|postings|.*_key")
    for kind in ALL:
        if kind.counted == "always":
            assert not [name for name in kind.erasable if proving.fullmatch(name)], kind.name
