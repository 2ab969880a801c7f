"""Terms of the full-text index: what a text is cut into, and how a query asks for them; one answer for both databases.

Chinese, Japanese and Korean runs become overlapping pairs of characters (轴承振动: 轴承 承振 振动) plus the last character alone, so that
every character begins a term; other scripts become lower-case words without accents. A word of two or more such characters is
asked for as the phrase of its pairs, a single one as a prefix, so any substring is found without a dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_CJK = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003fffd"
)
_RUN = re.compile(f"([{_CJK}]+)|((?:(?![{_CJK}])[^\\W_])+)")
_LONGEST_WORD = 64
# PostgreSQL keeps word positions up to 16,383; a longer text is searched by its beginning.
LONGEST_TEXT = 16_000


@dataclass(frozen=True)
class Term:
    """One condition of a query: all `pieces` in a row; with `prefix` the (only) piece may go on."""

    pieces: tuple[str, ...]
    prefix: bool = False


def normalize(text: str) -> str:
    """Return `text` in one width and case, without accents."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))


def _runs(text: str) -> Iterator[tuple[bool, str]]:
    for match in _RUN.finditer(normalize(text)):
        yield (True, match[1]) if match[1] else (False, match[2][:_LONGEST_WORD])


def cut(text: str) -> list[str]:
    """Return the terms of `text` in order, at most LONGEST_TEXT of them."""
    terms: list[str] = []
    for is_cjk, run in _runs(text):
        if is_cjk:
            terms.extend(run[place : place + 2] for place in range(len(run)))
        else:
            terms.append(run)
        if len(terms) >= LONGEST_TEXT:
            return terms[:LONGEST_TEXT]
    return terms


def ask(text: str) -> list[Term]:
    """Return what a query text asks for; all terms must be met, and the last word may be unfinished."""
    terms = []
    runs = list(_runs(text))
    for place, (is_cjk, run) in enumerate(runs):
        if is_cjk and len(run) > 1:
            terms.append(Term(tuple(run[start : start + 2] for start in range(len(run) - 1))))
        else:
            terms.append(Term((run,), prefix=is_cjk or (place == len(runs) - 1 and len(run) > 2)))
    return list(dict.fromkeys(terms))


def fts5(terms: Iterable[Term]) -> str:
    """Return the terms as an FTS5 expression, each a quoted phrase."""
    return " AND ".join(f'"{" ".join(term.pieces)}"' + (" *" if term.prefix else "") for term in terms)


def tsquery(terms: Iterable[Term]) -> str:
    """Return the terms as the text of a PostgreSQL tsquery."""
    return " & ".join(
        "(" + " <-> ".join(f"'{piece}'" + (":*" if term.prefix else "") for piece in term.pieces) + ")"
        for term in terms
    )


def tsvector(fields: Iterable[tuple[str, str]], facets: Iterable[str]) -> str:
    """Return the text of a PostgreSQL tsvector: fields of (text, weight A to D), then facets without a position."""
    places: dict[str, list[str]] = {}
    position = 0
    for text, weight in fields:
        for term in cut(text)[: max(0, LONGEST_TEXT - position)]:
            position += 1
            places.setdefault(term, []).append(f"{position}{weight}")
        # A gap keeps a phrase from beginning in one field and ending in the next.
        position += 2
    words = [f"'{term}':{','.join(where[:255])}" for term, where in places.items()]
    return " ".join([*words, *(f"'={facet}'" for facet in facets)])
