"""What the project claims to do: every claim that is called built names a test and a page, and both exist."""

from __future__ import annotations

import ast
import csv
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

HEADER = ["capability", "status", "test", "documentation"]
Row = dict[str, str]


@pytest.fixture(scope="module")
def rows(repository: Path) -> list[Row]:
    with (repository / "docs" / "capabilities.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == HEADER
        return list(reader)


@lru_cache
def _tests_of(path: Path) -> frozenset[str]:
    """Return the names of the tests in a file, those of a class as Class::test; nothing is imported."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        names |= {prefix + item.name for item in inside if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    return frozenset(name for name in names if name.rpartition("::")[2].startswith("test_"))


def fault_of_test(repository: Path, named: str) -> str | None:
    """Return what is wrong with `path::test_name`, or None where that test exists."""
    path, separator, name = named.partition("::")
    if not separator or not path.startswith("tests/"):
        return f"{named!r} does not read tests/…::test_…"
    if not (repository / path).is_file():
        return f"there is no file {path}"
    return None if name in _tests_of(repository / path) else f"{path} has no test {name}"


def fault_of_page(repository: Path, anchors: Callable[[Path], frozenset[str]], named: str) -> str | None:
    """Return what is wrong with `docs/page.md#anchor`, or None where that heading exists."""
    path, separator, anchor = named.partition("#")
    if not separator or not path.endswith(".md"):
        return f"{named!r} does not read docs/….md#…"
    if not (repository / path).is_file():
        return f"there is no page {path}"
    return None if anchor in anchors(repository / path) else f"{path} has no heading #{anchor}"


def test_capabilities_are_named_once_and_have_a_known_status(rows: list[Row]) -> None:
    names = [row["capability"] for row in rows]
    assert sorted(set(names)) == sorted(names)
    assert all(name == name.strip() and name for name in names)
    assert {row["status"] for row in rows} <= {"built", "planned"}
    assert sum(row["status"] == "built" for row in rows) > 50


def test_every_built_capability_has_a_test_that_exists(rows: list[Row], repository: Path) -> None:
    faults = [
        f"{row['capability']}: {fault}"
        for row in rows
        if row["status"] == "built" and (fault := fault_of_test(repository, row["test"]))
    ]
    assert not faults, "\n".join(faults)


def test_every_capability_has_a_page_that_exists(
    rows: list[Row], repository: Path, anchors: Callable[[Path], frozenset[str]]
) -> None:
    faults = [
        f"{row['capability']}: {fault}"
        for row in rows
        if (fault := fault_of_page(repository, anchors, row["documentation"]))
    ]
    assert not faults, "\n".join(faults)


def test_a_planned_capability_claims_no_test_and_stands_on_the_roadmap(rows: list[Row]) -> None:
    planned = [row for row in rows if row["status"] == "planned"]
    assert all(row["test"] == "-" for row in planned)
    assert all(row["documentation"].startswith("docs/roadmap.md#") for row in planned)


def test_a_missing_test_file_name_page_or_anchor_is_noticed(
    repository: Path, anchors: Callable[[Path], frozenset[str]]
) -> None:
    here = "tests/architecture/test_capabilities.py"
    assert fault_of_test(repository, f"{here}::test_capabilities_are_named_once_and_have_a_known_status") is None
    assert fault_of_test(repository, f"{here}::test_that_nobody_wrote") == f"{here} has no test test_that_nobody_wrote"
    assert fault_of_test(repository, f"{here}::fault_of_test") == f"{here} has no test fault_of_test"
    assert fault_of_test(repository, "tests/nowhere.py::test_x") == "there is no file tests/nowhere.py"
    assert fault_of_test(repository, here) is not None
    assert fault_of_test(repository, "") is not None
    assert (
        fault_of_page(repository, anchors, "README.md#no-such-heading") == "README.md has no heading #no-such-heading"
    )
    assert fault_of_page(repository, anchors, "docs/nowhere.md#x") == "there is no page docs/nowhere.md"
    assert fault_of_page(repository, anchors, "-") is not None
