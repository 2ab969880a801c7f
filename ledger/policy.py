"""Trust policies (c2sp.org/tlog-policy): which logs, which witnesses, and how many of them must have cosigned.

A policy is the one file that an auditor pins. It is judged offline; addresses in it are for whoever
talks to a log or a witness, and mean nothing here.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from ledger import note
from ledger.checkpoint import Checkpoint, parse_body
from ledger.cosignature import COSIGNER_KINDS, LOG_KINDS, Cosignature, cosignatures, verify_checkpoint
from ledger.errors import PolicyError, SignatureError
from ledger.note import Verifier

NONE = "none"
MAX_BYTES = 1 << 20
MAX_NAMES = 1000


@dataclass(frozen=True)
class Log:
    """A log that the policy accepts, and where it can be reached, if that is stated."""

    verifier: Verifier
    url: str | None = None


@dataclass(frozen=True)
class Witness:
    """A witness under its name in the policy, and its submission prefix, if that is stated."""

    name: str
    verifier: Verifier
    url: str | None = None


@dataclass(frozen=True)
class Group:
    """A group has witnessed when at least `threshold` of its members, witnesses or groups, have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What a policy says of a signed checkpoint whose log signature holds.

    `missing` names the witnesses whose cosignatures could still make the quorum; `shortfalls` says so in
    words, a sentence for each rule that is not met. Both are empty when the quorum is reached.
    """

    checkpoint: Checkpoint
    log: Verifier
    cosignatures: Mapping[str, Cosignature]
    missing: tuple[str, ...] = ()
    shortfalls: tuple[str, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether the quorum is reached."""
        return not self.shortfalls


@dataclass(frozen=True)
class Policy:
    """A parsed policy. Every name is defined before it is used, so groups never form a circle."""

    logs: tuple[Log, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE
    _names: Mapping[str, Witness | Group] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _require_unique([item.verifier for item in self.logs], "log")
        _require_unique([item.verifier for item in self.witnesses], "witness")
        names: dict[str, Witness | Group] = {}
        everyone: tuple[Witness | Group, ...] = (*self.witnesses, *self.groups)
        for item in everyone:
            if item.name in names or item.name == NONE:
                raise PolicyError(f"the name {item.name!r} is defined twice or reserved")
            if isinstance(item, Group):
                _require_group(item, names)
            names[item.name] = item
        uses = Counter(member for group in self.groups for member in group.members)
        if uses and max(uses.values()) > 1:
            raise PolicyError(f"{uses.most_common(1)[0][0]!r} is a member twice; a witness may count in one way only")
        if self.quorum != NONE and self.quorum not in names:
            raise PolicyError(f"the quorum {self.quorum!r} is not defined")
        object.__setattr__(self, "_names", names)

    @classmethod
    def parse(cls, data: bytes | str) -> "Policy":
        """Parse a policy file. Raises PolicyError that names the line."""
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        if len(data) > MAX_BYTES:
            raise PolicyError(f"a policy has at most {MAX_BYTES} bytes")
        return _Parser().parse(data)

    @classmethod
    def of_log(cls, vkey: str) -> "Policy":
        """Return the policy that trusts one log and asks for no cosignatures. Raises SignatureError."""
        return cls(logs=(Log(Verifier.from_vkey(vkey, LOG_KINDS)),))

    def to_text(self) -> str:
        """Return the policy as a file that parses to the same policy."""
        lines = [_line("log", item.verifier.to_vkey(), item.url) for item in self.logs]
        lines += [_line("witness", item.name, item.verifier.to_vkey(), item.url) for item in self.witnesses]
        lines += [_line("group", item.name, str(item.threshold), *item.members) for item in self.groups]
        return "\n".join([*lines, f"quorum {self.quorum}"]) + "\n"

    def log_named(self, origin: str) -> Verifier | None:
        """Return the key of a listed log of this origin, or None; of several, the first."""
        return next((item.verifier for item in self.logs if item.verifier.name == origin), None)

    def judge(self, signed: str) -> Verdict:
        """Return the verdict on a signed checkpoint.

        Raises SignatureError when it is malformed, when no listed log signed it, or when it carries a
        signature of a listed key that does not verify.
        """
        text, lines = note.split(signed)
        origin = parse_body(text).origin
        signers = [
            item.verifier
            for item in self.logs
            if item.verifier.name == origin and any(line.is_of(item.verifier) for line in lines)
        ]
        if not signers:
            raise SignatureError(f"the checkpoint of {origin!r} is not signed by a log of the policy")
        checkpoints = [verify_checkpoint(signed, verifier) for verifier in signers]
        found: dict[str, Cosignature] = {}
        for witness in self.witnesses:
            made = cosignatures(signed, witness.verifier)
            if made:
                # Of several, the earliest says the most: the tree was there by then.
                found[witness.name] = min(made, key=lambda item: item.time)
        met = self._met(found.keys())
        return Verdict(checkpoints[0], signers[0], found, tuple(self._missing(met)), tuple(self._shortfalls(met)))

    def is_met(self, witnessed: Set[str]) -> bool:
        """Return whether cosignatures of these witnesses, by their names here, make the quorum."""
        return self.quorum == NONE or self._met(witnessed)[self.quorum]

    def needed(self) -> tuple[Witness, ...]:
        """Return the witnesses that the quorum can be made of, in the policy's order."""
        wanted = set(self._missing(self._met(frozenset())))
        return tuple(item for item in self.witnesses if item.name in wanted)

    def _met(self, witnessed: Set[str]) -> dict[str, bool]:
        """Return of every name whether it has witnessed. Names stand in the order of their definition."""
        met: dict[str, bool] = {}
        for name, item in self._names.items():
            if isinstance(item, Witness):
                met[name] = name in witnessed
            else:
                met[name] = sum(met[member] for member in item.members) >= item.threshold
        return met

    def _unmet(self, met: Mapping[str, bool]) -> Iterator[Witness | Group]:
        """Yield what has not witnessed and stands between here and the quorum, from the quorum down."""
        waiting = [] if self.quorum == NONE else [self.quorum]
        while waiting:
            name = waiting.pop()
            if not met[name]:
                item = self._names[name]
                yield item
                if isinstance(item, Group):
                    waiting += reversed(item.members)

    def _missing(self, met: Mapping[str, bool]) -> Iterator[str]:
        return (item.name for item in self._unmet(met) if isinstance(item, Witness))

    def _shortfalls(self, met: Mapping[str, bool]) -> Iterator[str]:
        for item in self._unmet(met):
            if isinstance(item, Group):
                lack = [member for member in item.members if not met[member]]
                have = len(item.members) - len(lack)
                number = f"{item.threshold} of {len(item.members)}"
                yield f"{item.name} needs {number} and has {have}: not yet {', '.join(lack)}"
            elif item.name == self.quorum:
                yield f"the witness {item.name} has not cosigned"


class _Parser:
    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.defined: set[str] = set()
        self.quorum: str | None = None

    def parse(self, data: bytes) -> Policy:
        for number, octets in enumerate(data.split(b"\n"), 1):
            try:
                self._parse_line(octets)
            except (PolicyError, SignatureError) as error:
                raise PolicyError(f"line {number}: {error}") from error
        if self.quorum is None:
            raise PolicyError("the policy has no quorum line; `quorum none` asks for no cosignatures")
        if len(self.logs) + len(self.defined) > MAX_NAMES:
            raise PolicyError(f"a policy has at most {MAX_NAMES} logs, witnesses and groups")
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _parse_line(self, octets: bytes) -> None:
        if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in octets):
            raise PolicyError("a control character, perhaps the carriage return of another system's line end")
        # Names are opaque octets, which this way of decoding keeps apart and gives back.
        words = [word for word in re.split("[ \t]+", octets.decode("utf-8", "surrogateescape")) if word]
        if not words or words[0].startswith("#"):
            return
        kind, *rest = words
        if kind == "log" and 1 <= len(rest) <= 2:
            self.logs.append(Log(Verifier.from_vkey(rest[0], LOG_KINDS), *rest[1:]))
        elif kind == "witness" and 2 <= len(rest) <= 3:
            verifier = Verifier.from_vkey(rest[1], COSIGNER_KINDS)
            self.witnesses.append(Witness(self._define(rest[0]), verifier, *rest[2:]))
        elif kind == "group" and len(rest) >= 3:
            self._parse_group(*rest)
        elif kind == "quorum" and len(rest) == 1:
            self._parse_quorum(rest[0])
        else:
            raise PolicyError(f"not a log, witness, group or quorum as a policy writes them: {kind[:30]!r}")

    def _parse_group(self, name: str, threshold: str, *members: str) -> None:
        for member in members:
            if member not in self.defined:
                raise PolicyError(f"{member!r} is not defined on a line before")
        if threshold in ("any", "all"):
            count = 1 if threshold == "any" else len(members)
        elif re.fullmatch("[1-9][0-9]{0,5}", threshold):
            count = int(threshold)
        else:
            raise PolicyError(f"{threshold[:30]!r} is no threshold: write any, all or a number")
        self.groups.append(Group(self._define(name), count, members))

    def _parse_quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise PolicyError("a second quorum line")
        if name != NONE and name not in self.defined:
            raise PolicyError(f"the quorum {name!r} is not defined on a line before")
        self.quorum = name

    def _define(self, name: str) -> str:
        if name in self.defined or name == NONE:
            raise PolicyError(f"the name {name!r} is defined twice or reserved")
        self.defined.add(name)
        return name


def _require_unique(verifiers: list[Verifier], what: str) -> None:
    seen: set[bytes] = set()
    for verifier in verifiers:
        if verifier.public in seen:
            raise PolicyError(f"two {what} lines have the same key: {verifier.to_vkey()[:80]}")
        seen.add(verifier.public)


def _require_group(group: Group, names: Mapping[str, Witness | Group]) -> None:
    for member in group.members:
        if member not in names:
            raise PolicyError(f"the member {member!r} of {group.name!r} is not defined before it")
    if not 1 <= group.threshold <= len(group.members):
        raise PolicyError(f"{group.name!r} cannot need {group.threshold} of {len(group.members)} members")


def _line(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None)
