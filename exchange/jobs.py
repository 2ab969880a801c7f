"""Background jobs: a durable row says what is to be done and how far it is; huey carries the row's id to a worker.

The row is written in the transaction of the step that wants the work (an outbox) and handed to huey after the commit, so a job is neither
lost nor run for a step that rolled back. A worker holds a lease while it works; a job whose worker died (kill -9) is taken up again
by the sweep at start-up and every minute. Handlers must therefore be repeatable: they end in one operation that changes state once.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from huey import Huey, MemoryHuey, PostgresHuey, SqliteHuey, crontab
from huey.consumer import Consumer
from huey.registry import Message
from sqlalchemy import JSON, Index, String, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from contracts.errors import ContractsError
from exchange.config import Settings
from exchange.database import Base, Database, UTCDateTime
from exchange.errors import ExchangeError, UnavailableError

_LEASE = timedelta(seconds=60)
_BEAT_SECONDS = 15
_MAX_ATTEMPTS = 3

log = structlog.get_logger()


class Job(Base):
    """One piece of background work. `state`: queued, running, done or failed; `progress` is 0 to 1."""

    __tablename__ = "job"
    __table_args__ = (Index("ix_job_state_lease", "state", "lease_until"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    participant: Mapped[str | None] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(64), default="", index=True)
    kind: Mapped[str] = mapped_column(String(64))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16), default="queued")
    progress: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str] = mapped_column(String(300), default="")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str] = mapped_column(String(64), default="")
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


Progress = Callable[[float, str], None]
Handler = Callable[[Any, dict[str, Any], Progress], dict[str, Any]]
Timer = Callable[[Any], Any]
GivenUp = Callable[[Any, dict[str, Any]], Any]
_HANDLERS: dict[str, Handler] = {}
_GIVEN_UP: dict[str, GivenUp] = {}
_TIMERS: dict[str, Timer] = {}


def handler(kind: str, *, given_up: GivenUp | None = None) -> Callable[[Handler], Handler]:
    """Register the function that does jobs of `kind`: (operations, arguments, progress) -> JSON result.

    `given_up`: what is done, with (operations, arguments), when a job was interrupted too often to be tried again, so that
    nothing waits for it for ever. It may be called more than once.
    """

    def register(function: Handler) -> Handler:
        _HANDLERS[kind] = function
        if given_up is not None:
            _GIVEN_UP[kind] = given_up
        return function

    return register


def timer(name: str) -> Callable[[Timer], Timer]:
    """Register a function of the operations as the timer `name`, for what is more than one operation; it is repeatable."""

    def register(function: Timer) -> Timer:
        _TIMERS[name] = function
        return function

    return register


class _JsonSerializer:
    """huey's messages as JSON: only names and ids travel, nothing that could execute."""

    def serialize(self, data: Any) -> bytes:
        if isinstance(data, Message):
            data = {"message": {**data._asdict(), "args": list(data.args or ())}}
        return json.dumps(data).encode()

    def deserialize(self, data: bytes) -> Any:
        value = json.loads(data)
        if isinstance(value, dict) and "message" in value:
            fields = value["message"]
            return Message(**{**fields, "args": tuple(fields["args"])})
        return value


class Jobs:
    """Enqueues jobs and runs them: in this process, in a worker of its own, or at once (tests and the command line)."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._connections = _Connections(settings)
        self._huey = _make_huey(settings, self._connections)
        self._consumer: Consumer | None = None
        self.operations: Any = None
        # Names of timers, or of operations, that are run every minute: what falls due by time alone.
        self.timers: tuple[str, ...] = ()
        self._task = self._huey.task()(self._execute_by_id)
        self._huey.periodic_task(crontab(minute="*"))(self._sweep_task)

    def enqueue(self, step: Any, kind: str, *, subject: str = "", **arguments: Any) -> str:
        """Add a job within `step`'s transaction and return its id; it starts after the commit."""
        identifier = step.new_id()
        step.session.add(
            Job(
                id=identifier,
                participant=step.actor.participant,
                subject=subject,
                kind=kind,
                arguments=arguments,
                created_at=step.now,
            )
        )
        step.after_commit.append(lambda: self._hand_over(identifier))
        return identifier

    def _hand_over(self, identifier: str) -> None:
        if self._settings.jobs == "immediate":
            self._execute_by_id(identifier)
            return
        try:
            self._task(identifier)
        except Exception:
            # The row is committed, so the work is not lost: the next sweep hands it over.
            log.exception("job not handed over", job=identifier)

    def start(self) -> None:
        """Start the worker threads of this process and take up what an earlier process left undone."""
        self.sweep(at_start=True)
        consumer = self._huey.create_consumer(
            workers=self._settings.job_threads, worker_type="thread", initial_delay=0.05, max_delay=0.5, backoff=1.3,
            check_worker_health=True,
        )  # fmt: skip
        # Signals belong to the web server (or the command line); huey must not take them.
        consumer._set_signal_handlers = lambda: None
        consumer.start()
        self._consumer = consumer

    def stop(self) -> None:
        """Let running jobs end, then stop the worker threads."""
        if self._consumer is not None:
            self._consumer.stop(graceful=True)
            self._consumer = None
        self._connections.close()

    def _sweep_task(self) -> None:
        self.sweep()
        for name in self.timers:
            try:
                self.run_timer(name)
            except ExchangeError as error:
                # The next minute tries again; what could not be recorded was not done.
                log.warning("timer refused", operation=name, code=error.code)
            except Exception:
                # One timer's fault must not keep the others from their work.
                log.exception("timer failed", operation=name)

    def run_timer(self, name: str) -> Any:
        """Do now what falls due under `name`, and return what the timer returns (a list of what it did, mostly)."""
        if name in _TIMERS:
            return _TIMERS[name](self.operations)
        return self.operations.run_as_system(name).result

    def sweep(self, *, at_start: bool = False) -> int:
        """Queue again what waits or whose worker is gone; return how many."""
        now = datetime.now(UTC)
        with self._database.writing() as session:
            rows = session.scalars(
                select(Job).where(
                    or_(
                        (Job.state == "running") & (Job.lease_until < now),
                        (Job.state == "running") & at_start,
                        (Job.state == "queued") & (Job.created_at < now - (timedelta() if at_start else _LEASE)),
                    )
                )
            ).all()
            taken = [
                job
                for job in rows
                if job.state == "queued" or not _is_alive(job.worker) or (job.lease_until or now) < now
            ]
            for job in taken:
                job.state, job.worker = "queued", ""
        for job in taken:
            self._hand_over(job.id)
        return len(taken)

    def _execute_by_id(self, identifier: str) -> None:
        claimed = self._claim(identifier)
        if claimed is None:
            return
        kind, arguments, attempts = claimed
        with self._heartbeat(identifier):
            try:
                if attempts > _MAX_ATTEMPTS:
                    self._give_up(identifier, kind, arguments)
                    return
                result = _HANDLERS[kind](self.operations, arguments, self._reporter(identifier))
            except (UnavailableError, OperationalError):
                # Nothing is wrong with the work: the next sweep takes it up again, a few times.
                self._update(identifier, state="queued", worker="", lease_until=None)
                log.warning("job waits for the ledger", job=identifier, kind=kind)
            except (ExchangeError, ContractsError) as error:
                self._finish(identifier, "failed", error=_describe(error))
                log.info("job refused", job=identifier, kind=kind, error=type(error).__name__)
            except Exception as error:
                # Whatever went wrong must reach the person who waits, not only the log; nothing personal is logged.
                log.exception("job failed", job=identifier, kind=kind)
                self._finish(identifier, "failed", error={"code": "internal", "type": type(error).__name__})
            else:
                self._finish(identifier, "done", result=result)

    def _give_up(self, identifier: str, kind: str, arguments: dict[str, Any]) -> None:
        log.error("job given up", job=identifier, kind=kind)
        if kind in _GIVEN_UP:
            _GIVEN_UP[kind](self.operations, arguments)
        self._finish(identifier, "failed", error={"code": "too-many-attempts"})

    def _claim(self, identifier: str) -> tuple[str, dict[str, Any], int] | None:
        with self._database.writing() as session:
            taken = session.execute(
                update(Job)
                .where(Job.id == identifier, Job.state == "queued")
                .values(
                    state="running", worker=_worker(), lease_until=datetime.now(UTC) + _LEASE, attempts=Job.attempts + 1
                )
                .returning(Job.kind, Job.arguments, Job.attempts)
            ).one_or_none()
        return None if taken is None else (taken.kind, taken.arguments, taken.attempts)

    @contextmanager
    def _heartbeat(self, identifier: str) -> Iterator[None]:
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(_BEAT_SECONDS):
                # A database that is busy for one beat must not end the lease of work that goes on.
                with suppress(OperationalError):
                    self._update(identifier, lease_until=datetime.now(UTC) + _LEASE)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _reporter(self, identifier: str) -> Progress:
        last = {"progress": -1.0, "at": datetime.min.replace(tzinfo=UTC)}

        def report(progress: float, message: str = "") -> None:
            now = datetime.now(UTC)
            if progress - last["progress"] < 0.01 or now - last["at"] < timedelta(seconds=0.3):
                return
            last.update(progress=progress, at=now)
            with suppress(OperationalError):
                self._update(identifier, progress=min(progress, 1.0), message=message[:300])

        return report

    def _finish(self, identifier: str, state: str, **values: Any) -> None:
        progress = {"progress": 1.0} if state == "done" else {}
        self._update(identifier, state=state, finished_at=datetime.now(UTC), lease_until=None, **progress, **values)

    def _update(self, identifier: str, **values: Any) -> None:
        with self._database.writing() as session:
            session.execute(update(Job).where(Job.id == identifier).values(**values))


def get(session: Session, identifier: str) -> Job | None:
    """Return a job's row, or None."""
    return session.get(Job, identifier)


class _Connections:
    """The connections that huey opens on PostgreSQL, one or two a thread and left to the garbage collector, so that they can be closed."""

    def __init__(self, settings: Settings) -> None:
        self._dsn = "postgresql://" + settings.database_url.split("://", 1)[1]
        self._opened: list[Any] = []
        self._turn = threading.Lock()

    def open(self) -> Any:
        import psycopg

        connection = psycopg.connect(self._dsn, autocommit=True)
        with self._turn:
            self._opened = [one for one in self._opened if not one.closed] + [connection]
        return connection

    def close(self) -> None:
        with self._turn:
            opened, self._opened = self._opened, []
        for connection in opened:
            connection.close()


def _make_huey(settings: Settings, connections: _Connections) -> Huey:
    logging.getLogger("huey").setLevel(logging.WARNING)
    if settings.jobs == "immediate":
        return MemoryHuey("exchange", serializer=_JsonSerializer(), results=False)
    if settings.is_sqlite:
        # The rows of the exchange's own database are the truth; this file only wakes the workers, so it needs no sync.
        return SqliteHuey(
            "exchange", filename=str(settings.home / "jobs.db"), serializer=_JsonSerializer(), results=False,
            fsync=False, timeout=30, journal_mode="truncate",
        )  # fmt: skip
    return PostgresHuey("exchange", connection=connections.open, serializer=_JsonSerializer(), results=False)


def _describe(error: ExchangeError | ContractsError) -> dict[str, Any]:
    if isinstance(error, ContractsError):
        return {
            "code": type(error).__name__, "reason": [error.text_en, error.text_zh], "mend": [error.mend_en, error.mend_zh],
            "field": None, "details": {},
        }  # fmt: skip
    return {
        "code": error.code, "reason": list(error.reason), "mend": list(error.mend), "field": error.field,
        "details": error.details,
    }  # fmt: skip


def _worker() -> str:
    return f"{os.uname().nodename}:{os.getpid()}"


def _is_alive(worker: str) -> bool:
    host, _, pid = worker.rpartition(":")
    if host != os.uname().nodename or not pid.isdigit():
        return True
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
