"""Commands of whoever runs the exchange: init, serve, worker, staff, doctor, audit export."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

import click

from exchange import files
from exchange.cli.anchoring import anchor
from exchange.cli.attesting import attest
from exchange.cli.auditing import erasable, erase, publish, replay
from exchange.cli.demo import demo
from exchange.config import Settings, load
from exchange.errors import ExchangeError, InvalidInputError, NotFoundError, SettingsError
from exchange.home import kept_private
from exchange.participants.passwords import hash_password
from exchange.setup import initialise

_HOME = click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=None,
    help="Home folder of the exchange (default: EXCHANGE_HOME or ./var).",
)


def settings_for(home: Path | None) -> Settings:
    """Return the settings, with the home folder from the command line winning."""
    return load(**({"home": home} if home else {}))


@click.command()
@_HOME
def init(home: Path | None) -> None:
    """Make key store, database and the ledger's first entry. Safe to repeat."""
    settings = settings_for(home)
    with kept_private():
        vkey = initialise(settings)
    click.echo(f"The exchange lies in {settings.home}.")
    click.echo(f"Key store: {settings.key_store}. Back it up apart from the database: without it no data can be read.")
    click.echo(f"Verifier key of the ledger, for auditors: {vkey}")
    click.echo("Next: `exchange staff` adds an operator, `exchange serve` starts the site.")


@click.command(short_help="Serve the pages and the API, and run the background jobs.")
@_HOME
@click.option("--bind", default=None, help="Address and port to listen on (default: 127.0.0.1:8000).")
@click.option("--workers", type=click.IntRange(1, 64), default=None, help="Worker processes.")
@click.option("--quiet", is_flag=True, help="Log warnings only.")
def serve(home: Path | None, bind: str | None, workers: int | None, quiet: bool) -> None:
    """Serve the web UI and the API with gunicorn, and run the background jobs."""
    from exchange.application import make_operations
    from exchange.server import Server, require_free

    overrides = {"home": home, "bind": bind, "workers": workers}
    settings = load(**{name: value for name, value in overrides.items() if value is not None})
    with kept_private():
        # Opened and closed once before the fork, so that what is wrong stops the start with its mend.
        make_operations(settings).database.dispose()
        require_free(settings.bind)
        address = settings.bind if settings.bind.startswith("unix:") else f"http://{settings.bind}"
        click.echo(f"Serving {settings.exchange_name} at {address} (home {settings.home}). Stop with Ctrl+C.")
        Server(settings, quiet=quiet).run()


@click.command(short_help="Run background jobs in a process of their own.")
@_HOME
def worker(home: Path | None) -> None:
    """Run background jobs in a process of their own (setting jobs = external)."""
    from exchange.server import run_worker

    settings = settings_for(home)
    if settings.jobs == "immediate":
        raise SettingsError(
            'There is nothing to work on: with jobs = "immediate" each request does its own work.',
            'Set jobs = "external" for the server and its workers.',
            field="jobs",
        )
    stopped = threading.Event()
    with kept_private():
        operations = run_worker(settings)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        click.echo("Working. Stop with Ctrl+C.")
        stopped.wait()
        operations.services.jobs.stop()
        operations.services.log.stop()


@click.command(short_help="Add an operator, a supervisor or an auditor.")
@_HOME
@click.option("--name", required=True, help="The person's name.")
@click.option("--email", required=True, help="E-mail address to sign in with.")
@click.option(
    "--role", "roles", multiple=True, required=True, type=click.Choice(["operator", "supervisor", "auditor"]),
    help="Role of the exchange; may be repeated.",
)  # fmt: skip
@click.password_option(envvar="EXCHANGE_STAFF_PASSWORD", help="Asked for when not given.")
def staff(home: Path | None, name: str, email: str, roles: tuple[str, ...], password: str) -> None:
    """Add a person of the exchange: operator, supervisor or auditor."""
    from exchange.application import make_operations

    operations = make_operations(settings_for(home))
    try:
        made = operations.run_as_system(
            "participants.add_staff", name=name, email=email, password_hash=hash_password(password), roles=list(roles)
        )
    finally:
        operations.database.dispose()
    click.echo(f"{name} can sign in as {', '.join(made.result['roles'])}.")


@click.command("staff-password", short_help="Give staff who lost the password a one-time code.")
@_HOME
@click.option("--email", required=True, help="E-mail address of the person.")
def staff_password(home: Path | None, email: str) -> None:
    """Take the password of an operator, supervisor or auditor away, end all sessions and tokens, and print a one-time code."""
    from exchange.application import make_operations

    operations = make_operations(settings_for(home))
    try:
        made = operations.run_as_system("participants.reset_staff", email=email).result
    finally:
        operations.database.dispose()
    until = datetime.fromisoformat(made["expires_at"]).astimezone(UTC)
    click.echo(f"One-time code: {made['code']}")
    click.echo(f"It sets one new password at /password, until {until:%Y-%m-%d %H:%M} UTC. It is not shown again.")


@click.command(short_help="Check all that an exchange needs; say what to mend.")
@_HOME
def doctor(home: Path | None) -> None:
    """Check settings, key store, database, object store and ledger; say what to mend."""
    from exchange.doctor import examine

    settings = settings_for(home)
    wrong = []
    for finding in examine(settings):
        mark = click.style("ok  ", fg="green") if finding.ok else click.style("FAIL", fg="red")
        click.echo(f"{mark} {finding.name}: {finding.detail}" + ("" if finding.ok else f" {finding.mend}"))
        wrong += [] if finding.ok else [finding.name]
    if wrong:
        raise ExchangeError(
            f"Something is wrong with: {', '.join(wrong)}.", "Mend the first line marked FAIL, then look again."
        )


@click.group()
def audit() -> None:
    """Evidence for auditors."""


@audit.command("export")
@_HOME
@click.option("--agreement", help="Evidence of one agreement.")
@click.option("--participant", help="Everything that speaks of one participant.")
@click.option("--from", "start", type=click.DateTime(), help="Start of a period (UTC), with --to.")
@click.option("--to", "end", type=click.DateTime(), help="End of the period, excluded.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The zip to write."
)
def export(
    home: Path | None,
    agreement: str | None,
    participant: str | None,
    start: datetime | None,
    end: datetime | None,
    output: Path,
) -> None:
    """Write an evidence bundle that `python -m ledger verify` checks offline. The export is recorded on the ledger."""
    from exchange.application import make_operations
    from exchange.supervision import service as supervision

    if sum(bool(choice) for choice in (agreement, participant, start or end)) != 1 or bool(start) != bool(end):
        raise InvalidInputError("Name one thing to export.", "Give --agreement, --participant, or --from with --to.")
    if start and end and start >= end:
        raise InvalidInputError(
            "The period ends before it starts.", "Give a --to that is later than --from.", field="--to"
        )
    operations = make_operations(settings_for(home))
    try:
        # What cannot be written is found before the export is recorded, and no half of a bundle takes the name.
        with files.arriving(output) as partial:
            statements = supervision.export(
                operations, partial, agreement=agreement, participant=participant,
                start=start.replace(tzinfo=UTC) if start else None, end=end.replace(tzinfo=UTC) if end else None,
            )  # fmt: skip
    except NotFoundError as error:
        raise InvalidInputError(
            "Nothing on the ledger speaks of that.", "Check the identifier or the period."
        ) from error
    finally:
        operations.database.dispose()
    click.echo(f"{output}: {statements} statements. Verify it anywhere with: python -m ledger verify {output}")


audit.add_command(anchor)
audit.add_command(attest)
audit.add_command(replay)
audit.add_command(publish)
audit.add_command(erasable)
audit.add_command(erase)

COMMANDS = (init, demo, serve, worker, staff, staff_password, doctor, audit)
