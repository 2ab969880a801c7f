"""Exported tiles are read and proven by an implementation that is not ours (golang.org/x/mod/sumdb), and altered ones refused.

EXCHANGE_TEST_SUMDB names the verifier that `make test-interop` builds from `foreign/tiles`; without it these tests are skipped.
"""

import json
import os
import random
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest

from ledger import checkpoint
from ledger.entry import Statement, commit, sign
from ledger.fsck import fsck
from ledger.identifiers import new_id
from ledger.log import Log
from ledger.signatures import SigningKey
from ledger.storage import StoredCheckpoint
from ledger.storage.sql import SqlStorage
from ledger.tiles import FolderSource, FolderTarget, TileLog, export

pytestmark = pytest.mark.skipif(
    not os.environ.get("EXCHANGE_TEST_SUMDB"), reason="needs the verifier of `make test-interop`"
)
SIZES = (1, 255, 256, 257, 65_536, 65_537, 70_000)
PROOFS = 1000
PARTY = SigningKey.from_seed(b"P" * 32)


@dataclass
class Long:
    """A log of 70,000 entries in SQLite, the checkpoints that it signed at the sizes, and its export at each of them."""

    log: Log[Any]
    signed: dict[int, StoredCheckpoint]
    folders: dict[int, Path]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, make_engine: Any) -> Any:
    folder = tmp_path_factory.mktemp("long")
    engine = make_engine(f"sqlite:///{folder / 'ledger.db'}")
    storage = SqlStorage(engine)
    storage.create()
    log: Log[Any] = Log(storage, SigningKey.generate(), "exchange.example/log")
    log.open(SigningKey.from_seed(b"S" * 32))
    signed = {}
    for size in SIZES:
        while (missing := size - log.size()) > 0:
            log.write([admitted(log, number) for number in range(min(missing, 4096))])
        log.integrate()
        signed[size] = log.latest()
    folders = {}
    # One folder grows from size to size, as that of a running log does; a copy of it is kept at each.
    for size in SIZES:
        with FolderTarget.locked(folder / "tiles") as target:
            export(storage, signed[size], log.vkey, target)
        folders[size] = Path(shutil.copytree(folder / "tiles", folder / str(size)))
        (folder / f"checkpoint-{size}").write_text(signed[size].note)
    yield Long(log, signed, folders)
    engine.dispose()


def admitted(log: Log[Any], number: int) -> Any:
    now = datetime.now(UTC)
    statement = Statement(
        kind="dataset.offered", id=new_id(now), at=now.isoformat().replace("+00:00", "Z"),
        fields={"dataset": "Lathe 7", "number": number}, signer="urn:uuid:0190a000-0000-7000-8000-00000000000a", custody="custodial",
    )  # fmt: skip
    draft = commit(statement, lambda _: token_bytes(32))
    return log.admit(draft, sign(draft, PARTY))


def judged(folder: Path, vkey: str, *older: Path, proofs: int = PROOFS) -> Any:
    """Return the counts of what the other implementation has verified, or its words of refusal."""
    command = [os.environ["EXCHANGE_TEST_SUMDB"], str(folder), vkey, str(proofs), *map(str, older)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()


@pytest.mark.parametrize("size", SIZES)
def test_the_tiles_of_every_size_are_verified_with_inclusion_and_consistency(long: Long, size: int):
    folder = long.folders[size]
    older = [folder.with_name(f"checkpoint-{old}") for old in SIZES if old <= size]
    counts = judged(folder, long.log.vkey, *older)
    print(f"\n{counts}")
    assert (counts["size"], counts["entries"], counts["older"]) == (size, size, len(older))
    assert counts["proofs"] >= min(size, PROOFS)


@pytest.mark.parametrize(
    "name",
    [
        "checkpoint", "tile/entries/000", "tile/entries/273.p/112", "tile/0/000", "tile/0/100", "tile/0/273.p/112",
        "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1",
    ],
)  # fmt: skip
def test_one_flipped_bit_anywhere_is_refused(long: Long, name: str, tmp_path: Path):
    """With proofs on every tile: before version 0.42 TileHashReader does not compare all of the tiles with their parents."""
    folder = Path(shutil.copytree(long.folders[70_000], tmp_path / "tiles"))
    data = (folder / name).read_bytes()
    rng = random.Random(name)
    for place in (0, len(data) - 1, rng.randrange(len(data)), rng.randrange(len(data))):
        altered = bytearray(data)
        altered[place] ^= 1 << rng.randrange(8)
        (folder / name).write_bytes(altered)
        assert isinstance(judged(folder, long.log.vkey), str), place
    (folder / name).write_bytes(data)
    assert judged(folder, long.log.vkey)["entries"] == 70_000


def test_another_history_is_no_extension(long: Long, tmp_path: Path):
    """A checkpoint of the log's own key over another tree, and a log under another key."""
    forged = tmp_path / "forged"
    forged.write_text(checkpoint.sign(long.log.origin, 257, bytes(32), long.log.notary._key))
    assert isinstance(judged(long.folders[65_537], long.log.vkey, forged, proofs=1), str)
    other = checkpoint.vkey(long.log.origin, SigningKey.generate().public)
    assert isinstance(judged(long.folders[1], other), str)


def test_our_own_check_agrees_at_every_size(long: Long):
    for size in SIZES:
        report = fsck(TileLog(FolderSource(long.folders[size])), long.log.vkey)
        assert (report.problems, report.size, report.root) == ([], size, long.signed[size].root)
