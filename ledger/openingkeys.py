"""Keys of openings, kept in files outside the database and its backups, so that destroying one erases.

Every subject (whom an opening is about) has one file. The keys of its openings are derived from it by a
tree (a puncturable pseudorandom function after Goldreich, Goldwasser and Micali): the file first holds the
root, and a key is reached by hashing down the path that its statement names. To destroy one key, the root
is replaced by the nodes beside the path: every other key can still be derived, that one never again,
whatever copies of the database exist. One destroyed statement adds about four kilobytes.

An opening is sealed with XChaCha20-Poly1305 under its own key, bound to its statement and field.
"""

import hashlib
import hmac
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nacl.bindings
import nacl.exceptions

from ledger.errors import LedgerError, LedgerUnavailableError, VerificationError

KEY_SIZE = 32
SUBJECT_SIZE = 16
_MAGIC = b"ledger opening keys v1\n"
_BITS = 2
_DEPTH = 32
_NONCE = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_NAME = 4
_NODE, _FIELD, _DESTROYED = b"n", b"f", b"d"
_SIZES = {_NODE: 1 + 1 + 8 + KEY_SIZE, _FIELD: 1 + 8 + 16 + KEY_SIZE, _DESTROYED: 1 + _NAME}

_Path = int
"""The place of a statement among the leaves of a subject's tree: 64 bits."""


@dataclass
class _Ring:
    """What a subject's file holds. `nodes` are by (depth, prefix of the path), `fields` by (path, field).

    `destroyed` are the names of the rings before this one.
    """

    paths: bytes = field(repr=False)
    nodes: dict[tuple[int, int], bytes] = field(repr=False)
    fields: dict[tuple[_Path, bytes], bytes] = field(repr=False)
    destroyed: frozenset[bytes] = frozenset()

    @classmethod
    def new(cls, destroyed: frozenset[bytes] = frozenset()) -> "_Ring":
        return cls(secrets.token_bytes(KEY_SIZE), {(0, 0): secrets.token_bytes(KEY_SIZE)}, {}, destroyed)

    @property
    def name(self) -> bytes:
        """What tells sealed bytes of this ring from those of one that was destroyed as a whole."""
        return hashlib.sha256(self.paths).digest()[:_NAME]

    def path(self, statement_id: str) -> _Path:
        # Keyed, so that nobody can choose two statements that share a path and lose their keys together.
        return int.from_bytes(hmac.digest(self.paths, statement_id.encode(), hashlib.sha256)[:8], "big")

    def key(self, path: _Path, name: str) -> bytes | None:
        """Return the key of a field, or None where it was destroyed."""
        kept = self.fields.get((path, _label(name)))
        if kept is not None:
            return kept
        leaf = self._leaf(path)
        return None if leaf is None else hmac.digest(leaf, name.encode(), hashlib.sha256)

    def keys(self, path: _Path, names: Sequence[str]) -> dict[str, bytes | None]:
        leaf = self._leaf(path)
        if leaf is None:
            return {name: self.key(path, name) for name in names}
        return {name: hmac.digest(leaf, name.encode(), hashlib.sha256) for name in names}

    def destroy(self, path: _Path, name: str, others: Sequence[str]) -> None:
        """Forget the key of one field; the keys of the statement's other fields are kept by themselves."""
        self.fields.pop((path, _label(name)), None)
        covering = self._covering(path)
        if covering is None:
            return
        for other in others:
            key = self.key(path, other)
            if other != name and key is not None:
                self.fields[path, _label(other)] = key
        depth, node = covering
        current = self.nodes.pop((depth, node))
        while depth < _DEPTH:
            depth += 1
            digit = _digit(path, depth)
            for child in range(1 << _BITS):
                if child != digit:
                    self.nodes[depth, node << _BITS | child] = _child(current, child)
            node, current = node << _BITS | digit, _child(current, digit)

    def _covering(self, path: _Path) -> tuple[int, int] | None:
        for depth in range(_DEPTH + 1):
            node = path >> _BITS * (_DEPTH - depth)
            if (depth, node) in self.nodes:
                return depth, node
        return None

    def _leaf(self, path: _Path) -> bytes | None:
        covering = self._covering(path)
        if covering is None:
            return None
        current = self.nodes[covering]
        for depth in range(covering[0] + 1, _DEPTH + 1):
            current = _child(current, _digit(path, depth))
        return current

    def to_bytes(self) -> bytes:
        parts = [_MAGIC, self.paths]
        parts += [
            _NODE + bytes([depth]) + node.to_bytes(8, "big") + key for (depth, node), key in sorted(self.nodes.items())
        ]
        parts += [_FIELD + path.to_bytes(8, "big") + label + key for (path, label), key in sorted(self.fields.items())]
        parts += [_DESTROYED + name for name in sorted(self.destroyed)]
        body = b"".join(parts)
        return body + hashlib.sha256(body).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> "_Ring":
        """Return the ring of `to_bytes`. Raises ValueError for anything else."""
        body, check = data[:-32], data[-32:]
        start = len(_MAGIC) + KEY_SIZE
        if not body.startswith(_MAGIC) or len(body) < start or hashlib.sha256(body).digest() != check:
            raise ValueError("not a file of opening keys")
        ring, destroyed = cls(body[len(_MAGIC) : start], {}, {}), set()
        while start < len(body):
            kind = body[start : start + 1]
            record = body[start + 1 : start + _SIZES[kind]]
            if kind == _NODE:
                ring.nodes[record[0], int.from_bytes(record[1:9], "big")] = record[9:]
            elif kind == _FIELD:
                ring.fields[int.from_bytes(record[:8], "big"), record[8:24]] = record[24:]
            else:
                destroyed.add(record)
            start += 1 + len(record)
        ring.destroyed = frozenset(destroyed)
        return ring


def _label(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:16]


def _digit(path: _Path, depth: int) -> int:
    return path >> _BITS * (_DEPTH - depth) & ((1 << _BITS) - 1)


def _child(node: bytes, digit: int) -> bytes:
    return hashlib.sha256(node + digit.to_bytes(1, "big")).digest()


class OpeningKeys:
    """The keys of openings in a folder, which must be as durable as the log's own key.

    Any number of threads and processes may share it. Keep its backups few and short-lived: a copy made
    before an erasure still holds the key that was destroyed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        # By subject: which file was read, whether its name is known to be durable, and what it holds.
        self._known: dict[bytes, tuple[tuple[int, int, int], bool, _Ring]] = {}

    @staticmethod
    def subject_id(subject: str) -> bytes:
        """Return the sixteen bytes by which a subject is known in the database and in the folder."""
        return hashlib.sha256(b"ledger/subject/v1\n" + subject.encode()).digest()[:SUBJECT_SIZE]

    def seal(self, subject: str, statement_id: str, contents: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return each field's content sealed under its own key. The subject's keys are durable on return.

        Raises LedgerError where a key was destroyed before, LedgerUnavailableError where none can be made.
        """
        identifier = self.subject_id(subject)
        ring = self._ring(identifier, durable=True) or self._create(identifier)
        keys = ring.keys(ring.path(statement_id), list(contents))
        return {name: ring.name + _seal(keys[name], statement_id, name, content) for name, content in contents.items()}

    def unseal(self, subject: bytes, statement_id: str, name: str, sealed: bytes) -> bytes | None:
        """Return a sealed content, or None where its key was destroyed.

        Raises VerificationError where it was altered, LedgerError where the folder has no keys of the subject.
        """
        ring = self._ring(subject)
        if ring is None:
            raise LedgerError(f"the folder {self._folder} holds no keys of the subject {subject.hex()}")
        key = ring.key(ring.path(statement_id), name)
        if sealed[:_NAME] in ring.destroyed or (key is None and sealed.startswith(ring.name)):
            return None
        if key is None or not sealed.startswith(ring.name):
            raise VerificationError([f"the sealed field {name!r} of {statement_id} was altered"])
        nonce, box = sealed[_NAME : _NAME + _NONCE], sealed[_NAME + _NONCE :]
        try:
            return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                box, _context(statement_id, name), nonce, key
            )
        except (nacl.exceptions.CryptoError, ValueError) as error:
            raise VerificationError([f"the sealed field {name!r} of {statement_id} was altered"]) from error

    def destroy(self, subject: bytes, statement_id: str, name: str, others: Sequence[str]) -> None:
        """Destroy the key of one opening, durably; `others` are the statement's other fields, whose keys stay."""
        with self._locked():
            ring = self._read(subject)
            if ring is not None:
                ring.destroy(ring.path(statement_id), name, others)
                self._replace(subject, ring)

    def destroy_subject(self, subject: str) -> None:
        """Destroy the keys of all openings of a subject, durably. Later statements about it get new ones."""
        identifier = self.subject_id(subject)
        with self._locked():
            ring = self._read(identifier)
            gone = frozenset() if ring is None else ring.destroyed | {ring.name}
            self._replace(identifier, _Ring.new(gone))

    def _ring(self, subject: bytes, *, durable: bool = False) -> _Ring | None:
        """Return the keys of a subject as the file has them now, or None where there is no file.

        With `durable` they are on the disk, also where another process has put the file there just now, or
        was killed right after it had.
        """
        try:
            found = self._path(subject).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerUnavailableError(f"the keys of the openings cannot be read: {error}") from error
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        known = self._known.get(subject)
        if known is not None and known[0] == stamp and (known[1] or not durable):
            return known[2]
        ring = self._read(subject)
        if ring is not None:
            if durable:
                self._sync()
            self._known[subject] = (stamp, durable, ring)
        return ring

    def _read(self, subject: bytes) -> _Ring | None:
        try:
            return _Ring.from_bytes(self._path(subject).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerUnavailableError(f"the keys of the openings cannot be read: {error}") from error
        except ValueError as error:
            raise LedgerError(f"{self._path(subject)} is damaged: restore it from the backup of the keys") from error

    def _create(self, subject: bytes) -> _Ring:
        with self._locked():
            ring = self._ring(subject, durable=True)
            if ring is None:
                ring = _Ring.new()
                self._replace(subject, ring)
        return ring

    def _replace(self, subject: bytes, ring: _Ring) -> None:
        """Put a file in the place of the old one, whose bytes are overwritten. Requires the lock."""
        path = self._path(subject)
        fresh, spent = path.with_suffix(".fresh"), path.with_suffix(".spent")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(ring.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.link(path, spent)
        fresh.replace(path)
        self._sync()
        self._destroy(spent)
        self._known.pop(subject, None)

    def _destroy(self, spent: Path) -> None:
        """Overwrite and remove a file that was replaced."""
        try:
            handle = os.open(spent, os.O_WRONLY)
        except FileNotFoundError:
            return
        try:
            kept = spent.with_suffix(".key")
            # After a crash between link and replace this is still the file in use.
            if not (kept.exists() and kept.samefile(spent)):
                os.pwrite(handle, bytes(os.fstat(handle).st_size), 0)
                os.fsync(handle)
        finally:
            os.close(handle)
        spent.unlink()
        self._sync()

    def _path(self, subject: bytes) -> Path:
        return self._folder / f"{subject.hex()}.key"

    def _sync(self) -> None:
        try:
            handle = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise LedgerUnavailableError(f"the keys of the openings cannot be kept: {error}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the one that writes in the folder, and finish what a crash left undone."""
        import fcntl  # Not on every system on which a bundle is verified.

        with self._turn:
            try:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX)
                    for spent in self._folder.glob("*.spent"):
                        self._destroy(spent)
                    yield
                finally:
                    os.close(handle)
            except OSError as error:
                raise LedgerUnavailableError(f"the keys of the openings cannot be kept: {error}") from error


def _seal(key: bytes | None, statement_id: str, name: str, content: bytes) -> bytes:
    if key is None:
        raise LedgerError(f"the key of the field {name!r} of {statement_id} was destroyed")
    nonce = secrets.token_bytes(_NONCE)
    return nonce + nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        content, _context(statement_id, name), nonce, key
    )


def _context(statement_id: str, name: str) -> bytes:
    return f"{statement_id}\n{name}".encode()
