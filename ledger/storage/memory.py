"""A log in memory, for tests and experiments. Nothing survives the process, nothing rolls back.

Arguments of the port that mean nothing in memory are accepted and unused (ARG002).
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ledger.entry import Admitted, Entry, Erased, Opening, entry_bytes
from ledger.errors import AdmissionError, VerificationError
from ledger.hashing import leaf_hash
from ledger.storage import Record, Sequenced, StoredCheckpoint, View
from ledger.tree import KEPT_LEVEL, Frontier, Subtree, completed


class MemoryStorage:
    """A storage of Python lists. Its connection is None; `append` takes effect at once."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._frontier = Frontier()
        self._bodies: list[bytes] = []
        self._hashes: dict[Subtree, bytes] = {}
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

    def append_all(self, connection: None, batch: Sequence[Admitted]) -> Sequenced:  # noqa: ARG002
        with self._lock:
            before = self._frontier
            for admitted in batch:
                self._append(admitted)
            subtrees = [subtree for index in range(before.size, self._frontier.size) for subtree in completed(index)]
            created = [self._hashes[subtree] for subtree in subtrees]
            leaves = [self._hashes[0, index] for index in range(before.size, self._frontier.size)]
            return Sequenced(before, self._frontier, leaves, created)

    def write(self, batch: Sequence[Admitted], signed: StoredCheckpoint | None) -> Sequenced:
        if signed is not None:
            self.keep(None, signed)
        return self.append_all(None, batch)

    def keep(self, connection: None, signed: StoredCheckpoint) -> None:  # noqa: ARG002
        self.add_checkpoint(signed, 0)

    def _append(self, admitted: Admitted) -> None:
        with self._lock:
            counters = self._agreements.setdefault(admitted.agreement or "", {})
            if admitted.statement_id in self._indexes or admitted.counter in counters:
                raise AdmissionError("the statement, or the counter of its agreement, is already recorded")
            index = len(self._bodies)
            previous = leaf_hash(self._bodies[-1]) if self._bodies else None
            body = entry_bytes(index, previous, admitted.payload, admitted.signature)
            self._frontier, created = self._frontier.extend([leaf_hash(body)])
            self._hashes.update(zip(completed(index), created, strict=True))
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
            leaf = None if index is None else self._hashes[0, index]
            return View(self._frontier, latest, index is not None, index, leaf)

    def add_checkpoint(self, new: StoredCheckpoint, deadline: float) -> bool:  # noqa: ARG002
        with self._lock:
            if self._checkpoints and self._checkpoints[-1].size >= new.size:
                return False
            self._checkpoints.append(new)
            return True

    def hashes(self, subtrees: Sequence[Subtree]) -> list[bytes]:
        try:
            return [self._hashes[subtree] for subtree in subtrees]
        except KeyError as error:
            raise VerificationError(["a subtree hash is missing"]) from error

    def leaves(self, start: int, stop: int) -> list[bytes]:
        return [self._hashes[0, index] for index in range(start, min(stop, len(self._bodies)))]

    def bodies(self, start: int, stop: int) -> Iterator[bytes]:
        yield from self._bodies[start:stop]

    def records(self, start: int, stop: int, *, openings: bool = True) -> Iterator[Record]:
        for index, body in enumerate(self._bodies[start:stop], start):
            entry = Entry.parse(body)
            yield Record(
                index=index,
                body=body,
                entry=entry,
                is_filed=self._indexes.get(entry.statement_id) == index,
                openings=self.openings(entry.statement_id) if openings else None,
                hashes=[self._hashes[s] for s in completed(index) if s[0] == 0 or s[0] >= KEPT_LEVEL],
            )

    def unplaced(self) -> Sequence[str]:
        return []

    def faults(self) -> Iterator[str]:
        return iter(())

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

    def scrub(self, deadline: float) -> int:  # noqa: ARG002
        return 0

    def turn(self) -> None:
        return None

    def call(self) -> None:
        """Do nothing: nobody waits."""
