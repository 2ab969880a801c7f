"""Commands of the record itself: replay makes every decision again, publish writes the public log, erase destroys what it says of a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.cli.data import progress_bar

if TYPE_CHECKING:
    from exchange.audit.erasable import Field
    from exchange.supervision.replay import Deviation, Replay

_SHOWN = 200
# What an alert holds of them.
_MOST_FINDINGS, _LONGEST_FINDING = 50, 500

_HOME = click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=None,
    help="Home folder of the exchange (default: EXCHANGE_HOME or ./var).",
)


@click.command(short_help="Make every recorded decision again, and name what deviates.")
@_HOME
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.option("--alert", is_flag=True, help="Raise an alert for supervisors where something deviates.")
@click.pass_context
def replay(context: click.Context, home: Path | None, as_json: bool, alert: bool) -> None:
    """Make every recorded decision again: ask each signed policy anew, with the state of the world that the ledger tells.

    Nothing is changed, save that --alert records an alert. Ends with exit code 1 when a decision, an obligation or a stated
    limit is not what its policy gives.
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
        if alert and not report.ok:
            findings = [_told(item)[:_LONGEST_FINDING] for item in report.deviations[:_MOST_FINDINGS]]
            operations.run_as_system("supervision.raise_alert", about="ledger", severity="critical", findings=findings)
    finally:
        operations.database.dispose()
    if as_json:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
    else:
        _print(report)
    context.exit(0 if report.ok else 1)


def _told(item: Deviation) -> str:
    where = f"entry {item.index}, {item.kind}" + (f", agreement {item.agreement}" if item.agreement else "")
    return f"{where} ({item.rule}): recorded {item.recorded}; given {item.expected}"


def _print(report: Replay) -> None:
    for item in report.deviations[:_SHOWN]:
        click.echo(f"{click.style('DEVIATES', fg='red')} {_told(item)}")
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


@click.command(short_help="Bring the log's static files in a folder or an S3 bucket up to date.")
@_HOME
@click.argument("to", metavar="TO")
def publish(home: Path | None, to: str) -> None:
    """Write the public log as static files (tlog-tiles) to TO, a folder or s3://BUCKET/PREFIX, or bring those there up to date.

    Any file server can serve them. They hold what everybody may read, and nothing else.
    """
    from exchange.application import make_operations
    from exchange.audit import publishing
    from exchange.cli.operate import settings_for

    operations = make_operations(settings_for(home))
    try:
        with progress_bar() as bar:
            task = bar.add_task("Publishing", total=1.0)
            made = publishing.publish(
                operations.services, to, lambda done, total: bar.update(task, completed=done / max(1, total))
            )
    finally:
        operations.database.dispose()
    click.echo(f"{to} holds the log at size {made.size}, before {made.before}; {made.written} files were written.")
    click.echo(f"Whoever has them checks them with: python -m ledger fsck FOLDER --key {operations.services.log.vkey}")


@click.command(short_help="List what can be erased, and what was.")
@_HOME
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.option(
    "--page", type=click.IntRange(0), default=0, show_default=True, help="Page of 50 entries, the newest first."
)
def erasable(home: Path | None, as_json: bool, page: int) -> None:
    """List the entries with fields that can hold a person's name or somebody's words; what they say is not shown."""
    from exchange.access import Actor, Role
    from exchange.application import make_operations
    from exchange.audit import erasable as found
    from exchange.cli.operate import settings_for

    operations = make_operations(settings_for(home))
    try:
        with operations.database.reading() as session:
            operator = Actor(user="system", roles=frozenset({Role.OPERATOR}))
            items, more = found.listed(session, operations.services.log, operator, page)
    finally:
        operations.database.dispose()
    if as_json:
        told = [{"index": item.entry.index, "kind": item.entry.kind, "fields": [field.to_json() for field in item.fields]}
                for item in items]  # fmt: skip
        click.echo(json.dumps(told, indent=2))
        return
    for item in items:
        states = [f"{field.name} ({_state(field)})" for field in item.fields]
        click.echo(f"entry {item.entry.index}, {item.entry.kind}: {', '.join(states)}")
    click.echo(f"More on the next page: --page {page + 1}." if more else f"{len(items)} entries.")


def _state(field: Field) -> str:
    if not field.is_erased:
        return "open"
    return "erased" if field.erased_by is None else f"erased by entry {field.erased_by}"


@click.command(short_help="Destroy what an entry says of a person; every proof stays.")
@_HOME
@click.option("--entry", type=click.IntRange(0), required=True, help="Index of the entry.")
@click.option("--field", "fields", multiple=True, required=True, help="Name of an erasable field; may be repeated.")
@click.option("--reason", required=True, help="The request and the rule; it stays readable.")
def erase(home: Path | None, entry: int, fields: tuple[str, ...], reason: str) -> None:
    """Destroy salt and value of fields that can hold a person's name or somebody's words. The erasure is an entry of its own."""
    from exchange.application import make_operations
    from exchange.audit import service
    from exchange.cli.operate import settings_for

    operations = make_operations(settings_for(home))
    try:
        statement = service.entry_at(operations.services.log, entry).statement_id
        made = operations.run_as_system("audit.erase", statement=statement, fields=list(fields), reason=reason)
    finally:
        operations.database.dispose()
    named = ", ".join(made.result["erased"])
    click.echo(f"Erased from entry {entry}: {named}. Entry {made.receipts[0].index} says so; every proof still holds.")
