"""Commands that change the exchange's own keys; the exchange must be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.home import kept_private

if TYPE_CHECKING:
    from exchange.operations import Operations

_HOME = click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=None,
    help="Home folder of the exchange (default: EXCHANGE_HOME or ./var).",
)
_WHICH = ("log", "statement", "root", "site", "tokens")


@click.command(short_help="Put a fresh key of the exchange in the old one's place.")
@click.argument("key", type=click.Choice(_WHICH))
@_HOME
def rotate(key: str, home: Path | None) -> None:
    """Put a fresh key in the place of the log's, the statement, the root, the site's or the access tokens' KEY."""
    from exchange import keychange
    from exchange.application import make_operations
    from exchange.keystore import TOKENS, WEB

    with _stopped(home) as operations:
        keystore = operations.services.keystore
        if key == "log":
            vkey = keychange.rotate_log_key(operations)
            operations.database.dispose()
            again = make_operations(operations.services.settings, changing_keys=True)
            keychange.confirm_log_key(again)
            again.database.dispose()
            click.echo(f"New verifier key of the ledger, for auditors: {vkey}")
            click.echo(
                "The former key signs beside it until `exchange keys retire`; give everybody the new one meanwhile."
            )
        elif key == "statement":
            click.echo(f"New statement key: {keychange.rotate_statement_key(operations)}")
            click.echo("The ledger says so, under the old one, which is destroyed.")
        elif key == "root":
            count = keychange.rotate_root(keystore, operations.database)
            click.echo(f"New root key; the keys of {count} organisations are wrapped under it.")
            click.echo("A backup of the database made before now needs the key store of before now.")
        else:
            keychange.rotate_secret(keystore, WEB if key == "site" else TOKENS)
            ended = "open forms" if key == "site" else "access tokens of running deliveries"
            click.echo(f"New secret; {ended} have ended.")


@click.command(short_help="End the former log key, which signs beside the new one.")
@_HOME
def retire(home: Path | None) -> None:
    """Say on the ledger that the former log key signs no more, and destroy it."""
    from exchange import keychange

    with _stopped(home) as operations:
        click.echo(f"Retired and destroyed: {keychange.retire_log_key(operations)}")


@contextmanager
def _stopped(home: Path | None) -> Iterator[Operations]:
    from exchange import keychange
    from exchange.application import make_operations
    from exchange.cli.operate import settings_for

    settings = settings_for(home)
    with kept_private(), keychange.standing_still(settings):
        operations = make_operations(settings, changing_keys=True)
        try:
            yield operations
        finally:
            operations.database.dispose()
