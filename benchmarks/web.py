"""A JSON item read with an API token, against the smallest Flask application on the same workers.

The item is an agreement with its document and both signatures, as its consumer reads it. Whole datasets with their
columns, offers, policies and plans, as their buyer and as their provider read them, are shown beside it, without a target. Behind each stand the look-up of the token, the permission, and the
rule of who may see it, at every request.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Figure, interleaved, median_ratio
from benchmarks.load import generator, load
from benchmarks.market import open_market

TARGET = 0.35


@dataclass(frozen=True)
class _Target:
    name: str
    server: servers.Served
    path: str
    token: str = ""


@dataclass(frozen=True)
class _Measured:
    """Answers a second, and the server's processor seconds for one answer."""

    rate: float
    cost: float


def figures(*, quick: bool = False, workers: int = 1, threads: int = 4) -> Iterator[Figure]:
    """Measure each item and the peer in turn, with the same number of workers and threads."""
    rounds, duration = (1, 1.0) if quick else (7, 2.0)
    with (
        tempfile.TemporaryDirectory() as name,
        servers.hello(Path(name), workers=workers, threads=threads) as peer,
        servers.exchange(Path(name) / "home", workers=workers, threads=threads) as served,
    ):
        market = open_market(served, Path(name))
        agreement = market.agree()["agreement"]
        items = [
            _Target("agreement", served, f"/api/v1/agreements/{agreement}", market.consumer.token),
            _Target("dataset", served, f"/api/v1/datasets/{market.dataset}", market.consumer.token),
            _Target("own-dataset", served, f"/api/v1/datasets/{market.dataset}", market.provider.token),
        ]
        if quick:
            del items[1:]
        measured: dict[str, list[_Measured]] = {}
        targets = [_Target("hello", peer, "/"), *items]
        for target in targets:
            _measure(target, 1.0)
            measured[target.name] = []
        interleaved(rounds, *(_taking(target, duration, measured[target.name]) for target in targets))
    for item in items:
        yield from _compare(item.name, measured[item.name], measured["hello"], goal=item.name == "agreement")


def _measure(target: _Target, duration: float) -> _Measured:
    headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
    before = target.server.cpu_seconds()
    count, taken = load(target.server.url + target.path, headers, duration)
    return _Measured(count / taken, (target.server.cpu_seconds() - before) / max(count, 1))


def _taking(target: _Target, duration: float, into: list[_Measured]) -> Callable[[], float]:
    def take() -> float:
        into.append(_measure(target, duration))
        return into[-1].rate

    return take


def _compare(name: str, item: list[_Measured], peer: list[_Measured], *, goal: bool) -> Iterator[Figure]:
    ratio = median_ratio([each.rate for each in item], [each.rate for each in peer])
    yield Figure(
        name=f"web.{name}",
        value=statistics.median(each.rate for each in item),
        unit=f"answers/s ({generator()}, median)",
        against="a hello-world Flask application under the same gunicorn settings",
        against_value=statistics.median(each.rate for each in peer),
        ratio=ratio,
        target=f"ratio >= {TARGET}" if goal else "",
        holds=ratio >= TARGET if goal else None,
    )
    cost, peers = statistics.median(each.cost for each in item), statistics.median(each.cost for each in peer)
    yield Figure(
        name=f"web.{name}.processor",
        value=cost * 1000,
        unit="ms of processor time an answer (median)",
        against="the same application",
        against_value=peers * 1000,
        ratio=peers / cost,
    )
