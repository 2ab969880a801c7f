"""A disk whose power can be cut: what processes wrote, synced and named is recorded, and replayed up to any moment.

After a cut a file holds what was synced, and of what was written since any part: each sector of 512 bytes is as one of the writes
left it, a length that was not synced may be the old or the new one, and names appear in the order in which they were given. That
is what a file system may leave, and more than one with a journal does.
"""

import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

SECTOR = 512
CALLS = (
    "pwrite64,pwritev,pwritev2,write,writev,fsync,fdatasync,ftruncate,fallocate,openat,?rename,?renameat,?renameat2,?link,linkat,"
    "?unlink,unlinkat"
)
_LINE = re.compile(r"(\d+) +(.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?).*")
_ESCAPED = re.compile(r"(?:\\x[0-9a-f]{2})+")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
_PLACE = re.compile(r"^(?:\d+|AT_FDCWD)<([^>]*)>")


OPTIONS = ("-y", "-xx", "-s", "4000000", "-e", "signal=none", "-e", f"trace={CALLS}")
"""How strace is told to write down each call with all its bytes and the paths of its files."""


@dataclass(frozen=True)
class Event:
    """One thing that happened: `begun` and `ended` are its lines in the record."""

    begun: int
    ended: int
    kind: str
    path: str
    data: bytes = b""
    number: int = 0
    other: str = ""


def events(trace: Path) -> list[Event]:
    """Return what a record says, in the order in which it began."""
    open_calls: dict[str, tuple[int, str]] = {}
    found: list[Event] = []
    positions: dict[str, int] = {}
    with trace.open(encoding="ascii") as file:
        for number, line in enumerate(file):
            match = _LINE.match(line)
            if match is None:
                continue
            task, text = match.groups()
            begun = number
            if (resumed := _RESUMED.match(text)) is not None:
                if task not in open_calls:
                    continue
                begun, start = open_calls.pop(task)
                text = start + resumed[1]
            elif "<unfinished ...>" in text:
                open_calls[task] = (number, text.partition("<unfinished ...>")[0].rstrip())
                continue
            found += _parsed(text, begun, number, positions)
    # What had begun when the record ended may have happened or not, and nobody was told.
    return sorted(found, key=lambda event: event.begun)


@dataclass(frozen=True)
class _Call:
    """One call of the record: its name, what stands between its brackets, its result, and the lines it began and ended at."""

    name: str
    arguments: str
    result: int
    begun: int
    ended: int

    @property
    def path(self) -> str:
        """The path of the first argument: a file that is open, or the folder that a name is looked up in."""
        found = _PLACE.match(self.arguments)
        return _text(found[1]) if found else ""

    @property
    def strings(self) -> list[bytes]:
        return [bytes.fromhex(part.replace("\\x", "")) for part in _STRING.findall(self.arguments)]

    @property
    def numbers(self) -> list[int]:
        """The plain numbers after the bytes and the open file."""
        rest = self.arguments.rpartition('"')[2].rpartition("]")[2].rpartition(">")[2]
        return [int(number, 0) for number in _NUMBER.findall(rest)]

    @property
    def names(self) -> list[str]:
        """The paths that it names, whole."""
        places = [_text(place) for place in re.findall(r"<([^>]*)>", self.arguments)]
        strings = [os.fsdecode(name) for name in self.strings]
        found = places if len(places) == len(strings) else [""] * len(strings)
        return [os.path.normpath(os.path.join(*pair)) for pair in zip(found, strings, strict=True)]

    @property
    def data(self) -> bytes:
        return b"".join(self.strings)[: self.result]

    def event(self, kind: str, path: str = "", **more: Any) -> Event:
        return Event(self.begun, self.ended, kind, os.path.normpath(path or self.path), **more)


def _parsed(text: str, begun: int, ended: int, positions: dict[str, int]) -> list[Event]:
    """Return what a call did; `positions` is where the next write to each file goes that does not say so itself."""
    match = _CALL.match(text)
    if match is None or match[3] in ("?", "-1"):
        return []
    call = _Call(match[1], match[2], int(match[3]), begun, ended)
    match call.name:
        case "pwrite64" | "pwritev" | "pwritev2":
            found = call.event("write", data=call.data, number=call.numbers[1])
        case "write" | "writev":
            offset = positions.get(call.path, 0)
            positions[call.path] = offset + len(call.data)
            found = call.event("write", data=call.data, number=offset)
        case "fsync" | "fdatasync":
            found = call.event("sync")
        case "ftruncate":
            found = call.event("size", number=call.numbers[0])
        case "fallocate":
            found = call.event("reach", number=sum(call.numbers[1:]))
        case "openat":
            positions[call.names[0]] = 0
            makes = "O_CREAT" in call.arguments or "O_TRUNC" in call.arguments
            found = call.event("make" if makes else "open", call.names[0], number="O_TRUNC" in call.arguments)
        case "unlink" | "unlinkat":
            found = call.event("unlink", call.names[0])
        case _:
            kind = "link" if call.name.startswith("link") else "rename"
            found = call.event(kind, call.names[0], other=call.names[1])
    return [found]


def _text(escaped: str) -> str:
    return _ESCAPED.sub(lambda found: os.fsdecode(bytes.fromhex(found[0].replace("\\x", ""))), escaped)


@dataclass
class _File:
    """What of a file is durable, and what was written since, in order: (event, offset, bytes), or (event, length, None)."""

    durable: bytearray
    since: list[tuple[Event, int, bytes | None]] = field(default_factory=list)
    gone: int = 0

    def synced(self, until: int) -> None:
        """Make durable what was written before position `until`, which counts all that was ever written."""
        count = max(0, until - self.gone)
        for _, offset, data in self.since[:count]:
            _apply(self.durable, offset, data)
        del self.since[:count]
        self.gone += count

    def ended_before(self, line: int) -> int:
        """Return the position before which every write had ended at a line; a sync that begins there covers no more."""
        for position, (event, _, _) in enumerate(self.since):
            if event.ended >= line:
                return self.gone + position
        return self.gone + len(self.since)

    def after_a_cut(self, chance: random.Random, keeps: float) -> bytes:
        """Return what a cut leaves; `keeps` is the likelihood that a sector written since is there."""
        content, since = bytearray(self.durable), self.since
        if 0 < keeps < 1:
            # What was written after a length that did not become durable is not seen either.
            since = since[: chance.choice([*(at for at, (_, _, data) in enumerate(since) if data is None), len(since)])]
        stopped: set[int] = set()
        for _, offset, data in since:
            if data is None:
                _apply(content, offset, None)
                continue
            at = offset
            while at < offset + len(data):
                sector, stop = at // SECTOR, min((at // SECTOR + 1) * SECTOR, offset + len(data))
                # A sector goes through its writes in order, and stops at one of them.
                if sector not in stopped and chance.random() < keeps:
                    _apply(content, at, data[at - offset : stop - offset])
                else:
                    stopped.add(sector)
                at = stop
        if 0 < keeps < 1 and since and chance.random() < 0.5:
            # The new length may be there before the bytes are.
            reach = max((offset + len(data) for _, offset, data in since if data is not None), default=0)
            content.extend(bytes(max(0, reach - len(content))))
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
    content.extend(bytes(max(0, offset - len(content))))
    if data is not None:
        content[offset : offset + len(data)] = data


@dataclass(eq=False)
class _Change:
    """Names given or taken in a folder by one call: (name, file or None)."""

    folder: str
    names: Sequence[tuple[str, int | None]]


class Disk:
    """The folder `root` as `base` holds it, a copy made when the record began, brought forward by the events of the record."""

    def __init__(self, base: Path, root: Path) -> None:
        self._base, self._root = base, root
        names = [str(path.relative_to(base)) for path in sorted(base.rglob("*")) if path.is_file()]
        self._origins = dict(enumerate(names))
        self._durable = {name: number for number, name in enumerate(names)}
        self._named = dict(self._durable)
        self._files: dict[int, _File] = {}
        self._changes: list[_Change] = []
        self._syncing: list[tuple[int, Callable[[], None]]] = []
        self.told: list[dict[str, Any]] = []

    def replay(self, events: Sequence[Event], until: int, notes: Path) -> Sequence[Event]:
        """Bring the disk to the moment before line `until`; return the events that are left. `told` grows by the notes."""
        for position, event in enumerate(events):
            if event.begun >= until:
                self._end_syncs(until)
                return events[position:]
            self._end_syncs(event.begun)
            if event.path == str(notes):
                self.told += [json.loads(line) for line in event.data.splitlines() if line]
            elif Path(event.path).is_relative_to(self._root):
                self._happen(event, os.path.relpath(event.path, self._root))
        self._end_syncs(until)
        return []

    def _end_syncs(self, line: int) -> None:
        for ended, sync in [item for item in self._syncing if item[0] < line]:
            sync()
            self._syncing.remove((ended, sync))

    def _happen(self, event: Event, name: str) -> None:
        match event.kind:
            case "write" if name in self._named:
                self._file(name).since.append((event, event.number, event.data))
            case "reach" if name in self._named:
                file = self._file(name)
                length = max([len(file.durable), *(at + len(data or b"") for _, at, data in file.since)])
                file.since.append((event, length, bytes(max(0, event.number - length))))
            case "size" if name in self._named:
                self._file(name).since.append((event, event.number, None))
            case "make" if name in self._named:
                if event.number:
                    self._file(name).since.append((event, 0, None))
            case "make":
                number = len(self._origins) + len(self._files) + 1_000_000
                self._files[number] = _File(bytearray())
                self._change(name, (name, number))
            case "rename" if name in self._named:
                other = os.path.relpath(event.other, self._root)
                self._change(name, (name, None), (other, self._named[name]))
            case "link" if name in self._named:
                other = os.path.relpath(event.other, self._root)
                self._change(other, (other, self._named[name]))
            case "unlink" if name in self._named:
                self._change(name, (name, None))
            case "sync":
                self._syncing.append((event.ended, self._sync(event, name)))

    def _sync(self, event: Event, name: str) -> Callable[[], None]:
        """Return what is durable once a sync that begins now has ended."""
        if name in self._named:
            file = self._file(name)
            return partial(file.synced, file.ended_before(event.begun))
        return partial(self._keep, [change for change in self._changes if change.folder == name])

    def _keep(self, changes: Sequence[_Change]) -> None:
        for change in changes:
            if change in self._changes:
                self._changes.remove(change)
                _give(self._durable, change)

    def _change(self, name: str, *names: tuple[str, int | None]) -> None:
        change = _Change(os.path.dirname(name) or ".", names)
        self._changes.append(change)
        _give(self._named, change)

    def _file(self, name: str) -> _File:
        number = self._named[name]
        if number not in self._files:
            self._files[number] = _File(bytearray((self._base / self._origins[number]).read_bytes()))
        return self._files[number]

    def cut(self, target: Path, chance: random.Random, keeps: float) -> None:
        """Write into a new folder what is there after the power was cut at this moment."""
        subprocess.run(["cp", "-a", str(self._base), str(target)], check=True)
        named = dict(self._durable)
        for change in self._changes[: chance.randint(0, len(self._changes)) if 0 < keeps < 1 else None if keeps else 0]:
            _give(named, change)
        for number, name in self._origins.items():
            if named.get(name) != number:
                (target / name).unlink()
        for name, number in named.items():
            path = target / name
            if number in self._files:
                path.write_bytes(self._files[number].after_a_cut(chance, keeps))
            elif self._origins[number] != name:
                shutil.copyfile(self._base / self._origins[number], path)
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(0o600)


def _give(names: dict[str, int], change: _Change) -> None:
    for name, number in change.names:
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number
