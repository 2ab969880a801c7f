"""A log in memory, for tests and experiments. Nothing survives the process, nothing rolls back.

Arguments of the port that mean nothing in memory are accepted and unused (ARG002).
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ledger.entry import Admitted, Entry, Erased, Opening, entry_bytes
from ledger.errors import AdmissionError, VerificationError
from ledger.hashing import leaf_hash
from ledger.storage import Record, StoredCheckpoint, View
from ledger.tree import KEPT_LEVEL, Frontier, hash_count


class MemoryStorage:
    """A storage of Python lists. Its connection is None; `append` takes effect at once."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._frontier = Frontier()
        self._bodies: list[bytes] = []
        self._hashes: list[bytes] = []
        self._checkpoints: list[StoredCheckpoint] = []
        self._indexes: dict[str, int] = {}
        self._agreements: dict[str, dict[int, int]] = {}
        self._openings: dict[str, dict[str, Opening | Erased]] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield None

    def found(self, genesis: Admitted) -> None:
        with self._lock:
            if not self._bodies:
                self.append(None, genesis)

    def append(self, connection: None, admitted: Admitted) -> None:
        self.append_all(connection, [admitted])

    def append_all(self, connection: None, batch: Sequence[Admitted]) -> None:  # noqa: ARG002
        with self._lock:
            for admitted in batch:
                self._append(admitted)

    def _append(self, admitted: Admitted) -> None:
        with self._lock:
            counters = self._agreements.setdefault(admitted.agreement or "", {})
            if admitted.statement_id in self._indexes or admitted.counter in counters:
                raise AdmissionError("the statement, or the counter of its agreement, is already recorded")
            index = len(self._bodies)
            previous = leaf_hash(self._bodies[-1]) if self._bodies else None
            body = entry_bytes(index, previous, admitted.payload, admitted.signature)
            self._frontier, created = self._frontier.extend([leaf_hash(body)])
            self._hashes += created
            self._bodies.append(body)
            self._indexes[admitted.statement_id] = index
            self._openings[admitted.statement_id] = dict(admitted.openings)
            if admitted.counter is not None:
                counters[admitted.counter] = index

    def integrate(self, deadline: float, statement_id: str | None = None) -> View:  # noqa: ARG002
        return self.view(statement_id)

    def view(self, statement_id: str | None = None) -> View:
        with self._lock:
            index = None if statement_id is None else self._indexes.get(statement_id)
            latest = self._checkpoints[-1] if self._checkpoints else None
            return View(self._frontier, latest, index is not None, index)

    def add_checkpoint(self, new: StoredCheckpoint, deadline: float) -> bool:  # noqa: ARG002
        with self._lock:
            if self._checkpoints and self._checkpoints[-1].size >= new.size:
                return False
            self._checkpoints.append(new)
            return True

    def hashes(self, positions: Sequence[int]) -> list[bytes]:
        try:
            return [self._hashes[position] for position in positions]
        except IndexError as error:
            raise VerificationError(["a subtree hash is missing"]) from error

    def bodies(self, start: int, stop: int) -> Iterator[bytes]:
        yield from self._bodies[start:stop]

    def records(self, start: int, stop: int, *, openings: bool = True) -> Iterator[Record]:
        for index, body in enumerate(self._bodies[start:stop], start):
            entry = Entry.parse(body)
            first, after = hash_count(index), hash_count(index + 1)
            yield Record(
                index=index,
                body=body,
                entry=entry,
                is_filed=self._indexes.get(entry.statement_id) == index,
                openings=self.openings(entry.statement_id) if openings else {},
                hashes=[self._hashes[first], *self._hashes[first + KEPT_LEVEL : after]],
            )

    def unplaced(self) -> Sequence[str]:
        return []

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        yield from list(self._checkpoints)

    def bodies_of_agreement(self, agreement: str) -> Sequence[bytes]:
        return [self._bodies[index] for index in sorted(self._agreements.get(agreement, {}).values())]

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:
        return dict(self._openings.get(statement_id, {}))

    def erase(self, connection: None, statement_id: str, field: str, by: str | None) -> bool:  # noqa: ARG002
        with self._lock:
            fields = self._openings.get(statement_id, {})
            if not isinstance(fields.get(field), Opening):
                return False
            fields[field] = Erased(by)
            return True
