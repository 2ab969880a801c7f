"""From request to FINALIZED over HTTP, against the durable commits that it cannot do without.

Each negotiation is four steps (request, agreement, verification, funding), each answered with the receipts of what it
recorded. A step commits twice, its change with its statements and then the checkpoint that covers them, so eight durable
commits of one row in the same kind of database on the same disk are the limit.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from benchmarks import servers
from benchmarks.figures import Figure, interleaved, median_ratio, seconds
from benchmarks.market import Market, open_market
from exchange.database import make_engine

TARGET_MS = 100.0
_COMMITS = 8
_WARM_UP = 3
_PEER = "; the connector of Eclipse Dataspace Components is not here to be asked"


def figures(*, quick: bool = False) -> Iterator[Figure]:
    """Measure on SQLite with one worker, the embedded default, and on PostgreSQL with two."""
    rounds = 3 if quick else 40
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        served = running.enter_context(servers.exchange(folder / "sqlite"))
        yield from _measure("sqlite", served, folder, f"sqlite:///{folder / 'limit.db'}", rounds)
    if quick:
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        url = running.enter_context(servers.postgresql(folder / "postgresql"))
        if url is None:
            yield Figure(
                "negotiation.postgresql", 0.0, "ms", "PostgreSQL's wheel is not installed, so nothing was measured"
            )
            return
        served = running.enter_context(servers.exchange(folder / "home", database_url=url, workers=2))
        yield from _measure("postgresql", served, folder, url, rounds)


def _measure(database: str, served: servers.Served, folder: Path, limit_url: str, rounds: int) -> Iterator[Figure]:
    market = open_market(served, folder)
    commits = _durable_commits(limit_url)
    for _ in range(_WARM_UP):
        market.agree()
        commits()
    used: list[float] = []
    taken, limit = interleaved(
        rounds, lambda: seconds(lambda: used.append(_processor_time(market, served))), lambda: seconds(commits)
    )
    value = statistics.median(taken) * 1000
    yield Figure(
        name=f"negotiation.{database}",
        value=value,
        unit="ms from request to FINALIZED (median)",
        against=f"{_COMMITS} durable commits of one row{_PEER}",
        against_value=statistics.median(limit) * 1000,
        ratio=median_ratio(limit, taken),
        target=f"< {TARGET_MS:.0f} ms",
        holds=value < TARGET_MS,
    )
    yield Figure(
        name=f"negotiation.{database}.processor",
        value=sum(used) / len(used) * 1000,
        unit="ms of the server's processor time (mean)",
        against="the time it takes, waiting for the disk and the network included",
        against_value=value,
        ratio=sum(used) / sum(taken),
    )


def _processor_time(market: Market, served: servers.Served) -> float:
    before = served.cpu_seconds()
    market.agree()
    return served.cpu_seconds() - before


def _durable_commits(url: str) -> Callable[[], None]:
    """Return what commits one row eight times, as durably as the exchange does."""
    engine = make_engine(url)
    table = sa.Table(
        "benchmark_limit", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("body", sa.Text)
    )
    with engine.begin() as connection:
        table.create(connection)
        # SQLite's log of writes is slower while it grows; it has grown to its full length after this.
        connection.execute(table.insert(), [{"body": "x" * 4000}] * 1500)

    def commit() -> None:
        with engine.connect() as connection:
            for _ in range(_COMMITS):
                with connection.begin():
                    connection.execute(table.insert(), {"body": "x" * 500})

    return commit
