"""Commands of both sides of a trade: request, negotiations, approve, decline, accept, fund, fetch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from exchange import files
from exchange.cli import failures
from exchange.cli.connection import connected
from exchange.cli.data import progress_bar
from exchange.cli.values import Yuan, yuan
from exchange.client import ApiError, AwaitingSignature, Client
from exchange.errors import ExchangeError, InvalidInputError

_WAITS = "It waits for your own key: `exchange sign {}`."


def _receipts(result: dict[str, Any]) -> None:
    for receipt in result.get("receipts", ()):
        click.echo(f"  recorded as entry {receipt['index']} (leaf {receipt['leaf_hash'][:16]}…)")


def _carry_out(step: Any) -> dict[str, Any]:
    try:
        return dict(step())
    except AwaitingSignature as waiting:
        raise ExchangeError("Nothing has happened yet.", _WAITS.format(waiting.request)) from waiting


@click.command()
@click.argument("offer")
@click.option("--purpose", required=True, help="What you need the data for; one that the offer's terms know.")
@click.option("--use", "intended_use", default="", help="The intended use in your own words.")
@click.option("--price", "price_fen", type=Yuan(), help="A price in CNY to propose instead of the asked one.")
@connected
def request(client: Client, offer: str, purpose: str, intended_use: str, price_fen: int | None) -> None:
    """Ask for an OFFER, stating the purpose."""
    body: dict[str, Any] = {"intended_use": intended_use}
    if price_fen is not None:
        body["proposed_price_fen"] = price_fen
    made = _carry_out(lambda: client.request(offer, purpose, **body))
    click.echo(f"Negotiation {made['negotiation']} is {made['state']}. The provider answers next.")
    _receipts(made)


@click.command()
@connected
def negotiations(client: Client) -> None:
    """List your firm's negotiations and whose turn it is."""
    items = client.negotiations()
    for item in items:
        turn, price = item["next_side"] or "nobody", yuan(item["price"]["amount_fen"])
        click.echo(f"{item['id']}  {item['state']:10} you are {item['role']}, next: {turn}, {price}")
    if not items:
        click.echo("No negotiations. Start one with `exchange request OFFER --purpose …`.")


@click.command()
@click.argument("negotiation")
@connected
def approve(client: Client, negotiation: str) -> None:
    """Approve a request: sign the agreement as its provider."""
    made = _carry_out(lambda: client.step(negotiation, "agreement"))
    click.echo(f"Agreement {made['agreement']} is signed by you ({made['digest'][:23]}…). The consumer signs next.")
    _receipts(made)


@click.command()
@click.argument("negotiation")
@click.option("--price", "price_fen", type=Yuan(), help="Another price in CNY.")
@click.option("--note", default="", help="Why.")
@connected
def counter(client: Client, negotiation: str, price_fen: int | None, note: str) -> None:
    """Answer with other terms."""
    body: dict[str, Any] = {"note": note, **({} if price_fen is None else {"price_fen": price_fen})}
    made = _carry_out(lambda: client.step(negotiation, "counter", body))
    click.echo(f"Negotiation {negotiation} is {made['state']}.")
    _receipts(made)


@click.command()
@click.argument("negotiation")
@click.option("--reason", required=True, help="The other side reads it.")
@connected
def decline(client: Client, negotiation: str, reason: str) -> None:
    """End a negotiation with a reason."""
    made = _carry_out(lambda: client.step(negotiation, "termination", {"reason": reason}))
    click.echo(f"Negotiation {negotiation} is {made['state']}.")
    _receipts(made)


@click.command(short_help="Accept a counter-offer, or the provider's agreement.")
@click.argument("negotiation")
@connected
def accept(client: Client, negotiation: str) -> None:
    """Accept what is on the table as its consumer: a counter-offer, or the agreement that the provider signed."""
    state = client.negotiation(negotiation)["state"]
    step = {"OFFERED": "acceptance", "AGREED": "verification"}.get(state)
    if step is None:
        raise InvalidInputError(f"The negotiation is {state}; there is nothing to accept.", "Wait for the provider.")
    made = _carry_out(lambda: client.step(negotiation, step))
    click.echo(f"Negotiation {negotiation} is {made['state']}.")
    if made.get("agreement"):
        click.echo(f"Agreement {made['agreement']} is signed by both. Next: exchange fund {made['agreement']}")
    _receipts(made)


@click.command(short_help="Hold the price in escrow; the agreement is in force then.")
@click.argument("agreement")
@connected
def fund(client: Client, agreement: str) -> None:
    """Hold the price of an AGREEMENT in escrow; it is in force afterwards."""
    made = _carry_out(lambda: client.fund(agreement))
    click.echo(f"{yuan(made['amount_fen'])} held; the agreement is {made['state']}. Next: exchange fetch {agreement}")
    _receipts(made)


@click.command(short_help="Fetch the data of an agreement.")
@click.argument("identifier")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder to write to."
)
@click.option("--sealed", is_flag=True, help="Keep the package sealed even where the exchange could open it.")
@click.option(
    "--bound", is_flag=True, help="Fetch the sealed package by a token that is bound to a key of this command (DPoP)."
)
@click.option(
    "--no-acknowledge", is_flag=True, help="Do not acknowledge the delivery (the payment then waits for its window)."
)
@connected
def fetch(client: Client, identifier: str, output: Path, sealed: bool, bound: bool, no_acknowledge: bool) -> None:
    """Fetch data: IDENTIFIER is an agreement (takes one use) or a transfer that was started before (goes on where it stopped)."""
    # Before a use is taken, since one that cannot be written would be lost.
    output.mkdir(parents=True, exist_ok=True)
    files.require_writable(output)
    transfer = _transfer_of(client, identifier)
    try:
        facts, target, digest = _deliver(client, transfer, output, sealed, bound)
    except (OSError, KeyboardInterrupt) as error:
        raise ExchangeError(
            failures.told(error) if isinstance(error, Exception) else "The delivery was interrupted.",
            f"Then go on with `exchange fetch {transfer}`; it is the same use.",
        ) from error
    click.echo(f"{target}: {facts['rows']} rows, {digest}")
    if target.suffix == ".sealed":
        kept = "The exchange keeps your key: fetch it without --sealed to read it."
        click.echo(
            kept if facts["custody"] == "custodial" else f"Open it where your private key is: exchange open {target}"
        )
    if not no_acknowledge and facts["state"] == "STARTED":
        try:
            made = client.acknowledge(transfer, digest)
        except AwaitingSignature as waiting:
            # The data is there; only what releases the payment is still to be signed.
            click.echo(f"The acknowledgement waits for your own key: exchange sign {waiting.request}")
            return
        click.echo("Acknowledged; the payment is released to the provider.")
        _receipts(made)


def _deliver(
    client: Client, transfer: str, output: Path, sealed: bool, bound: bool
) -> tuple[dict[str, Any], Path, str]:
    """Wait until the transfer has started, then fetch its package, and return its facts, the file and the digest."""
    with progress_bar() as bar:
        task = bar.add_task("preparing", total=1.0)

        def report(share: float, text: str) -> None:
            bar.update(task, completed=share, description=text or "working")

        facts = client.wait_for_transfer(transfer, report)
        if facts["state"] not in {"STARTED", "COMPLETED"}:
            raise ExchangeError(
                f"The transfer is {facts['state']}: {facts['reason']}", "Mend the reason, then fetch again."
            )
        opened = not sealed and facts["custody"] == "custodial"
        target = output / f"delivery-{transfer[-12:]}.{'zip' if opened else 'sealed'}"
        digest = client.fetch(transfer, target, opened=opened, bound=bound, report=report)
    if not opened:
        fields = ("id", "agreement_id", "context", "recipient_wrapped_key", "sealed_digest", "plain_digest")
        note = json.dumps({name: facts[name] for name in fields}, indent=1)
        files.replace(target.with_suffix(".key.json"), note.encode())
    return facts, target, digest


def _transfer_of(client: Client, identifier: str) -> str:
    """Return the transfer itself, or a fresh one under the agreement that `identifier` names."""
    try:
        return str(client.transfer(identifier)["id"])
    except ApiError as error:
        if error.status != 404:
            raise
    return str(_carry_out(lambda: client.request_transfer(identifier))["transfer"])


COMMANDS = (request, negotiations, approve, counter, decline, accept, fund, fetch)
