"""Commands of publishers: sample, login, publish, offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from exchange.cli.connection import DEFAULT_URL, connected, remember
from exchange.client import Client
from exchange.errors import InvalidInputError

_BATCH = 50_000


def progress_bar() -> Progress:
    """Return the bar that long commands show; it stays silent where there is no terminal."""
    return Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn())


@click.command()
@click.option("--rows", type=click.IntRange(1, 10**10), default=20_000, show_default=True, help="How many rows.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same bytes.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("synthetic-machining-cell.csv"), show_default=True, help="A .csv or .parquet file.")
def sample(rows: int, seed: int, output: Path) -> None:
    """Write a synthetic table of a machining cell: telemetry, operators, suppliers, prices. Nobody in it exists."""
    write_sample(output, rows, seed)
    click.echo(f"{output}: {rows} synthetic rows.")


def write_sample(output: Path, rows: int, seed: int = 7) -> None:
    """Write the simulator's rows as CSV or Parquet, by the file's ending. Raises InvalidInputError on another ending."""
    from valuation import sample as simulator

    if output.suffix not in {".csv", ".parquet"}:
        raise InvalidInputError(f"{output.suffix or 'no ending'} is not known.", "Write to a .csv or .parquet file.")
    batches = simulator.rows(rows, seed, batch_rows=min(rows, _BATCH))
    first = next(batches)
    partial = output.with_name(output.name + ".partial")
    try:
        with _writer(partial, output.suffix, first.schema) as writer, progress_bar() as bar:
            task = bar.add_task("simulating", total=rows)
            writer.write_batch(first)
            bar.advance(task, first.num_rows)
            for batch in batches:
                writer.write_batch(batch)
                bar.advance(task, batch.num_rows)
        partial.rename(output)
    finally:
        partial.unlink(missing_ok=True)


def _writer(path: Path, ending: str, schema: pa.Schema) -> Any:
    return pacsv.CSVWriter(str(path), schema) if ending == ".csv" else pq.ParquetWriter(path, schema, compression="zstd")


@click.command()
@click.option("--url", envvar="EXCHANGE_URL", default=DEFAULT_URL, show_default=True, help="Address of the exchange.")
@click.option("--email", prompt="E-mail address", help="Your account.")
@click.option("--password", prompt=True, hide_input=True, envvar="EXCHANGE_PASSWORD", help="Asked for when not given.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long the token lives.")
def login(url: str, email: str, password: str, days: int) -> None:
    """Sign in and keep an API token for the other commands."""
    client = Client.login(url.rstrip("/"), email, password, name="command line", days=days)
    path = remember(url.rstrip("/"), client.token)
    me = client.me()
    click.echo(f"Signed in as {me['name']}{' of ' + me['participant_name'] if me['participant_name'] else ''}; token kept in {path}.")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--title", help="Title (default: the file's name).")
@click.option("--description", default="", help="What the data is.")
@click.option("--domain", default="production", show_default=True, help="Data domain of the 2020 guide; see `exchange publish --help`.")
@click.option("--keyword", "keywords", multiple=True, help="May be repeated.")
@click.option("--coverage", default="", help="Time and place that the data covers.")
@click.option("--frequency", default="", help="How often it is updated.")
@click.option("--rights", multiple=True, type=click.Choice(["holding", "processing", "operating"]), help="Rights you declare; may be repeated. Needed to offer.")
@click.option("--source", default="", help="Where the data comes from. Needed to offer.")
@click.option("--evidence", default="", help="Evidence of the rights. Needed to offer.")
@click.option("--grade", type=click.IntRange(1, 3), help="Grade after the three impact questions. Needed to offer.")
@click.option("--template", default="internal-use", show_default=True, help="Usage terms; see `exchange offers --templates`.")
@click.option("--parameter", "parameters", multiple=True, help="NAME=VALUE of the template; may be repeated.")
@click.option("--price", type=click.FloatRange(min=0), default=None, help="One-off price in CNY; 0 is free. Without it nothing is offered.")
@connected
def publish(client: Client, files: tuple[Path, ...], price: float | None, **given: Any) -> None:
    """Upload FILES (or a folder) as one dataset and, with --price, offer it."""
    from exchange.cli.publishing import publish as carry_out

    with progress_bar() as bar:
        task = bar.add_task("publishing", total=1.0)
        result = carry_out(
            client, list(files), price_fen=None if price is None else round(price * 100),
            report=lambda share, text: bar.update(task, completed=share, description=text), **given,
        )  # fmt: skip
    click.echo(f"Dataset {result['dataset']}: {result['rows']} rows, version {result['version']}.")
    for finding in result["findings"]:
        click.echo(f"  sensitive: {finding['column']} ({finding['kind']}, {finding['category']})")
    if result.get("offer"):
        click.echo(f"Offer {result['offer']} is open.")


@click.command()
@click.option("--search", default="", help="Words to look for, Chinese or English.")
@click.option("--templates", is_flag=True, help="List the usage terms that an offer can have.")
@connected
def offers(client: Client, search: str, templates: bool) -> None:
    """List the offers you may see."""
    if templates:
        from contracts.odrl.templates import TEMPLATES

        for name, template in TEMPLATES.items():
            click.echo(f"{name:22} {template.title('en')} / {template.title('zh')}")
        return
    found = client.search(search)
    for item in found["items"]:
        price = item["price"]
        cost = "free" if price["kind"] == "free" else f"CNY {price['amount_fen'] / 100:,.2f}"
        click.echo(f"{item['offer']}  {item['title']}  {cost}")
    if not found["items"]:
        click.echo("No offers. Try other words, or wait until your organisation is verified.")


COMMANDS = (sample, login, publish, offers)
