"""What the values of a column show by themselves: whole values, identifiers in prose, names of persons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from contracts.desensitization.chinese_names import looks_like_names, vary_like_names
from contracts.desensitization.columns import Texts
from contracts.desensitization.detectors import DETECTORS, HINTED_ONLY, Detector, Flags, runs_in_sequence
from contracts.desensitization.finding import Finding
from contracts.desensitization.hints import names_other_object
from contracts.desensitization.kinds import KINDS

# Below this share of a text column a match is an accident of one row, however sure its check character.
_INSIDE_SHARE = 0.002
# Kinds whose own word in a column's name says more than that the values look like names of persons.
_ROLES = frozenset({"operator_name", "supplier_name", "customer_name"})


def findings_by_value(name: str, kinds: frozenset[str], texts: Texts) -> list[Finding]:
    """The findings that the distinct values of a column give; `kinds` are those that its name suggests."""
    findings: list[Finding] = []
    identities = np.zeros(len(texts.values), np.bool_)
    other = names_other_object(name)
    for detector in DETECTORS + HINTED_ONLY:
        has_hint = detector.kind in kinds
        flags = detector.matches(texts.values)
        matched = int(texts.counts[flags].sum())
        needed = detector.hinted_share if has_hint else detector.share
        if matched and matched >= needed * texts.tested and (has_hint or int(flags.sum()) >= detector.spread):
            chosen = texts.values.filter(pa.array(flags))
            if detector.weak and not has_hint and (other or runs_in_sequence(chosen)):
                continue
            findings.append(_found(name, detector, texts, flags, chosen, has_hint))
        elif not (detector.weak and other):
            inside = detector.inside_text(texts.values)
            if detector.kind == "resident_id":
                identities = inside.flags
            elif detector.doubtful:
                # An identity number may pass the check of another kind by chance, and is none.
                inside = inside._replace(flags=inside.flags & ~identities)
            matched = int(texts.counts[inside.flags].sum())
            sure = not detector.doubtful or 2 * inside.right >= inside.seen
            if sure and matched >= max(1, _INSIDE_SHARE * texts.tested):
                findings.append(_inside(name, detector, texts, inside.flags))
    return findings or _persons(name, kinds, texts)


def _finding(name: str, kind: str, confidence: float, texts: Texts, flags: Flags, reason: tuple[str, str]) -> Finding:
    matched, tested = int(texts.counts[flags].sum()), texts.tested
    return Finding(
        name,
        kind,
        KINDS[kind].category,
        round(confidence, 3),
        matched,
        tested,
        f"{matched} of {tested} {reason[0]}",
        f"{tested} {reason[1]}".replace("#", str(matched)),
        rows=texts.rows(flags),
    )


def _found(name: str, detector: Detector, texts: Texts, flags: Flags, chosen: Any, has_hint: bool) -> Finding:
    kind = KINDS[detector.kind]
    share = int(texts.counts[flags].sum()) / texts.tested
    confidence = (0.7 + 0.29 * share) if has_hint else detector.confidence * (0.5 + 0.5 * share)
    if detector.score is not None:
        confidence *= 0.9 + 0.1 * float(np.mean(detector.score(detector.bare(chosen))))
    checked = detector.check is not None and not detector.weak
    checked_en, checked_zh = (", with valid check digits", "，且校验位正确") if checked else ("", "")
    named_en, named_zh = ("; the column's name says so too", "；列名也如此表明") if has_hint else ("", "")
    reason = (
        f"values have the form of {kind.label_en}{checked_en}{named_en}",
        f"个值中有 # 个符合{kind.label_zh}的格式{checked_zh}{named_zh}",
    )
    return _finding(name, detector.kind, confidence, texts, flags, reason)


def _inside(name: str, detector: Detector, texts: Texts, flags: Flags) -> Finding:
    kind = KINDS[detector.kind]
    reason = (
        f"texts contain what has the form of {kind.label_en}",
        f"段文本中有 # 段含有符合{kind.label_zh}格式的内容",
    )
    return _finding(name, detector.kind, 0.6 if detector.weak else 0.8, texts, flags, reason)


def _persons(name: str, kinds: frozenset[str], texts: Texts) -> list[Finding]:
    flags = looks_like_names(texts.values)
    share = int(texts.counts[flags].sum()) / texts.tested
    by_hint = "person_name" in kinds and share >= 0.5
    # A name that speaks of operators, suppliers or customers says more than the shape of the values.
    by_shape = not kinds & _ROLES and share >= 0.9 and vary_like_names(texts.values.filter(pa.array(flags)))
    if not (by_hint or by_shape):
        return []
    kind = KINDS["person_name"]
    reason = (f"values have the form of {kind.label_en}", f"个值中有 # 个符合{kind.label_zh}的特征")
    return [_finding(name, "person_name", 0.95 if by_hint else 0.7, texts, flags, reason)]
