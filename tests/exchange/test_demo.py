"""`exchange demo`: the whole journey by one command, on its own sample and on the user's data, proven at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exchange.cli import main
from exchange.cli.demo import _MARK, Stage
from exchange.errors import ExchangeError


def _demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
    return subprocess.run(
        [sys.executable, "-m", "exchange.cli", "demo", "--folder", str(folder), "--no-serve", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=300, cwd=folder.parent,
    )  # fmt: skip


@pytest.mark.slow
def test_the_demonstration_on_its_own_sample_ends_with_verified_evidence(tmp_path: Path) -> None:
    ended = _demo(tmp_path / "demo", "--rows", "1000")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1,000 rows" in ended.stdout
    assert "a second one is refused" in ended.stdout
    assert "checks hold" in ended.stdout
    bundles = list((tmp_path / "demo").glob("evidence-*.zip"))
    assert len(bundles) == 1
    vkey = (tmp_path / "demo" / "ledger.vkey").read_text(encoding="utf-8").strip()
    verified = subprocess.run(
        [sys.executable, "-m", "ledger", "verify", str(bundles[0]), "--key", vkey],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout
    assert "under the key you gave" in verified.stdout


@pytest.mark.slow
def test_the_demonstration_takes_the_users_own_tables_a_dataset_for_each_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("press", "furnace"):
        (data / name).mkdir(parents=True)
        lines = [f"2026-01-01 00:{minute:02d}:00,{minute * 1.5},张伟" for minute in range(60)]
        (data / name / "log.csv").write_text("\n".join(["时间,温度,操作员姓名", *lines]), encoding="gb18030")
    ended = _demo(tmp_path / "demo", "--data", str(data))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("60 rows") == 2
    assert len(list((tmp_path / "demo").glob("evidence-*.zip"))) == 2


def test_the_demonstration_never_empties_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "precious.txt").write_text("kept", encoding="utf-8")
    ended = _demo(tmp_path / "demo")
    assert ended.returncode == 1
    assert "--folder" in ended.stderr
    assert (tmp_path / "demo" / "precious.txt").read_text(encoding="utf-8") == "kept"


def test_a_demonstration_that_fails_leaves_the_evidence_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, data = tmp_path / "demo", tmp_path / "header-only.csv"
    folder.mkdir()
    (folder / _MARK).touch()
    (folder / "evidence-before.zip").write_bytes(b"proof")
    data.write_text("time,temperature\n", encoding="utf-8")
    kept = tmp_path / "demo-earlier" / "evidence-before.zip"
    ended = _demo(folder, "--data", str(data))
    assert ended.returncode != 0
    assert "no rows" in ended.stdout + ended.stderr
    assert kept.read_bytes() == b"proof"

    def full_disk(*_: Any, **__: Any) -> str:
        raise ExchangeError("The disk is full.", "Make room.")

    # Nor does the next one take it away, which fails before it has begun.
    monkeypatch.setattr(sys.modules[Stage.__module__], "_command", full_disk)
    again = CliRunner().invoke(main, ["demo", "--folder", str(folder), "--data", str(data), "--no-serve"])
    assert again.exit_code == 1
    assert "The disk is full." in again.stderr
    assert kept.read_bytes() == b"proof"
