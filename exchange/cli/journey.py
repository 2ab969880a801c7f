"""The steps of the demonstration, through the API alone, as any other client would take them."""

from __future__ import annotations

import zipfile
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

from exchange.catalog.rights import RIGHTS
from exchange.cli.demo import Stage, bar, proof, say
from exchange.cli.publishing import upload
from exchange.client import ApiError, Client
from exchange.errors import ExchangeError
from exchange.participants.credit_code import check_character

_PURPOSE = "predictive-maintenance"
_PRICE_FEN = 480_000
_SHOWN_REASONS = 3
# What the provider states it spent; invented for the demonstration, in fen by the accounts of the 2024 accounting rules.
_COSTS = {"margin": "0.08", "age_years": "1", "life_years": "5", "expected_licences": 20}


def run_journey(stage: Stage, tables: list[tuple[str, list[Path]]]) -> list[Path]:
    """Join once, then list, value, agree, pay, transfer and record each table; return the evidence bundles."""
    operator = Client.login(stage.url, "operator@exchange.example", stage.passwords["operator"])
    (stage.folder / "ledger.vkey").write_text(operator.checkpoint()["vkey"], encoding="utf-8")
    provider, _ = _join(stage, operator, "provider", "华东精密机床（演示） East China Machine Tools (demo)", 1)
    consumer, firm = _join(stage, operator, "consumer", "江南轴承（演示） Jiangnan Bearings (demo)", 2)
    stage.step("Pay in: the operator books a bank transfer for the buyer")
    booked = operator.top_up(firm, _PRICE_FEN * len(tables), "DEMO-0001")
    say(f"balance CNY {booked['balance_fen'] / 100:,.2f}")
    proof(booked)
    return [_trade(stage, provider, consumer, title, files) for title, files in tables]


def _join(stage: Stage, operator: Client, role: str, name: str, number: int) -> tuple[Client, str]:
    stage.step(f"Join: {name}")
    body = f"91320594MA1DEM0{number}0"[:17]
    email = f"{role}@firm.example"
    made = Client.register(
        stage.url, name=name, credit_code=body + check_character(body), email=email, password=stage.passwords[role],
        evidence="A demonstration: this firm does not exist.", owner_name=role.title(),
    )  # fmt: skip
    say(f"registered with the credit code {made['credit_code']}, pending until its evidence is verified")
    proof(made)
    verified = operator.verify_participant(made["participant"], note="demonstration")
    say("the operator verified the evidence")
    proof(verified)
    return Client.login(stage.url, email, stage.passwords[role]), str(made["participant"])


def _trade(stage: Stage, provider: Client, consumer: Client, title: str, files: list[Path]) -> Path:
    dataset, version = _list(stage, provider, title, files)
    _value(stage, provider, dataset, version)
    offer = _offer(stage, provider, dataset)
    agreement = _agree(stage, provider, consumer, offer)
    transfer, package = _transfer(stage, consumer, agreement)
    _use_up(stage, consumer, agreement)
    stage.step("Record: the evidence of all this in one file")
    bundle = consumer.bundle(agreement, stage.folder / f"evidence-{agreement[-12:]}.zip")
    say(f"{bundle} ({bundle.stat().st_size / 1024:.0f} KiB) for the delivery {transfer[-12:]} in {package.name}")
    return bundle


def _list(stage: Stage, provider: Client, title: str, files: list[Path]) -> tuple[str, dict[str, Any]]:
    stage.step(f"List: {title}")
    made = provider.create_dataset(
        title=title, description="Published by the demonstration of the exchange.", keywords=["机床", "machining"],
        domain="production", coverage="", update_frequency="once",
    )  # fmt: skip
    with bar("uploading and reading") as report:
        version = upload(provider, made["id"], files, report)
    if version["kind"] != "table":
        raise ExchangeError(f"{title} is no table, so it cannot be valued.", "Give CSV, Parquet, XLSX or JSON lines.")
    say(
        f"{version['rows']:,} rows × {len(version['columns'])} columns from {len(files)} file(s), encrypted at rest, digest {version['digest'][:23]}…"
    )
    for column in version["columns"][:6]:
        say(f"[dim]{column['name']}: {column['type']}[/]")
    for finding in version["findings"]:
        say(f"[yellow]sensitive[/] {finding['column']}: {finding['kind']} ({finding['category']})")
    return made["id"], version


def _value(stage: Stage, provider: Client, dataset: str, version: dict[str, Any]) -> None:
    stage.step("Value: quality counted on the real file, and a first estimate by cost")
    with bar("profiling") as report:
        quality = _when_appraised(provider, version["id"], report)
    facts = quality["report"]
    for dimension in facts["dimensions"]:
        score = "not assessed" if dimension["score"] is None else _share(dimension["score"])
        say(f"{dimension['dimension']:14} {score}")
        for item in facts["measurements"]:
            if item["dimension"] == dimension["dimension"] and item["assessed"]:
                share = f"{item['numerator']:,} of {item['denominator']:,}"
                say(f"[dim]  {item['indicator']}: {share}, {item['direction']} is better[/]")
    for finding in facts["findings"]:
        say(f"[yellow]found[/] {finding['text_en']}")
    say(
        f"quality Q = {_share(facts['quality'])}, coverage κ = {_share(facts['coverage'])} (the share of the weights that could be assessed)"
    )
    accounts = [account["id"] for account in provider.get("/appraisal/accounts")["items"]]
    costs = dict(zip(accounts, (900_000, 4_200_000, 1_100_000, 300_000, 150_000), strict=False))
    try:
        estimate = provider.post(f"/datasets/{dataset}/valuations", {"items": costs, **_COSTS})
    except ApiError as error:
        # Too little of a table may be assessable for a price; that is a result, not a failure.
        say(f"[yellow]no estimate[/]: {error}")
        return
    say(
        f"estimate by cost CNY {estimate['value_fen'] / 100:,.2f} (range {estimate['low_fen'] / 100:,.2f} to {estimate['high_fen'] / 100:,.2f}), report {estimate['digest'][:23]}…"
    )
    proof(estimate)


def _share(value: str) -> str:
    """Return a share with four decimals, never more than it is: what has a flaw must not read 1.0000."""
    return f"{Decimal(value).quantize(Decimal('0.0001'), ROUND_DOWN):f}"


def _when_appraised(provider: Client, version: str, report: Any) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        try:
            return provider.get(f"/versions/{version}/quality")
        except ApiError as error:
            if error.status != 404:
                raise
            return {}

    return provider.wait(look, bool, report, limit=1800)


def _offer(stage: Stage, provider: Client, dataset: str) -> str:
    stage.step("Offer: rights declared, graded, terms and price set")
    declared = provider.declare_rights(
        dataset, "own-production", "Demonstration: produced by our own machines.", RIGHTS
    )
    say(f"declared by the provider: the rights of {', '.join(RIGHTS)}, the source and the evidence")
    proof(declared)
    suggestion = provider.get(f"/datasets/{dataset}")["suggestion"]
    graded = provider.grade(dataset, suggestion["answers"])
    say(f"grade {graded['grade']} after the three impact questions, answered as the columns suggest")
    for reason in suggestion["answer_reasons"][:_SHOWN_REASONS]:
        say(f"[dim]{reason['text_en']}[/]")
    proof(graded)
    drafted = provider.draft_offer(
        dataset, template="purpose-and-count", parameters={"purposes": [_PURPOSE], "count": 1},
        price={"kind": "one-off", "amount_fen": _PRICE_FEN, "currency": "CNY"}, visibility="public" if graded["grade"] == 1 else "authorised",
    )  # fmt: skip
    published = provider.publish_offer(drafted["id"])
    shown = provider.offer(drafted["id"])
    for sentence in shown["terms"]["en"]:
        say(f"terms: {sentence}")
    for sentence in shown["desensitization"]["en"]:
        say(f"[dim]on the way out: {sentence}[/]")
    proof(published)
    return str(drafted["id"])


def _agree(stage: Stage, provider: Client, consumer: Client, offer: str) -> str:
    stage.step("Agree: the buyer states a purpose, both sides sign, the price is held")
    asked = consumer.request(offer, _PURPOSE, intended_use="Plan the maintenance of our spindles.")
    say("requested by the buyer")
    proof(asked)
    approved = provider.step(asked["negotiation"], "agreement")
    say(f"approved and signed by the provider: {approved['digest'][:23]}…")
    proof(approved)
    signed = consumer.step(asked["negotiation"], "verification")
    say("signed by the buyer")
    proof(signed)
    funded = consumer.fund(approved["agreement"])
    say(f"CNY {funded['amount_fen'] / 100:,.2f} held in escrow, the agreement is in force")
    proof(funded)
    return str(approved["agreement"])


def _transfer(stage: Stage, consumer: Client, agreement: str) -> tuple[str, Path]:
    stage.step("Transfer: decided again, desensitized, marked for this buyer, sealed")
    asked = consumer.request_transfer(agreement)
    proof(asked)
    with bar("preparing") as report:
        facts = consumer.wait_for_transfer(asked["transfer"], report)
    if facts["state"] != "STARTED":
        raise ExchangeError(f"The transfer is {facts['state']}: {facts['reason']}", "See the server's log.")
    say(
        f"one artefact of {facts['sealed_size'] / 2**20:.2f} MiB, sealed {facts['sealed_digest'][:23]}…, on the ledger before the first byte"
    )
    package = stage.folder / f"delivery-{asked['transfer'][-12:]}.zip"
    with bar("fetching") as report:
        digest = consumer.fetch(asked["transfer"], package, opened=True, report=report)
    say(f"received {package.name}, {digest[:23]}… as recorded")
    with zipfile.ZipFile(package) as opened:
        say(f"[dim]{', '.join(opened.namelist())}[/]")
    acknowledged = consumer.acknowledge(asked["transfer"], digest)
    say("acknowledged by the buyer, the payment is released to the provider")
    proof(acknowledged)
    return str(asked["transfer"]), package


def _use_up(stage: Stage, consumer: Client, agreement: str) -> None:
    stage.step("Enforce: the agreement was for one use, a second one is refused")
    try:
        consumer.request_transfer(agreement)
    except ApiError as error:
        if error.code != "policy-denied":
            raise
        for reason in error.problem["reasons"]:
            say(f"[red]denied[/] {reason['text_en']}")
        return
    raise ExchangeError("A second use was permitted.", "Report this; it must never happen.")
