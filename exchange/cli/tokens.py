"""Commands of API tokens: make one that is narrowed, list one's own, revoke."""

from __future__ import annotations

import click

from exchange.cli.connection import connected
from exchange.client import Client


@click.group()
def token() -> None:
    """Make, list and revoke API tokens."""


@token.command("new")
@click.argument("name")
@click.option("--agreement", "agreements", multiple=True, help="Narrow it to this agreement; may be repeated.")
@click.option("--dataset", "datasets", multiple=True, help="Narrow it to this dataset; may be repeated.")
@click.option("--action", "actions", multiple=True, help="Narrow it to this action, such as read; may be repeated.")
@click.option("--scope", "scopes", multiple=True, help="Narrow it to this permission; may be repeated.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long it lives.")
@connected
def new(
    client: Client,
    name: str,
    agreements: tuple[str, ...],
    datasets: tuple[str, ...],
    actions: tuple[str, ...],
    scopes: tuple[str, ...],
    days: int,
) -> None:
    """Make an API token called NAME and print it, once. It can do no more than the token of this command."""
    given = {"agreements": list(agreements), "datasets": list(datasets), "actions": list(actions)}
    caveats = {kind: named for kind, named in given.items() if named}
    body = {"name": name, "days": days, "caveats": caveats, "scopes": list(scopes) or None}
    click.echo(client.post("/tokens", body)["token"])


@token.command("list")
@connected
def listing(client: Client) -> None:
    """List your API tokens: id, end, name and what each is narrowed to."""
    for item in client.get("/tokens")["items"]:
        narrowed = [*(item["scopes"] or ()), *(value for named in item["caveats"].values() for value in named)]
        end = "revoked" if item["revoked"] else item["expires_at"]
        click.echo(f"{item['id']}  {end}  {item['name']}  {' '.join(narrowed) or 'everything of its person'}")


@token.command("revoke")
@click.argument("identifier")
@connected
def revoke(client: Client, identifier: str) -> None:
    """Revoke the API token IDENTIFIER and those that were made with it, at once."""
    client.revoke_token(identifier)
    click.echo("Revoked.")


COMMANDS = (token,)
