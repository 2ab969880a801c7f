"""Opening what a command is pointed at: checkpoints in files, policies, and logs in tiles or in databases."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ledger import checkpoint
from ledger.bundle import read_checkpoint
from ledger.bundle.layout import MANIFEST
from ledger.errors import LedgerError
from ledger.policy import MAX_BYTES as MAX_POLICY_BYTES
from ledger.policy import Policy
from ledger.receipt import HEADER, parse_proof
from ledger.storage import StoredCheckpoint
from ledger.tiles.layout import CHECKPOINT

_MAX_TEXT = 1 << 20


def is_log(source: str | Path) -> bool:
    """Say whether this names a log: a folder of tiles, or a database by its URL."""
    return "://" in str(source) or Path(source).is_dir()


def read_text(path: Path, most: int) -> str:
    """Return a file as text, its first `most` bytes. Raises LedgerError where it is empty."""
    with path.open("rb") as file:
        text = file.read(most).decode("utf-8", "replace")
    if not text:
        raise LedgerError(f"{path} is empty")
    return text


def is_signed(text: str) -> bool:
    """Say whether a text has the form of a signed note; nothing about it is verified."""
    return "\n\n— " in text


def load_checkpoint(source: str | Path) -> tuple[str, tuple[int, list[bytes]] | None, str | None]:
    """Return the signed checkpoint in a file or of a log, a consistency proof if it carries one, a key if it does."""
    if is_log(source):
        return newest_checkpoint(open_log(str(source))).note, None, None
    path = Path(source)
    if zipfile.is_zipfile(path):
        note, key = read_checkpoint(path)
        return note, None, key
    note = read_text(path, _MAX_TEXT)
    carried = None
    if note.startswith("old "):
        old, path_hashes, note = checkpoint.parse_extension(note)
        carried = (old, path_hashes)
    elif note.startswith(HEADER):
        note = parse_proof(note).checkpoint
    if not is_signed(note):
        raise LedgerError(f"{path} is no signed checkpoint, no receipt, no bundle and no log")
    checkpoint.unsafe_parse(note)
    return note, carried, None


def newest_checkpoint(log: Any) -> StoredCheckpoint:
    """Return the newest checkpoint that a log has stored. Raises LedgerError where there is none."""
    signed: StoredCheckpoint | None = log.view().checkpoint
    if signed is None:
        raise LedgerError("the log has signed no checkpoint")
    return signed


def load_policy(path: Path | None, key: str | None) -> Policy | None:
    """Return whom the auditor trusts: by a policy file, or by the log's key alone; None when neither is given."""
    if path is None:
        return None if key is None else Policy.of_log(key)
    with path.open("rb") as file:
        policy = Policy.parse(file.read(MAX_POLICY_BYTES + 1))
    if not policy.logs and key is not None:
        return replace(policy, logs=Policy.of_log(key).logs)
    if key is not None:
        raise LedgerError("the policy names the log's key already; leave --key out")
    if not policy.logs:
        raise LedgerError(f"{path} names no log; add a `log` line, or name its key with --key")
    return policy


def open_log(source: str, opening_keys: Path | None = None) -> Any:
    """Return what reads a log: a folder of tiles, or the database of a URL. Raises LedgerError when it is neither."""
    if "://" in source:
        return open_database(source, opening_keys)
    if zipfile.is_zipfile(source):
        raise LedgerError(f"{source} is a bundle, which holds some of a log's entries; `verify` and `prove` take it")
    if not Path(source).is_dir():
        raise LedgerError(f"{source} is no folder, and no URL of a database such as sqlite:///FILE")
    if not Path(source, CHECKPOINT).is_file() or Path(source, MANIFEST).is_file():
        unpacked = ": it is an unpacked bundle, so name the zip file" if Path(source, MANIFEST).is_file() else ""
        raise LedgerError(f"the folder {source} does not hold the files of a log{unpacked}")
    from ledger.tiles import FolderSource, TileLog

    return TileLog(FolderSource(Path(source)))


def open_database(url: str, opening_keys: Path | None = None) -> Any:
    """Return a storage that only reads the database of a URL, with the keys of its openings if there are any.

    Raises LedgerError when there is none.
    """
    scheme, _, rest = url.partition("://")
    if scheme in ("http", "https"):
        raise LedgerError(f"nothing is fetched from {scheme}://…: copy the log's files into a folder and name that")
    try:
        import sqlalchemy as sa
    except ImportError as error:
        raise LedgerError(
            "a database is read with the package SQLAlchemy, which is not installed; a folder of tiles needs none"
        ) from error

    from ledger.openingkeys import OpeningKeys
    from ledger.storage.sql import SqlStorage

    keys = None if opening_keys is None else OpeningKeys(opening_keys)
    try:
        if scheme == "sqlite":
            return SqlStorage(_read_only_sqlite(Path(rest.removeprefix("/"))), keys)
        if scheme == "postgresql":
            url = f"postgresql+psycopg://{rest}"
        return SqlStorage(sa.create_engine(url, poolclass=sa.NullPool), keys)
    except ImportError as error:
        raise LedgerError(
            f"{scheme}://… needs the package {error.name or 'of its driver'}, which is not installed"
        ) from error
    except (sa.exc.SQLAlchemyError, ValueError) as error:
        raise LedgerError(f"{scheme}://… cannot be opened: {type(error).__name__}") from error


def _read_only_sqlite(path: Path) -> Any:
    """Return an engine that cannot change the file: evidence is looked at, not touched."""
    import sqlalchemy as sa

    if not path.is_file():
        raise LedgerError(f"{path} does not exist")
    try:
        import pysqlite3.dbapi2 as driver
    except ImportError:
        import sqlite3 as driver
    address = f"file:{quote(str(path.absolute()))}?mode=ro"

    def connect() -> Any:
        return driver.connect(address, uri=True, check_same_thread=False)

    return sa.create_engine("sqlite://", module=driver, creator=connect, poolclass=sa.NullPool)
