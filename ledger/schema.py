"""Typed statements: which kinds a log takes, which fields each has, of which type, and who signs it.

A `Schema` is handed to the log, which checks every statement against it at admission: a kind that it does
not define, a field that is missing, unknown or of another type, or another signer is refused. The schema
itself is data, so that documentation and tests are made from the same definitions.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from ledger.errors import AdmissionError
from ledger.statement import TIME, URN, Statement

MAX_INTEGER = 2**53 - 1
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KEY_ID = re.compile(r"ed25519:[0-9a-f]{16}")


class Type(Protocol):
    """The type of a field: a name for the documentation, and what values it takes."""

    @property
    def name(self) -> str:
        """What the documentation calls it."""

    def takes(self, value: Any) -> bool:
        """Say whether `value` is one."""


@dataclass(frozen=True)
class Text:
    """Words, of any length that a statement takes; `most` bounds the number of characters."""

    most: int | None = None
    name: str = "text"

    def takes(self, value: Any) -> bool:
        return isinstance(value, str) and (self.most is None or len(value) <= self.most)


@dataclass(frozen=True)
class Pattern:
    """Text of one form."""

    name: str
    form: re.Pattern[str]

    def takes(self, value: Any) -> bool:
        return isinstance(value, str) and self.form.fullmatch(value) is not None


@dataclass(frozen=True)
class Integer:
    """A whole number that JSON readers keep exactly; not below `least`."""

    least: int = 0
    name: str = "integer"

    def takes(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= MAX_INTEGER


@dataclass(frozen=True)
class Flag:
    """True or false."""

    name: str = "true or false"

    def takes(self, value: Any) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class Moment:
    """A time that exists, RFC 3339 in UTC with `Z`."""

    name: str = "time"

    def takes(self, value: Any) -> bool:
        if not isinstance(value, str) or not TIME.fullmatch(value):
            return False
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class PublicKey:
    """32 bytes in standard base64."""

    name: str = "public key (base64)"

    def takes(self, value: Any) -> bool:
        try:
            return isinstance(value, str) and len(base64.b64decode(value, validate=True)) == 32
        except (ValueError, binascii.Error):
            return False


@dataclass(frozen=True)
class OneOf:
    """One of a few words or numbers."""

    choices: tuple[str | int, ...]

    @property
    def name(self) -> str:
        return " \\| ".join(f"`{choice}`" for choice in self.choices)

    def takes(self, value: Any) -> bool:
        # True is 1, and is not meant.
        return isinstance(value, str | int) and not isinstance(value, bool) and value in self.choices


@dataclass(frozen=True)
class Maybe:
    """A value of the type, or null."""

    of: Type

    @property
    def name(self) -> str:
        return f"{self.of.name} or null"

    def takes(self, value: Any) -> bool:
        return value is None or self.of.takes(value)


@dataclass(frozen=True)
class ListOf:
    """Any number of values of the type."""

    of: Type

    @property
    def name(self) -> str:
        return f"list of {self.of.name}"

    def takes(self, value: Any) -> bool:
        return isinstance(value, list) and all(self.of.takes(item) for item in value)


@dataclass(frozen=True)
class Record:
    """An object with these members, of which the `optional` ones may be absent."""

    members: Mapping[str, Type]
    optional: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return "object of " + ", ".join(f"`{name}`" for name in self.members)

    def takes(self, value: Any) -> bool:
        return (
            isinstance(value, dict)
            and self.members.keys() - self.optional <= value.keys() <= self.members.keys()
            and all(self.members[name].takes(item) for name, item in value.items())
        )


@dataclass(frozen=True)
class Document:
    """A JSON object whose members its own format defines, named in the documentation as `name`."""

    name: str

    def takes(self, value: Any) -> bool:
        return isinstance(value, dict)


TEXT, INTEGER, FLAG, MOMENT, PUBLIC_KEY = Text(), Integer(), Flag(), Moment(), PublicKey()
ID, DIGEST, KEY_ID = Pattern("id", URN), Pattern("digest", _DIGEST), Pattern("key id", _KEY_ID)


class Party(StrEnum):
    """Who may sign a kind. A firm is looked up in the field of this name, where the statement has one."""

    EXCHANGE = "exchange"
    PARTICIPANT = "participant"
    PROVIDER = "provider"
    CONSUMER = "consumer"


Counted = Literal["never", "always", "in an agreement"]


@dataclass(frozen=True)
class Kind:
    """One kind of statement.

    `counted` says whether it carries an agreement's ledger id and counter. `erasable` names the fields
    that can hold somebody's name or words, and so may be erased without taking a proof from anybody.
    """

    name: str
    signed_by: tuple[Party, ...]
    fields: Mapping[str, Type]
    effect: str
    counted: Counted = "never"
    optional: frozenset[str] = frozenset()
    erasable: frozenset[str] = frozenset()

    def fault(self, statement: Statement) -> str | None:
        """Return what is wrong with a statement of this kind, None where nothing is."""
        given, known = statement.fields.keys(), self.fields.keys()
        if missing := sorted(known - self.optional - given):
            return f"the field {missing[0]!r} is missing"
        if strange := sorted(given - known):
            return f"there is no field {strange[0]!r}"
        for name, value in statement.fields.items():
            if not self.fields[name].takes(value):
                return f"the field {name!r} is no {self.fields[name].name}"
        in_agreement = statement.agreement is not None
        if self.counted != "in an agreement" and in_agreement != (self.counted == "always"):
            return "it carries an agreement's counter" if in_agreement else "it lacks its agreement's counter"
        return self._fault_of_signer(statement)

    def _fault_of_signer(self, statement: Statement) -> str | None:
        own_key = statement.custody == "exchange"
        if statement.signer == Party.EXCHANGE:
            allowed = Party.EXCHANGE in self.signed_by and own_key
            return None if allowed else "the exchange does not sign it"
        firms = [party for party in self.signed_by if party is not Party.EXCHANGE]
        if not firms or own_key:
            return "the exchange alone signs it"
        named = [statement.fields[party] for party in firms if party in statement.fields]
        return None if not named or statement.signer in named else f"its signer is not its {' or '.join(firms)}"


@dataclass(frozen=True)
class Schema:
    """All kinds that a log takes, by name. `source` tells the reader of an error where they are defined."""

    kinds: Mapping[str, Kind]
    source: str = field(default="the schema")

    @classmethod
    def of(cls, kinds: Iterable[Kind], source: str) -> "Schema":
        """Return the schema of these kinds. Raises AdmissionError when two have one name."""
        found: dict[str, Kind] = {}
        for kind in kinds:
            if kind.name in found:
                raise AdmissionError(f"two kinds are called {kind.name!r}")
            found[kind.name] = kind
        return cls(found, source)

    def check(self, statement: Statement) -> None:
        """Raise AdmissionError, naming kind and field, unless the statement is as its kind demands."""
        kind = self.kinds.get(statement.kind)
        if kind is None:
            raise AdmissionError(f"there is no kind of statement {statement.kind!r}: define it in {self.source}")
        fault = kind.fault(statement)
        if fault is not None:
            raise AdmissionError(f"a statement {statement.kind!r} is refused: {fault} (see {self.source})")
