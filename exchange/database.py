"""The database: engines, sessions, column types and migrations, the same on SQLite and PostgreSQL.

SQLite runs in WAL with synchronous=FULL: an acknowledged commit survives a power cut. Writers begin IMMEDIATE, so that two writers wait for
each other instead of failing half-way. Versions of SQLite from 3.7.0 to 3.51.2 can corrupt a WAL that several connections reset at
once (mended in 3.51.3); where the standard library's is one of these, `pysqlite3` brings a newer one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
from sqlalchemy import DateTime, Dialect, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import TypeDecorator

from exchange.errors import SettingsError
from ledger.storage.sql import forget_readonly

_WAL_RESET_MENDED = (3, 51, 3)
# A step that cannot be written is answered within five seconds, so waiting for a lock must end before that.
_LOCK_WAIT_MS = 4_000
_MOST_KEPT = 1_000


class Base(DeclarativeBase):
    """Root of all models; constraints are named so that migrations can address them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored as UTC without zone and given back aware; a naive one is refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("A time without a zone reached the database.")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def sqlite_module() -> ModuleType:
    """Return a SQLite module that is free of the WAL-reset bug. Raises SettingsError where there is none."""
    if sqlite3.sqlite_version_info >= _WAL_RESET_MENDED:
        return sqlite3
    try:
        import pysqlite3.dbapi2 as newer
    except ImportError as error:
        raise SettingsError(
            f"SQLite {sqlite3.sqlite_version} can corrupt the database when several workers write.",
            "Install the package pysqlite3, or set database_url to a PostgreSQL server.",
        ) from error
    return newer


def _read_json(text: str | bytes) -> Any:
    """Read a JSON column. No column holds an integer beyond 64 bits, which orjson would round; NaN it leaves to the library."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def make_engine(url: str) -> Engine:
    """Return an engine for `url` (sqlite:///FILE or postgresql://…) with the durability the promises need."""
    if url.startswith("sqlite"):
        engine = _sqlite_engine(url)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Parameters stay out of messages and logs: they may be personal or secret.
    if url.startswith("postgresql://"):
        url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
    # A server that does not answer at all must not be waited for longer than one that is busy.
    patience = {} if "connect_timeout" in make_url(url).query else {"connect_timeout": _LOCK_WAIT_MS // 1000}
    engine = create_engine(
        url, pool_size=10, max_overflow=20, pool_pre_ping=True, hide_parameters=True, isolation_level="READ COMMITTED",
        json_deserializer=_read_json,
        connect_args=patience,
    )  # fmt: skip
    event.listen(engine, "connect", _configure_postgresql)
    return engine


def _make_reader(engine: Engine, url: str) -> Engine:
    """Return the engine of reads, in which nothing can be kept; each statement sees what was committed before it.

    On SQLite it has connections of its own that refuse to write. They need no transaction around a read, nor
    SQLAlchemy's events, which together cost more than the read itself.
    """
    if engine.dialect.name != "sqlite":
        return engine.execution_options(writes=False)
    reader = _sqlite_engine(url)
    event.listen(reader, "connect", _refuse_writes)
    return reader


def _sqlite_engine(url: str) -> Engine:
    Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        module=sqlite_module(),
        connect_args={
            "isolation_level": None,
            "timeout": _LOCK_WAIT_MS / 1000,
            "check_same_thread": False,
        },
        pool_size=20,
        max_overflow=20,
        hide_parameters=True,
        json_deserializer=_read_json,
    )
    event.listen(engine, "connect", _configure_sqlite)
    forget_readonly(engine)
    return engine


def _configure_postgresql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {_LOCK_WAIT_MS}")
    connection.commit()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        # Of a new file: entries of a kilobyte leave a fifth of each smaller page empty.
        "page_size=8192",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_LOCK_WAIT_MS}",
        "secure_delete=ON",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _refuse_writes(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA query_only=ON").close()
    record.info.update(memo={}, memo_of=None)


def memo(connection: Connection) -> dict[Any, Any] | None:
    """Return where to keep what is read through `connection`: it is empty again as soon as anything has been committed.

    None where there is no such place. SQLite tells a connection whether others have committed since it last asked (PRAGMA
    data_version), and connections that only read commit nothing themselves, so what is kept is what a query would give.
    """
    info = connection.info
    if "memo" not in info:
        return None
    raw = connection.connection.driver_connection
    version = raw.execute("PRAGMA data_version").fetchone()[0]  # type: ignore[union-attr]
    if info["memo_of"] != version or len(info["memo"]) > _MOST_KEPT:
        info.update(memo={}, memo_of=version)
    kept: dict[Any, Any] = info["memo"]
    return kept


def _begin_sqlite(connection: Connection) -> None:
    match connection.get_execution_options().get("writes", True):
        case True:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        case "later":
            connection.exec_driver_sql("BEGIN")
        case _:
            # The log reads by single statements, which need no transaction around them.
            pass


class Database:
    """Sessions over one database: `writing()` commits or rolls back as a whole, `reading()` never writes."""

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        self._reader = _make_reader(self.engine, url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._reading_sessions = sessionmaker(self._reader, expire_on_commit=False)

    @property
    def deferred(self) -> Engine:
        """Return the engine whose transactions take the write lock only with their first write; the log uses it."""
        return self.engine.execution_options(writes="later")

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session whose work commits at the end, or not at all when the block raises."""
        with self._sessions() as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session for reads; nothing written in it is kept. On SQLite the attempt is refused.

        As at PostgreSQL's READ COMMITTED, each statement sees what was committed before it.
        """
        # Closing lets go of the rows before it rolls back, so what was read stays readable outside.
        with self._reading_sessions() as session:
            yield session

    def reading_connection(self) -> Connection:
        """Return an open reading connection; the caller closes it (one per request)."""
        return self._reader.connect()

    def reading_session(self, connection: Connection) -> Session:
        """Return a session that reads through `connection`; the caller closes both."""
        return self._reading_sessions(bind=connection)

    def migrate(self) -> None:
        """Bring the schema to the newest revision (Alembic); nothing happens when it is there already."""
        from alembic import command

        with self.engine.connect() as connection:
            command.upgrade(alembic_config(connection), "head")
            connection.commit()

    def revision(self) -> str | None:
        """Return the schema's revision, or None for an empty database."""
        from alembic.runtime.migration import MigrationContext

        with self._reader.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def dispose(self) -> None:
        """Close all connections that nobody holds."""
        self._reader.dispose()
        self.engine.dispose()


def alembic_config(connection: Connection | None = None) -> Any:
    """Return the Alembic configuration of the migrations inside this package."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
