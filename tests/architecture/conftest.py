"""Fixtures of the architecture's tests: the repository's own files, and the anchors of its documentation pages."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
# What a working tree holds besides the repository, for a copy that came without git.
_NOT_OURS = {".venv", ".git", "var", "demo-data", "screenshots", "evidence", "build", "dist", "node_modules"}
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_LINK_TEXT = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the repository."""
    return _ROOT


@pytest.fixture(scope="session")
def tracked(repository: Path) -> list[Path]:
    """Every file of the repository, as git lists it, or as it lies there where git is not at hand."""
    try:
        ended = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return sorted(_found(repository))
    names = [name for name in ended.stdout.decode().split("\0") if name]
    return sorted(path for name in names if (path := repository / name).is_file())


def _found(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _NOT_OURS or path.name == "__pycache__" or path.suffix in {".pyc", ".egg-info"}:
            continue
        if path.is_dir() and not (path.name.startswith(".") and path.name != ".ci"):
            yield from _found(path)
        elif path.is_file():
            yield path


@pytest.fixture(scope="session")
def anchors() -> Callable[[Path], frozenset[str]]:
    """Return a function that gives the anchors of a Markdown page, as code hosts make them of its headings."""
    return _anchors


@lru_cache
def _anchors(page: Path) -> frozenset[str]:
    found: dict[str, int] = {}
    for line in outside_code(page.read_text(encoding="utf-8")):
        heading = _HEADING.match(line)
        if heading is None:
            continue
        slug = _slug(heading[2])
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return frozenset(found)


def _slug(heading: str) -> str:
    words = _LINK_TEXT.sub(r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def outside_code(text: str) -> Iterator[str]:
    """Yield the lines of a Markdown text that stand in no fenced block."""
    fence = ""
    for line in text.splitlines():
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip().startswith(fence):
            fence = ""
        elif not fence:
            yield line


@pytest.fixture(scope="session")
def prose() -> Callable[[Path], str]:
    """Return a function that gives a Markdown page without its fenced blocks."""
    return lambda page: "\n".join(outside_code(page.read_text(encoding="utf-8")))
