"""Publishing from the command line: upload, wait for the reading, declare, grade, offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from exchange.catalog.rights import RIGHTS
from exchange.cli import checking, failures
from exchange.cli.values import yuan
from exchange.client import ApiError, AwaitingSignature, Client
from exchange.errors import ExchangeError, InvalidInputError

Report = Callable[[float, str], None]
TABLES = {".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".jsonl", ".ndjson"}


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return the files to send: those named, and of a folder its tables in name order. Raises InvalidInputError for none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(item for item in path.iterdir() if item.is_file() and item.suffix.lower() in TABLES)
        else:
            found.append(path)
    if not found:
        raise InvalidInputError(
            f"There is no table in {', '.join(str(path) for path in paths)}.",
            f"Name a file of {', '.join(sorted(TABLES))}.",
        )
    return found


def pairs(option: str, items: Iterable[str], what: str) -> dict[str, str]:
    """Return NAME=VALUE items as a dict. Raises InvalidInputError for one without an equals sign, or a name given twice."""
    result: dict[str, str] = {}
    for item in items:
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not name:
            raise InvalidInputError(f"{item!r} is not {what}.", f"Write it as {what}.", field=option)
        if name in result:
            raise InvalidInputError(
                f"{name} is given twice.", "Give it once, several values with commas.", field=option
            )
        result[name] = value
    return result


def upload(
    client: Client, dataset: str, files: list[Path], report: Report, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Send the files, wait until they are read, and return the version. Raises ExchangeError with the reading's reason."""
    report(0.05, "uploading")
    state = client.upload(dataset, files, options)
    report(0.3, "reading")
    version = client.wait_for_version(state["version"])
    if version["state"] == "failed":
        error = version.get("error") or {}
        reason, mend = error.get("reason") or ["The files could not be read."], error.get("mend") or [""]
        raise ExchangeError(reason[0], mend[0], field=error.get("field"))
    report(0.8, "read")
    return version


def publish(
    client: Client,
    paths: list[Path],
    *,
    report: Report,
    dataset: str | None = None,
    title: str | None,
    description: str,
    domain: str,
    keywords: Iterable[str],
    coverage: str,
    update_frequency: str,
    types: Iterable[str],
    encoding: str | None,
    delimiter: str | None,
    source: str | None,
    evidence: str,
    declare_rights: bool,
    impact: tuple[int, int, int] | None,
    impact_reason: str,
    template: str,
    parameters: Iterable[str],
    price_fen: int | None,
    public: bool,
) -> dict[str, Any]:
    """Publish and, with a price, offer; with `dataset`, go on with one of the firm's, to which files are a new version.

    Raises InvalidInputError, naming the option, before anything is sent; ExchangeError for what only the data can show.
    """
    known = client.dataset(dataset) if dataset else {}
    files = checking.readable(files_of(paths)) if paths else []
    if not files and not known.get("version"):
        raise InvalidInputError("There is nothing to publish.", "Name the FILES of its content.", field="FILES")
    name = title or known.get("title") or files[0].stem.replace("_", " ")
    described = checking.description(name, description, domain, keywords, coverage, update_frequency)
    options = checking.reading_options(pairs("--type", types, "COLUMN=TYPE"), encoding, delimiter)
    checking.rights(source, evidence, declare_rights)
    given = pairs("--parameter", parameters, "NAME=VALUE")
    terms: dict[str, Any] = {}
    if price_fen is not None:
        checking.offering(
            domain or known.get("domain", ""),
            declare_rights or known.get("rights") is not None,
            impact,
            known.get("grade"),
            public,
        )
        price = {"kind": "one-off", "amount_fen": price_fen, "currency": "CNY"} if price_fen else {"kind": "free"}
        visibility = "public" if public else "authorised"
        terms = {
            "template": template,
            "parameters": checking.terms(template, given),
            "price": price,
            "visibility": visibility,
        }
    elif public or given:
        raise InvalidInputError(
            "Terms belong to an offer, and without a price nothing is offered.",
            "Add --price; 0 is free.",
            field="--price",
        )
    if dataset:
        client.describe_dataset(dataset, **{field: value for field, value in described.items() if value})
    identifier = dataset or str(client.create_dataset(**described)["id"])
    version = _content(client, identifier, files, report, options, fresh=not dataset) if files else known["version"]
    result = {"dataset": identifier, **{field: version[field] for field in ("rows", "digest", "findings")}}
    result |= {"version": version["number"], "warnings": version.get("warnings") or []}
    with _going_on(identifier):
        if declare_rights:
            client.declare_rights(identifier, str(source), evidence, RIGHTS)
        if impact:
            client.grade(identifier, dict(zip(checking.IMPACTS, impact, strict=True)), reason=impact_reason)
        if terms:
            report(0.9, "offering")
            result["offer"] = client.publish_offer(client.draft_offer(identifier, **terms)["id"])["id"]
            result["price"] = yuan(price_fen) if price_fen else "no charge"
    report(1.0, "published")
    return result


def _content(
    client: Client, dataset: str, files: list[Path], report: Report, options: dict[str, Any], *, fresh: bool
) -> dict[str, Any]:
    """Upload and return the version. A fresh dataset whose files cannot be read goes again, so that nothing empty is left."""
    try:
        return upload(client, dataset, files, report, options)
    except (ExchangeError, ApiError):
        if fresh:
            # The reason counts, and an empty draft can still be removed on its page.
            with suppress(ApiError, requests.RequestException):
                client.remove_draft(dataset)
        raise


@contextmanager
def _going_on(dataset: str) -> Iterator[None]:
    """Say how to go on where a step fails after the upload, which need not be repeated."""
    try:
        yield
    except (ApiError, requests.RequestException) as error:
        if isinstance(error, ApiError) and error.problem.get("field") == "reason":
            error = ApiError(error.status, {**error.problem, "field": "--impact-reason"})
        elif isinstance(error, AwaitingSignature):
            error = ApiError(
                202, {"detail": "This step waits for your own key.", "mend": f"Sign it: exchange sign {error.request}."}
            )
        raise ExchangeError(
            failures.told(error),
            f"The data is uploaded: then go on with `exchange publish --dataset {dataset}` and the same options, without the files.",
        ) from error
