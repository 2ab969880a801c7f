"""A JSON object of a policy document, read so that nothing in it goes unnoticed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from contracts.errors import PolicyError
from contracts.odrl.model import Other
from contracts.odrl.vocabulary import shorten

_KEYS = {"uid": "@id", "type": "@type", "id": "@id"}


def fail(path: str, reason: str, reason_zh: str, mend: str, mend_zh: str) -> NoReturn:
    """Raise PolicyError in both languages."""
    raise PolicyError(path, reason, mend, reason_zh=reason_zh, mend_zh=mend_zh)


class JsonObject:
    """A JSON object whose keys are taken one by one, so that what is left over is known to be unknown."""

    def __init__(self, source: object, path: str) -> None:
        if not isinstance(source, Mapping):
            fail(
                path,
                "an object is expected here",
                "此处应为一个对象",
                'Write an object in braces, such as {"action": "use"}',
                '请写成花括号中的对象，例如 {"action": "use"}',
            )
        self.path = path
        self.left: dict[str, tuple[str, Any]] = {}
        for key, value in source.items():
            if not isinstance(key, str):
                fail(path, "a name is not a string", "存在不是字符串的属性名", "Use strings", "请使用字符串")
            short = shorten(key)
            name = _KEYS.get(short, short)
            if name in self.left:
                fail(
                    self.at(key),
                    f"{name} is said twice in different spellings",
                    f"属性 {name} 以不同写法重复出现",
                    "Keep one of them",
                    "请只保留一个",
                )
            self.left[name] = (key, value)

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if key.replace("_", "").isalnum() else f"{self.path}['{key}']"

    def has(self, name: str) -> bool:
        return name in self.left

    def take(self, name: str) -> tuple[str, Any]:
        """The path and the value of a property that is there."""
        key, value = self.left.pop(name)
        return self.at(key), value

    def items(self, name: str) -> Iterator[tuple[str, Any]]:
        """The path and value of each member of a property that may be one thing, a list, or absent."""
        if not self.has(name):
            return
        path, value = self.take(name)
        value = unlist(value)
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield f"{path}[{index}]", item
        else:
            yield path, value

    def term(self, name: str, what: str, what_zh: str) -> str:
        """A property that must be there and be a word or a reference, in its short form."""
        if not self.has(name):
            fail(
                self.path,
                f"{what} is missing",
                f"缺少{what_zh}",
                f"Add the property {name}",
                f"请补充属性 {name}",
            )
        path, value = self.take(name)
        word = reference(value)
        if word is None:
            fail(
                path,
                f"{what} is not a word",
                f"{what_zh}不是一个词",
                'Write it as a string, such as "eq"',
                '请写成字符串，例如 "eq"',
            )
        return shorten(word)

    def text(self, name: str) -> str | None:
        """A property that is one string or reference; anything else stays left over."""
        words = self._words(name)
        if len(words) != 1:
            return None
        self.take(name)
        return words[0]

    def texts(self, name: str) -> tuple[str, ...]:
        """A property that is one or more strings or references; anything else stays left over."""
        words = self._words(name)
        if words:
            self.take(name)
        return words

    def _words(self, name: str) -> tuple[str, ...]:
        if not self.has(name):
            return ()
        value = unlist(self.left[name][1])
        words = [reference(item) for item in (value if isinstance(value, list) else [value])]
        known = tuple(word for word in words if word is not None)
        return known if len(known) == len(words) else ()

    def others(self) -> tuple[Other, ...]:
        """Everything that nobody took."""
        return tuple(
            Other(name, json_text(value, self.at(key)), path=self.at(key)) for name, (key, value) in self.left.items()
        )


def unlist(value: Any) -> Any:
    """The members of JSON-LD's `@list` or `@set`, or the value itself."""
    if isinstance(value, Mapping) and len(value) == 1:
        for wrapper in ("@list", "@set"):
            if isinstance(value.get(wrapper), list):
                return value[wrapper]
    return value


def reference(value: object) -> str | None:
    """The word of a string or of a plain reference `{"@id": …}`; None for anything else."""
    if isinstance(value, Mapping):
        members = {_KEYS.get(str(key), str(key)): member for key, member in value.items()}
        kind = members.pop("@type", "Asset")
        plain = set(members) == {"@id"} and len(value) <= 2 and shorten(str(kind)) in {"Asset", "Party"}
        value = members["@id"] if plain else None
    return value if isinstance(value, str) and value else None


def json_text(value: object, path: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        fail(path, "this is no JSON", "此处不是 JSON", "Write plain JSON", "请使用 JSON")
