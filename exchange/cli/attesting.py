"""The command that asks the log's witnesses and its time-stamping authority at once."""

from __future__ import annotations

from pathlib import Path

import click

from exchange.errors import ExchangeError


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=None,
    help="Home folder of the exchange (default: EXCHANGE_HOME or ./var).",
)
def attest(home: Path | None) -> None:
    """Ask every witness and the time-stamping authority about the newest checkpoint, at once.

    The server does so by itself every minute. Ends with exit code 1 when one of them did not vouch for it.
    """
    from exchange.application import make_operations
    from exchange.audit.attestations import service
    from exchange.cli.operate import settings_for

    operations = make_operations(settings_for(home))
    try:
        found = service.attest(operations, at_once=True)
    finally:
        operations.database.dispose()
    click.echo(f"Size {found['size']}: cosigned by {', '.join(found['cosigned']) or 'nobody'}.")
    if found["stamped"]:
        click.echo("Stamped by the authority.")
    problems = [f"{name}: {sentence}" for name, sentence in found["refused"].items()]
    problems += [str(found["stamp_problem"])] if found["stamp_problem"] else []
    if problems:
        raise ExchangeError("; ".join(problems), "Mend what is named; the server asks again by itself.")
