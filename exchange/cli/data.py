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
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn()
    )


@click.command()
@click.option("--rows", type=click.IntRange(1, 10**10), default=20_000, show_default=True, help="How many rows.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same bytes.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("synthetic-machining-cell.csv"),
    show_default=True,
    help="A .csv or .parquet file.",
)
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
    return (
        pacsv.CSVWriter(str(path), schema) if ending == ".csv" else pq.ParquetWriter(path, schema, compression="zstd")
    )


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
    click.echo(
        f"Signed in as {me['name']}{' of ' + me['participant_name'] if me['participant_name'] else ''}; token kept in {path}."
    )


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--title", help="Title (default: the file's name).")
@click.option("--description", default="", help="What the data is.")
@click.option("--domain", default="", help="Data domain of the 2020 guide; `exchange domains` lists them.")
@click.option("--keyword", "keywords", multiple=True, help="May be repeated.")
@click.option("--coverage", default="", help="Time and place that the data covers.")
@click.option(
    "--frequency",
    "update_frequency",
    default="",
    help="once, continuous, hourly, daily, weekly, monthly, quarterly, yearly or irregular.",
)
@click.option(
    "--type", "types", multiple=True, metavar="COLUMN=TYPE", help="Correct an inferred type; may be repeated."
)
@click.option("--encoding", help="Encoding of the text, such as gb18030; detected when absent.")
@click.option("--delimiter", help="Delimiter of the text; detected when absent.")
@click.option(
    "--source",
    type=click.Choice(["own-production", "collected", "purchased", "authorised", "public"]),
    help="Where the data comes from. With --evidence this declares that you hold, may process and may operate it.",
)
@click.option("--evidence", default="", help="What proves your rights.")
@click.option(
    "--impact",
    nargs=3,
    type=click.IntRange(1, 3),
    metavar="SAFETY LOSS REACH",
    help="Answers to the three impact questions; the grade is the highest.",
)
@click.option(
    "--impact-reason", default="", help="Why an answer below what the columns suggest is right; signed with the grade."
)
@click.option(
    "--template",
    default="internal-use",
    show_default=True,
    help="Usage terms; `exchange offers --templates` lists them.",
)
@click.option(
    "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Parameter of the template; may be repeated."
)
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    default=None,
    help="One-off price in CNY, 0 for free. Without it nothing is offered.",
)
@click.option("--public", is_flag=True, help="Offer it to everybody (grade 1 only).")
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
    click.echo(f"Dataset {result['dataset']}: {result['rows']} rows, version {result['version']}, {result['digest']}")
    for finding in result["findings"]:
        click.echo(f"  sensitive: {finding['column']} ({finding['kind']}, {finding['category']})")
    for warning in result["warnings"]:
        click.echo(f"  note: {warning.get('text_en') or warning.get('reason_en') or warning}")
    if result.get("offer"):
        click.echo(f"Offer {result['offer']} is open.")


@click.command()
@connected
def domains(client: Client) -> None:
    """List the data domains of the 2020 industrial data guide."""
    for item in client.get("/catalog/domains")["items"]:
        click.echo(f"{item['id']:34} {item.get('name_en') or item.get('en')} / {item.get('name_zh') or item.get('zh')}")


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


COMMANDS = (sample, login, publish, domains, offers)
