"""A small market inside a running exchange: a provider with one offer of synthetic data, and a buyer with money."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.servers import OPERATOR, Served
from exchange.cli.publishing import publish
from exchange.client import Client
from exchange.participants.credit_code import check_character
from valuation.sample import rows as sample_rows

PRICE_FEN = 123_00
_PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Market:
    """Both sides, the offer and its dataset."""

    provider: Client
    consumer: Client
    offer: str
    dataset: str

    def again(self) -> Market:
        """Return the same market through connections of its own, for another thread."""
        provider, consumer = (Client(side.url, side.token) for side in (self.provider, self.consumer))
        return Market(provider, consumer, self.offer, self.dataset)

    def request(self) -> dict[str, Any]:
        """Ask for the offer."""
        return self.consumer.request(
            self.offer, "internal-analysis", intended_use="To watch the wear of our own tools."
        )

    def agree(self) -> dict[str, Any]:
        """Go from request to FINALIZED: request, agreement, verification and funding, each with its receipts."""
        asked = self.request()
        agreed = self.provider.step(asked["negotiation"], "agreement")
        verified = self.consumer.step(asked["negotiation"], "verification")
        funded = self.consumer.fund(agreed["agreement"])
        if funded["state"] != "in_force" or not all(step["receipts"] for step in (asked, agreed, verified, funded)):
            raise RuntimeError("A step gave no receipt.")
        return funded


def open_market(served: Served, folder: Path, rows: int = 1_000) -> Market:
    """Register and verify two firms, publish and offer a synthetic table, and give the buyer money."""
    table = folder / "synthetic-machining-cell.parquet"
    batches = list(sample_rows(rows))
    with pq.ParquetWriter(table, batches[0].schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
    operator = Client.login(served.url, OPERATOR, served.password)
    provider, _ = _join(served, operator, "Provider")
    consumer, buyer = _join(served, operator, "Consumer")
    operator.top_up(buyer, PRICE_FEN * 100_000, f"benchmark-{next(_numbers)}")
    published = publish(
        provider, [table], report=lambda *_: None, title="Synthetic machining cell", description="Telemetry of a simulated cell.",
        domain="management", keywords=["synthetic"], coverage="", update_frequency="", types=[], encoding=None, delimiter=None,
        source="own-production", evidence="We simulated it ourselves.", declare_rights=True,
        impact=(1, 1, 1), impact_reason="Every row is simulated.", template="internal-use", parameters=[],
        price_fen=PRICE_FEN, public=True,
    )  # fmt: skip
    return Market(provider, consumer, published["offer"], published["dataset"])


def _join(served: Served, operator: Client, name: str) -> tuple[Client, str]:
    number = next(_numbers)
    body = f"91320594MA1{number:06d}"
    email = f"person{number}@firm.example"
    made = Client.register(
        served.url, name=f"{name} {number}", credit_code=body + check_character(body), evidence="Extract of the register 123.",
        owner_name=name, email=email, password=_PASSWORD,
    )  # fmt: skip
    operator.verify_participant(made["participant"])
    return Client.login(served.url, email, _PASSWORD), str(made["participant"])
