"""Every command of "How to audit in five minutes" and of the checks by hand runs, on a real bundle, and says what the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.cli_tools import serving

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "auditing.md").read_text(encoding="utf-8")
_KEY = r"'?exchange\.local/log\+(?:cab2e337\+[A-Za-z0-9+/=]+|cab2e337\+…)'?"


def commands(*sections: str) -> list[str]:
    """Return what stands after a prompt in these sections, in order."""
    found = []
    for title in sections:
        section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
        for block in re.findall(r"```console\n(.*?)```", section, re.S):
            found += [line.strip()[2:] for line in block.splitlines() if line.strip().startswith("$ ")]
    return found


@pytest.fixture
def desk(embedded: Any, tmp_path: Path) -> Any:
    """An auditor's folder with one bundle, unpacked, beside a copy of the database; a function that runs a line of the page."""
    transfer = embedded.started(price_fen=150_000)
    digest = embedded.transfer(transfer).plain_digest
    embedded.run(embedded.consumer, "transfer.acknowledge", transfer=transfer, digest=digest)
    log = embedded.exchange.operations.services.log
    agreement = embedded.transfer(transfer).agreement_id
    folder = tmp_path / "desk"
    folder.mkdir()
    bundle = embedded.client(embedded.consumer).get(f"/api/v1/ledger/bundles/agreements/{agreement}")
    (folder / "evidence.zip").write_bytes(bundle.data)
    with zipfile.ZipFile(folder / "evidence.zip") as archive:
        archive.extractall(folder)
        kinds = {int(item["index"]): item["kind"] for item in json.loads(archive.read("manifest.json"))["entries"]}
    agreed = next(index for index, kind in kinds.items() if kind == "negotiation.agreed")
    (folder / "old").write_text((folder / "checkpoint").read_text())
    # The page's own Python, which stands there to be copied.
    (folder / "inclusion.py").write_text(re.search(r"```python\n(# inclusion.py.*?)```", PAGE, re.S)[1])
    embedded.exchange.operations.services.log.integrate()
    (folder / "copy").mkdir()
    database = embedded.exchange.settings.home / "exchange.db"
    subprocess.run(
        ["sqlite3", str(database), f"VACUUM INTO '{folder / 'copy' / 'exchange.db'}'"], check=True, timeout=60
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VKEY": log.vkey}
    salt = json.loads((folder / f"openings/{agreed}.json").read_text())["openings"]["price_fen"]["salt"]
    assert salt

    def run(line: str, address: str = "") -> str:
        text = re.sub(_KEY, lambda _: f"'{log.vkey}'", line)
        text = re.sub(r"\b19\b", str(agreed), re.sub(r"\b18\b", str(agreed - 1), text))
        text = text.replace("python3 ", f"{sys.executable} ").replace("python -m", f"{sys.executable} -m")
        text = text.replace("https://exchange.example.org", address).replace(
            "agreement.signed.json", "agreement.signed.json"
        )
        done = subprocess.run(
            ["bash", "-c", f"{keep['setup']}{text}"], cwd=folder, env=environment, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (line, text, done.stdout, done.stderr)
        if line.startswith("SALT="):
            keep["setup"] = text + "; "
        return done.stdout

    keep = {"setup": ""}
    run.app, run.folder, run.agreed, run.log = embedded.exchange.app, folder, agreed, log
    return run


def test_every_command_of_the_five_minutes_verifies(desk: Any) -> None:
    (verify,) = commands("In five minutes")
    said = desk(verify)
    assert "VERIFIED: " in said
    assert "under the key you gave." in said
    shown = re.search(r"```console\n\s+\$ python -m ledger verify.*?```", PAGE, re.S)[0]
    for name in re.findall(r"^\s+ok\s+([a-z ]+?)\s{2,}", shown, re.M):
        assert re.search(rf"^  ok +{name}\b", said, re.M), name
    (inside,) = re.findall(r"`(python -m contracts verify [^`]+)`", PAGE)
    assert desk(inside)
    with serving(desk.app) as address:
        fetch, compare = commands("Two checkpoints")
        desk(fetch, address)
        assert "CONSISTENT: " in desk(compare)
    (whole,) = commands("The whole log")
    assert "VERIFIED: " in desk(whole)
    # One digit of a price is changed, as the page does, and the same command names it.
    name = f"openings/{desk.agreed}.json"
    changed = (desk.folder / name).read_bytes().replace(b'"value":150000}', b'"value":150001}')
    with zipfile.ZipFile(desk.folder / "evidence.zip") as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    assert files[name] != changed
    with zipfile.ZipFile(desk.folder / "evidence.zip", "w") as archive:
        for one, data in files.items():
            archive.writestr(one, changed if one == name else data)
    with pytest.raises(AssertionError, match="NOT VERIFIED"):
        desk(verify)


@pytest.mark.skipif(shutil.which("xxd") is None or shutil.which("openssl") is None, reason="needs xxd and openssl")
def test_every_check_by_hand_gives_what_the_page_compares_it_with(desk: Any) -> None:
    lines = commands("By hand")
    assert len(lines) == 12
    said = dict(zip(lines, [desk(line).strip() for line in lines], strict=True))
    outputs = list(said.values())
    assert outputs[0].split()[0] in outputs[1]
    assert outputs[2].split()[0] in outputs[3]
    assert outputs[5].split("= ")[1] in outputs[6]
    first, second = outputs[7].splitlines()
    assert first == second
    assert outputs[-1] == "Signature Verified Successfully"
