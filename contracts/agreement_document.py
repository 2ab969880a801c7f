"""What two parties agree on, checked whole, with the canonical bytes that they sign."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from contracts.errors import AgreementError, PolicyError
from contracts.odrl import parse
from ledger.canonical import decode, encode
from ledger.errors import CanonicalError

VERSION = 1

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


def digest_of(value: object) -> str:
    """`sha256:` and the hex digest of a value's canonical JSON. Raises AgreementError for what is not JSON."""
    return f"sha256:{hashlib.sha256(_encode(value, 'value')).hexdigest()}"


def fail(name: str, problem: str, problem_zh: str, mend: str = "", mend_zh: str = "") -> NoReturn:
    """Raise AgreementError about one part, in both languages."""
    raise AgreementError(
        f"The agreement's {name} {problem}.",
        f"协议的 {name} {problem_zh}。",
        mend_en=f"{mend}." if mend else "",
        mend_zh=f"{mend_zh}。" if mend_zh else "",
    )


def _encode(value: object, name: str) -> bytes:
    try:
        return encode(value)
    except CanonicalError as error:
        raise AgreementError(
            f"The agreement's {name} has no canonical JSON: {error}.",
            f"协议的 {name} 无法写成规范 JSON：{error}。",
        ) from error


@dataclass(frozen=True)
class Agreement:
    """What both parties sign. Construction checks it whole and raises AgreementError naming the part at fault.

    `dataset_version` has `id` and `digest`. `policy` is an ODRL Agreement whose assigner, assignee and target are
    `provider`, `consumer` and `dataset`. `plan_hash` is the digest of the desensitization `plan`, `mandate` what the
    exchange's statement key may do for both. Times are aware; `valid_until` None means without end. `replaces` names
    the agreement that this one amends. The canonical bytes are fixed at construction.
    """

    id: str
    provider: str
    consumer: str
    dataset: str
    dataset_version: Mapping[str, str]
    policy: Mapping[str, Any]
    plan: Mapping[str, Any]
    plan_hash: str
    price: Mapping[str, Any]
    purpose: str
    valid_from: datetime
    valid_until: datetime | None
    mandate: Mapping[str, Any]
    created_at: datetime
    replaces: str | None = None
    _bytes: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("id", "provider", "consumer", "dataset", "purpose"):
            _check_text(name, getattr(self, name))
        if self.replaces is not None:
            _check_text("replaces", self.replaces)
        if self.provider == self.consumer:
            fail("consumer", "is the provider itself", "与提供方相同", "Name another party", "请填写另一方")
        if self.replaces == self.id:
            fail("replaces", "names the agreement itself", "指向协议自身", "Name the older one", "请填写原协议")
        _check_version(self.dataset_version)
        _check_period(self)
        for name in ("policy", "plan", "price", "mandate", "dataset_version"):
            value = getattr(self, name)
            if not isinstance(value, Mapping):
                fail(name, "is not an object", "不是对象")
            # A copy, so that what the caller keeps cannot change what was signed.
            object.__setattr__(self, name, decode(_encode(dict(value), name)))
        if digest_of(self.plan) != self.plan_hash:
            fail(
                "plan_hash",
                "is not the digest of its plan",
                "与脱敏方案的摘要不一致",
                "Take the digest of the plan as it stands in the agreement",
                "请使用协议中脱敏方案的摘要",
            )
        _check_policy(self)
        object.__setattr__(self, "_bytes", _encode(self.to_json(), "content"))

    def canonical(self) -> bytes:
        """The RFC 8785 bytes that both parties sign."""
        return self._bytes

    def digest(self) -> str:
        """`sha256:` and the hex digest of the canonical bytes: the name of the agreement on documents."""
        return f"sha256:{hashlib.sha256(self._bytes).hexdigest()}"

    def to_json(self) -> dict[str, Any]:
        """The agreement as a JSON object; `from_json` reads it back."""
        return {
            "version": VERSION,
            "id": self.id,
            "provider": self.provider,
            "consumer": self.consumer,
            "dataset": self.dataset,
            "dataset_version": deepcopy(dict(self.dataset_version)),
            "policy": deepcopy(dict(self.policy)),
            "plan": deepcopy(dict(self.plan)),
            "plan_hash": self.plan_hash,
            "price": deepcopy(dict(self.price)),
            "purpose": self.purpose,
            "valid_from": _timestamp(self.valid_from),
            "valid_until": None if self.valid_until is None else _timestamp(self.valid_until),
            "mandate": deepcopy(dict(self.mandate)),
            "created_at": _timestamp(self.created_at),
            "replaces": self.replaces,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Agreement:
        """Read an agreement. Raises AgreementError for a property that is missing, unknown or malformed."""
        if not isinstance(document, Mapping):
            fail("content", "is not an object", "不是对象")
        names = {"version", *(name for name in cls.__dataclass_fields__ if not name.startswith("_"))}
        for name in sorted(names ^ set(document), key=str):
            if name in names:
                fail(str(name), "is missing", "缺失")
            fail(
                str(name),
                "is not known",
                "未知",
                "Verify it with a newer version of this tool",
                "请使用更新版本的工具验证",
            )
        if document["version"] != VERSION or isinstance(document["version"], bool):
            fail(
                "version",
                f"is not {VERSION}",
                f"不是 {VERSION}",
                "Use a newer version of this tool",
                "请使用更新版本的工具",
            )
        values = {name: document[name] for name in names - {"version"}}
        for name in ("valid_from", "valid_until", "created_at"):
            if name != "valid_until" or values[name] is not None:
                values[name] = _moment(name, values[name])
        return cls(**values)

    @classmethod
    def from_bytes(cls, data: bytes) -> Agreement:
        """Read an agreement from its canonical bytes. Raises AgreementError when they are not exactly canonical."""
        try:
            document = decode(data)
        except CanonicalError as error:
            raise AgreementError(
                f"These are not the canonical bytes of an agreement: {error}.",
                f"这不是协议的规范字节：{error}。",
            ) from error
        agreement = cls.from_json(document)
        if agreement.canonical() != data:
            fail("content", "is written in another form", "书写形式不规范")
        return agreement


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        fail(name, "is not a text", "不是文本", "Give it", "请填写")


def _check_version(value: object) -> None:
    if not isinstance(value, Mapping) or set(value) != {"id", "digest"}:
        fail("dataset_version", "does not have exactly id and digest", "应恰好包含 id 和 digest")
    _check_text("dataset_version.id", value["id"])
    if not isinstance(value["digest"], str) or not _DIGEST.fullmatch(value["digest"]):
        fail(
            "dataset_version.digest",
            "is not a SHA-256 digest",
            "不是 SHA-256 摘要",
            'Write "sha256:" and 64 hex digits',
        )


def _check_period(agreement: Agreement) -> None:
    for name in ("valid_from", "valid_until", "created_at"):
        moment = getattr(agreement, name)
        if moment is None and name == "valid_until":
            continue
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            fail(
                name,
                "is not a time with its zone",
                "不是带时区的时间",
                "Give an aware UTC time",
                "请使用带时区的 UTC 时间",
            )
    if agreement.valid_until is not None and agreement.valid_until <= agreement.valid_from:
        fail(
            "valid_until", "is not after valid_from", "不晚于 valid_from", "Choose a later end", "请选择更晚的截止时间"
        )


def _check_policy(agreement: Agreement) -> None:
    try:
        policy = parse(agreement.policy)
    except PolicyError as error:
        raise AgreementError(error.text_en, error.text_zh, mend_en=error.mend_en, mend_zh=error.mend_zh) from error
    found = (policy.type, policy.assigner, policy.assignee, policy.target)
    if found != ("Agreement", agreement.provider, agreement.consumer, agreement.dataset):
        fail(
            "policy",
            "is not an ODRL Agreement of these parties over this dataset",
            "不是双方就该数据集订立的 ODRL 协议",
            "Take its type, assigner, assignee and target from the agreement",
            "请使其类型、授予方、受让方和标的与协议一致",
        )


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _moment(name: str, value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
        if moment.tzinfo is not None and _timestamp(moment) == value:
            return moment
    except (ValueError, OverflowError):
        # What is no time at all is refused like a time in another form.
        pass
    fail(
        name,
        "is not a UTC time in canonical form",
        "不是规范的 UTC 时间",
        "Write it as 2026-12-31T16:00:00Z",
        "请写成 2026-12-31T16:00:00Z",
    )
