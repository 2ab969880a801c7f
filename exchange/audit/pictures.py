"""Pictures of the log: how neighbouring entries hang together, and the path from one entry to the signed root.

Drawn here as plain SVG of the palette's colours; exchange.svg strips and names them, so that they follow light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from exchange.svg import AXIS, BLUE, INK, LINE, MUTED, SOFT, SURFACE, TEAL, Chart, clean
from ledger.entry import Entry
from ledger.hashing import node_hash

WIDTH = 360
_BOX, _GAP = 58, 30
_STEP, _NODE, _SIDE, _HIGH = 64, 136, 102, 34


@dataclass(frozen=True)
class Rung:
    """One level of an inclusion path: the hash beside, on which side it stands, and the hash above both."""

    level: int
    sibling: str
    on_left: bool
    above: str


def rungs(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> list[Rung]:
    """Return the levels from a leaf up to the root, as RFC 9162 section 2.1.3.2 joins them. Requires a proof that holds."""
    found, node, last, current = [], index, size - 1, leaf
    for level, sibling in enumerate(path, 1):
        on_left = bool(node & 1) or node == last
        current = node_hash(sibling, current) if on_left else node_hash(current, sibling)
        if on_left:
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
        found.append(Rung(level, sibling.hex(), on_left, current.hex()))
    return found


def path(index: int, size: int, leaf: bytes, ladder: Sequence[Rung], words: Mapping[str, str]) -> Chart:
    """Draw the path of entry `index` to the root of a tree of `size`: `words` name entry, root and the nodes between."""
    height = len(ladder) * _STEP + _HIGH + 8
    middle, bottom = WIDTH / 2, height - _HIGH - 4
    parts: list[str] = []
    for rung in ladder:
        y = bottom - (rung.level - 1) * _STEP
        above = y - _STEP + _HIGH
        left = 2.0 if rung.on_left else WIDTH - _SIDE - 2.0
        parts.append(_line(middle, y, middle, above, AXIS, 1.5))
        parts.append(_line(left + _SIDE / 2, y + 4, middle, above, AXIS, 1.5, dash="3 3"))
        parts.append(_rect(left, y + 4, _SIDE, _HIGH - 8, fill=SURFACE, stroke=LINE, width=1.2))
        parts.append(_text(left + _SIDE / 2, y + 21, _short(rung.sibling), MUTED, 10.5, mono=True))
    names = [(leaf.hex(), words["entry"], BLUE), *((rung.above, words["node"], SOFT) for rung in ladder)]
    if ladder:
        names[-1] = (ladder[-1].above, words["root"], TEAL)
    else:
        names[0] = (leaf.hex(), f"{words['entry']} = {words['root']}", TEAL)
    for level, (digest, note, colour) in enumerate(names):
        y = bottom - level * _STEP
        parts.append(_rect(middle - _NODE / 2, y, _NODE, _HIGH, fill=SURFACE, stroke=colour, width=2))
        parts.append(
            _text(middle, y + 14, note, MUTED, 10.5) + _text(middle, y + 28, _short(digest), INK, 11.5, mono=True)
        )
    alt = words["path"] % {"index": index, "levels": len(ladder), "size": size}
    return _chart(height, parts, alt)


def chain(entries: Sequence[Entry], current: int, words: Mapping[str, str]) -> Chart:
    """Draw neighbouring entries, oldest first, each naming the leaf hash of the one before; `current` is marked."""
    height = len(entries) * (_BOX + _GAP) - _GAP + 8
    parts: list[str] = []
    for place, entry in enumerate(entries):
        y = 4 + place * (_BOX + _GAP)
        marked = entry.index == current
        parts.append(
            _rect(6, y, WIDTH - 12, _BOX, fill=SURFACE, stroke=BLUE if marked else LINE, width=2.4 if marked else 1.4)
        )
        parts.append(_text(18, y + 22, f"{entry.index}", INK, 15, anchor="start", bold=True))
        parts.append(_text(WIDTH - 18, y + 22, entry.kind, INK, 12, anchor="end"))
        parts.append(_text(18, y + 44, words["leaf"], MUTED, 11, anchor="start"))
        parts.append(_text(WIDTH - 18, y + 44, _short(entry.leaf_hash.hex()), INK, 12, anchor="end", mono=True))
        if place:
            middle = WIDTH / 2
            parts.append(_line(middle, y, middle, y - _GAP + 5, TEAL, 1.8))
            parts.append(
                f'<path d="M{middle - 5},{y - _GAP + 9} L{middle},{y - _GAP + 1} L{middle + 5},{y - _GAP + 9}" fill="none" stroke="{TEAL}" stroke-width="1.8"/>'
            )
            parts.append(_text(middle + 12, y - 11, words["prev"], MUTED, 10.5, anchor="start"))
    indexes = f"{entries[0].index}–{entries[-1].index}"
    return _chart(height, parts, words["chain"] % {"indexes": indexes})


def _chart(height: float, parts: Sequence[str], alt: str) -> Chart:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}">{"".join(parts)}</svg>'
    return Chart(clean(svg, alt), alt, "")


def _short(digest: str) -> str:
    return f"{digest[:8]}…{digest[-4:]}"


def _rect(x: float, y: float, width_: float, height: float, *, fill: str, stroke: str, width: float) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width_:g}" height="{height:g}" rx="5" fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float, *, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{stroke}" stroke-width="{width:g}"{dashed}/>'


def _text(
    x: float,
    y: float,
    text: str,
    fill: str,
    size: float,
    *,
    anchor: str = "middle",
    bold: bool = False,
    mono: bool = False,
) -> str:
    weight = ' font-weight="600"' if bold else ""
    family = ' font-family="monospace"' if mono else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{fill}" font-size="{size:g}" text-anchor="{anchor}"{weight}{family}>{escape(text)}</text>'
