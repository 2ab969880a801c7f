"""The command that makes every recorded decision again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.cli.data import progress_bar

if TYPE_CHECKING:
    from exchange.supervision.replay import Replay

_SHOWN = 200


@click.command(short_help="Make every recorded decision again, and name what deviates.")
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=None,
    help="Home folder of the exchange (default: EXCHANGE_HOME or ./var).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.pass_context
def replay(context: click.Context, home: Path | None, as_json: bool) -> None:
    """Make every recorded decision again: ask each signed policy anew, with the state of the world that the ledger tells.

    Nothing is changed. Ends with exit code 1 when a decision, an obligation or a stated limit is not what its policy gives.
    """
    from exchange.application import make_operations
    from exchange.cli.operate import settings_for
    from exchange.supervision import replay as replaying

    operations = make_operations(settings_for(home))
    try:
        with operations.database.reading() as session, progress_bar() as bar:
            task = bar.add_task("Replaying", total=1.0)
            report = replaying.replay(
                operations.services.log,
                replaying.kept_documents(session),
                lambda done, total: bar.update(task, completed=done / max(1, total)),
            )
    finally:
        operations.database.dispose()
    if as_json:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    else:
        _print(report)
    context.exit(0 if report.ok else 1)


def _print(report: Replay) -> None:
    for item in report.deviations[:_SHOWN]:
        where = f"entry {item.index}, {item.kind}" + (f", agreement {item.agreement}" if item.agreement else "")
        click.echo(
            f"{click.style('DEVIATES', fg='red')} {where} ({item.rule}): recorded {item.recorded}; given {item.expected}"
        )
    if len(report.deviations) > _SHOWN:
        click.echo(f"… and {len(report.deviations) - _SHOWN} more; --json lists all.")
    click.echo(
        f"{report.size} entries: {report.decisions} decisions, {report.deliveries} deliveries and "
        f"{report.denied_parts} denied parts made again."
    )
    if report.erased:
        click.echo(f"{report.erased} statements could not be judged, since an opening of theirs is erased.")
    verdict = "Every one is what its signed policy gives." if report.ok else f"{len(report.deviations)} deviate."
    click.echo(click.style(verdict, fg="green" if report.ok else "red"))
