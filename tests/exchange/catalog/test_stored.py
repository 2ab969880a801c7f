"""The stored files of a version, for its own firm: opened, recorded first, and enough to recompute the value report."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

from sqlalchemy import select

from exchange.audit.models import StatementIndex
from exchange.catalog.models import DatasetVersion

COSTS = {"items": {"collection": 87_654_300}, "margin": "0.1", "age_years": "0", "life_years": "4"}


def version_of(market: Any, dataset: str) -> str:
    with market.exchange.operations.database.reading() as session:
        return str(session.scalars(select(DatasetVersion.id).where(DatasetVersion.dataset_id == dataset)).one())


def reads(market: Any) -> list[dict[str, Any]]:
    operations = market.exchange.operations
    with operations.database.reading() as session:
        query = select(StatementIndex.statement).where(StatementIndex.kind == "dataset.file_read")
        rows = sorted(set(session.scalars(query)))
    return [
        {name: item.value for name, item in operations.services.log.openings(statement).items()} for statement in rows
    ]


def test_with_the_stored_files_the_owner_recomputes_the_report(market: Any, sample_csv: bytes, tmp_path: Path) -> None:
    firm = market.exchange.firm("Maker")
    dataset = market.prepared(firm, sample_csv)
    made = market.run(firm, "appraisal.estimate", dataset=dataset, **COSTS)
    version, client = version_of(market, dataset), market.exchange.client(firm)
    file, report = tmp_path / "data.parquet", tmp_path / "report.json"
    answer = client.get(f"/api/v1/versions/{version}/files/1")
    file.write_bytes(answer.data)
    report.write_bytes(client.get(f"/api/v1/valuations/{made['id']}/report").data)
    assert answer.headers["ETag"].strip('"') == hashlib.sha256(answer.data).hexdigest()
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    command = ["recompute", str(report), "--file", str(file), "--digest", made["digest"]]
    done = subprocess.run(
        [sys.executable, "-m", "valuation", *command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The report agrees" in done.stdout


def test_each_download_is_an_entry_that_the_firm_alone_finds(embedded: Any, sample_csv: bytes, visitor: Any) -> None:
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.prepared(firm, sample_csv)
    embedded.offer(firm, dataset)
    version, reader = version_of(embedded, dataset), visitor(embedded.exchange, firm)
    page = unescape(reader.get(f"/datasets/{dataset}/manage"))
    link = re.search(r'href="(/versions/[^"]+/files/1)"', page)
    assert link
    taken = reader.client.get(link[1], buffered=True)
    assert taken.status_code == 200
    assert "filename=data.parquet" in taken.headers["Content-Disposition"]
    [entry] = reads(embedded)
    assert (entry["version"], entry["by"]) == (version, firm.user)
    assert entry["file_digest"] == "sha256:" + hashlib.sha256(taken.data).hexdigest()
    assert "dataset.file_read" not in embedded.kinds(dataset) + embedded.kinds(version)
    said = "Stored file downloaded by its provider"
    assert said in reader.get("/audit/mine")
    assert said not in visitor(embedded.exchange, other).get(f"/datasets/{dataset}?tab=proof")


def test_nobody_else_gets_a_stored_file_and_nothing_is_recorded(embedded: Any, sample_csv: bytes) -> None:
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.prepared(firm, sample_csv)
    embedded.offer(firm, dataset)
    version = version_of(embedded, dataset)
    path = f"/versions/{version}/files/1"
    for place in (path, f"/api/v1{path}"):
        assert embedded.exchange.client(other).get(place).status_code == 404
        assert embedded.exchange.client(firm).get(place.removesuffix("1") + "2").status_code == 404
        assert embedded.exchange.client(firm).get(place.removesuffix("1") + "0").status_code == 404
        assert embedded.exchange.client(embedded.exchange.person(firm, "buyer")).get(place).status_code == 403
        assert embedded.exchange.client(embedded.exchange.staff("auditor")).get(place).status_code == 403
        assert embedded.exchange.client().get(place).status_code == 401
    assert reads(embedded) == []


def test_a_version_that_the_firm_has_not_signed_is_not_handed_out(embedded: Any, sample_csv: bytes) -> None:
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, sample_csv)
    version = version_of(embedded, dataset)
    with embedded.exchange.operations.database.writing() as session:
        session.get_one(DatasetVersion, version).published_at = None
    refused = embedded.exchange.client(firm).get(f"/api/v1/versions/{version}/files/1")
    assert (refused.status_code, refused.json["code"]) == (409, "version-not-published")
    assert reads(embedded) == []
