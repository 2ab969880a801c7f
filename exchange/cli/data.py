"""Commands of publishers: sample, login, publish, offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from exchange import files
from exchange.cli.connection import URL, connected, remember, require_keepable
from exchange.cli.values import Yuan, yuan
from exchange.client import Client
from exchange.errors import InvalidInputError

_BATCH = 50_000


def progress_bar() -> Progress:
    """Return the bar that long commands show on standard error; it stays silent where that is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


@click.command(short_help="Write a synthetic table of a machining cell.")
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
        raise InvalidInputError(
            f"{output.name} does not say what to write: CSV or Parquet.", "Give a name that ends with .csv or .parquet."
        )
    files.require_writable(output.parent)
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
@URL
@click.option("--email", prompt="E-mail address", help="Your account.")
@click.option("--password", prompt=True, hide_input=True, envvar="EXCHANGE_PASSWORD", help="Asked for when not given.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How long the token lives.")
def login(url: str, email: str, password: str, days: int) -> None:
    """Sign in and keep an API token for the other commands."""
    require_keepable()
    client = Client.login(url, email, password, name="command line", days=days)
    path = remember(url, client.token)
    me = client.me()
    click.echo(
        f"Signed in as {me['name']}{' of ' + me['participant_name'] if me['participant_name'] else ''}; token kept in {path}."
    )


@click.command(short_help="Upload files as one dataset and, with --price, offer it.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--dataset",
    help="A dataset of yours to go on with; FILES become its next version, and without them its content stays.",
)
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
    help="Where the data comes from.",
)
@click.option("--evidence", default="", help="What proves your rights, in 10 characters or more.")
@click.option(
    "--declare-rights",
    is_flag=True,
    help="Declare that your organisation holds the data, may process it and may operate products of it.",
)
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
    "price_fen",
    type=Yuan(),
    default=None,
    help="One-off price in CNY with at most two decimals, 0 for free. Without it nothing is offered.",
)
@click.option("--public", is_flag=True, help="Offer it to everybody (grade 1 only).")
@connected
def publish(client: Client, files: tuple[Path, ...], **given: Any) -> None:
    """Upload FILES (or a folder) as one dataset and, with --price, offer it. All is checked before anything is sent."""
    from exchange.cli.publishing import publish as carry_out

    with progress_bar() as bar:
        task = bar.add_task("publishing", total=1.0)
        result = carry_out(
            client, list(files), report=lambda share, text: bar.update(task, completed=share, description=text), **given
        )
    click.echo(f"Dataset {result['dataset']}: {result['rows']} rows, version {result['version']}, {result['digest']}")
    for finding in result["findings"]:
        click.echo(f"  sensitive: {finding['column']} ({finding['kind']}, {finding['category']})")
    for warning in result["warnings"]:
        click.echo(f"  note: {warning['text'][0]}")
    if result.get("offer"):
        click.echo(f"Offer {result['offer']} is open at {result['price']}.")
    else:
        click.echo(
            f"Nobody sees it yet: offer it with `exchange publish --dataset {result['dataset']} --price …`, or on its page."
        )


@click.command()
@connected
def domains(client: Client) -> None:
    """List the data domains of the 2020 industrial data guide."""
    for item in client.get("/catalog/domains")["items"]:
        click.echo(f"{item['id']:34} {item['name_en']} / {item['name_zh']}")


_FORMS = {
    "integer": "a whole number", "date": "such as 2027-12-31", "choice": "one of",
    "choices": "one or more with commas, of", "boolean": "true or false",
}  # fmt: skip


def _list_templates(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Print the templates with their parameters and end; nobody needs an account for that."""
    if not wanted or context.resilient_parsing:
        return
    from contracts.odrl.templates import TEMPLATES

    for name, template in TEMPLATES.items():
        click.echo(f"{name:22} {template.title('en')} / {template.title('zh')}")
        for parameter in template.parameters:
            allowed = f": {', '.join(parameter.choices)}" if parameter.choices else ""
            needed = "required" if parameter.required else f"default {str(parameter.default).lower()}"
            click.echo(
                f"    {parameter.name + '=…':12} {parameter.label('en')}, {_FORMS[parameter.type]}{allowed} ({needed})"
            )
    context.exit()


@click.command()
@click.option("--search", default="", help="Words to look for, Chinese or English.")
@click.option(
    "--templates",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_templates,
    help="List the usage terms that an offer can have, and end.",
)
@connected
def offers(client: Client, search: str) -> None:
    """List the offers you may see."""
    found = client.search(search)
    for item in found["items"]:
        price = item["price"]
        cost = "free" if price["kind"] == "free" else yuan(price["amount_fen"])
        click.echo(f"{item['offer']}  {item['title']}  {cost}")
    if not found["items"]:
        click.echo("No offers. Try other words, or wait until your organisation is verified.")


COMMANDS = (sample, login, publish, domains, offers)
