"""Publishing from the command line: upload, wait for the reading, declare, grade, offer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from exchange.client import Client
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


def pairs(items: Iterable[str], what: str) -> dict[str, str]:
    """Return NAME=VALUE items as a dict. Raises InvalidInputError for one without an equals sign."""
    result = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise InvalidInputError(f"{item!r} is not {what}.", f"Write it as {what}.")
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
    impact: tuple[int, int, int] | None,
    impact_reason: str,
    template: str,
    parameters: Iterable[str],
    price_fen: int | None,
    public: bool,
) -> dict[str, Any]:
    """Publish and, with a price, offer; what an offer needs is checked before anything is sent."""
    files = files_of(paths)
    if price_fen is not None and not (source and evidence and impact):
        raise InvalidInputError(
            "An offer needs a declaration of rights and a grade.",
            "Add --source, --evidence and --impact, or leave out --price.",
        )
    described = {
        "title": title or files[0].stem.replace("_", " "), "description": description, "keywords": list(keywords),
        "domain": domain, "coverage": coverage, "update_frequency": update_frequency,
    }  # fmt: skip
    dataset = client.create_dataset(**described)["id"]
    version = upload(client, dataset, files, report, _reading_options(types, encoding, delimiter))
    result = {"dataset": dataset, **{name: version[name] for name in ("rows", "digest", "findings")}}
    result |= {"version": version["number"], "warnings": version.get("warnings") or []}
    if source and evidence:
        client.declare_rights(dataset, source, evidence, ("holding", "processing", "operating"))
    if impact:
        client.grade(dataset, dict(zip(("safety", "loss", "reach"), impact, strict=True)), reason=impact_reason)
    if price_fen is not None:
        report(0.9, "offering")
        price = {"kind": "one-off", "amount_fen": price_fen, "currency": "CNY"} if price_fen else {"kind": "free"}
        terms = {"template": template, "parameters": _typed(pairs(parameters, "NAME=VALUE")), "price": price}
        drafted = client.draft_offer(dataset, **terms, visibility="public" if public else "authorised")
        result["offer"] = client.publish_offer(drafted["id"])["id"]
    report(1.0, "published")
    return result


def _reading_options(types: Iterable[str], encoding: str | None, delimiter: str | None) -> dict[str, Any]:
    corrected = pairs(types, "COLUMN=TYPE")
    options = {"encoding": encoding, "delimiter": delimiter, "types": json.dumps(corrected) if corrected else None}
    return {name: value for name, value in options.items() if value is not None}


def _typed(parameters: dict[str, str]) -> dict[str, Any]:
    """Return template parameters with numbers as numbers and comma-separated lists as lists."""
    result: dict[str, Any] = {}
    for name, value in parameters.items():
        if value.isdigit():
            result[name] = int(value)
        elif name.endswith("s") and name != "days":
            result[name] = [part.strip() for part in value.split(",") if part.strip()]
        else:
            result[name] = value
    return result
