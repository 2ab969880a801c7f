"""The house rules: imports, sizes of modules, words that never stand in the repository, links that lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

PACKAGES = ("exchange", "contracts", "ledger", "valuation")
LONGEST_MODULE = 400
# Each is put together here, so that this file may be searched like any other.
FORBIDDEN = {
    "the host name of a package registry": rf"\b(?:{'|'.join(('py' + 'pi', 'test.py' + 'pi'))})\.(?:org|io|cn)\b"
    rf"|python{'hosted'}\.org|{'registry'}\.npmjs|{'repo'}\.maven|{'crates'}\.io|proxy\.{'golang'}\.org",
    "a path of somebody's machine": rf"(?<![\w./-])/(?:{'wo' + 'rk'}|{'ro' + 'ot'}|{'Us' + 'ers'})/\w|/tmp/{'sp' + 'ec'}\b|/home/(?!\.)\w+/",
    "a note of unfinished work": rf"\b(?:{'TO' + 'DO'}|{'FIX' + 'ME'})\b",
    "a number of an issue": rf"\b[Ii]{'ssue'}s? #?\d",
}
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def test_the_import_rules_hold(repository: Path) -> None:
    """Import-linter reads them from pyproject.toml; they are the layout of docs/architecture.md."""
    tool = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run(
        [str(tool), "--no-cache", "--config", "pyproject.toml"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 broken" in ended.stdout


def test_no_module_is_longer_than_four_hundred_lines(tracked: list[Path], repository: Path) -> None:
    """A migration is exempt: it is the record of one change of the schema and is never edited for reading."""
    longer = {}
    for path in tracked:
        place = path.relative_to(repository)
        if path.suffix != ".py" or place.parts[0] not in PACKAGES or "migrations" in place.parts:
            continue
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_MODULE:
            longer[str(place)] = lines
    assert not longer


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str, tracked: list[Path], repository: Path) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for path in tracked:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(repository)}:{number}" for number, line in enumerate(lines, 1) if pattern.search(line)
        ]
    assert not found, f"{what}: {', '.join(found[:20])}"


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("the host name of a package registry", "https://py" + "pi.org/simple"),
        ("a path of somebody's machine", "open('/ro" + "ot/data.csv')"),
        ("a note of unfinished work", "# TO" + "DO later"),
        ("a number of an issue", "as iss" + "ue 12 asks"),
    ],
)
def test_the_search_for_forbidden_words_finds_them(what: str, line: str) -> None:
    assert re.search(FORBIDDEN[what], line)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock"])
def test_lock_files_carry_hashes_and_no_address(name: str, repository: Path) -> None:
    text = (repository / name).read_text(encoding="utf-8")
    assert "://" not in text
    pinned = re.findall(r"^[a-zA-Z0-9._-]+(?:\[[^\]]*\])?==\S+", text, re.MULTILINE)
    assert len(pinned) > 20
    blocks = re.split(r"^(?=[a-zA-Z0-9._-]+(?:\[[^\]]*\])?==)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)


def test_links_between_pages_lead_somewhere(
    tracked: list[Path], repository: Path, anchors: Callable[[Path], frozenset[str]], prose: Callable[[Path], str]
) -> None:
    broken, checked = [], 0
    for page in (path for path in tracked if path.suffix == ".md"):
        for target in _LINK.findall(prose(page)):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            checked += 1
            name, _, anchor = unquote(target).partition("#")
            place = (page.parent / name).resolve() if name else page
            if not place.exists() or not place.is_relative_to(repository):
                broken.append(f"{page.relative_to(repository)}: {target}")
            elif anchor and place.suffix == ".md" and anchor not in anchors(place):
                broken.append(f"{page.relative_to(repository)}: {target} has no such heading")
    assert not broken, "\n".join(broken)
    assert checked > 20


def test_every_page_can_be_reached_from_the_readme(
    tracked: list[Path], repository: Path, prose: Callable[[Path], str]
) -> None:
    seen, waiting = set(), [repository / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        targets = [unquote(target).partition("#")[0] for target in _LINK.findall(prose(page))]
        waiting += [(page.parent / target).resolve() for target in targets if target and "://" not in target]
    lost = {str(path.relative_to(repository)) for path in tracked if path.suffix == ".md" and path not in seen}
    assert not lost
