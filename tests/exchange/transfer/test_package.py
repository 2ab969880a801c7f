"""What is delivered: masked in its bytes, one package a transfer, and opened only by its key on the buyer's side."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.sealing import EncryptionKey, SealWriter, new_key, wrap_key
from exchange.cli.signing import open_package
from exchange.errors import ExchangeError, InvalidInputError

OPERATORS = ("张伟", "王芳", "李娜", "刘强")


def test_nothing_personal_or_secret_is_in_the_delivered_bytes(trade: Any) -> None:
    transfer = trade.started()
    package = trade.opened(transfer)
    table = trade.delivered_table(transfer)
    assert table.num_rows == 60
    said = " ".join(str(value) for column in table.columns for value in column.to_pylist())
    raw = b"".join(package.read(name) for name in package.namelist() if name.startswith("data/"))
    for name in (*OPERATORS, "华东轴承有限公司", "M-003"):
        assert name not in said
        assert name.encode() not in raw
    for number in range(60):
        assert f"1380000{number:04d}" not in said
        assert f"1380000{number:04d}".encode() not in raw
    # What nobody asked to hide is there.
    assert table["振动"].null_count == 0


def test_pseudonyms_are_the_same_within_an_agreement_and_others_in_another(embedded: Any) -> None:
    offer = embedded.offer()
    one, other = embedded.agreement(offer), embedded.agreement(offer)
    first, again, second = embedded.started(one), embedded.started(one), embedded.started(other)
    names = {key: embedded.delivered_table(transfer)["操作员姓名"].to_pylist() for key, transfer in
             (("first", first), ("again", again), ("second", second))}  # fmt: skip
    assert names["first"] == names["again"]
    assert not set(names["first"]) & set(names["second"])
    assert len(set(names["first"])) == len(OPERATORS)


def test_a_second_use_gives_the_same_parts_under_a_new_seal(embedded: Any) -> None:
    agreement = embedded.agreement()
    first, second = (embedded.transfer(embedded.started(agreement)) for _ in range(2))
    assert first.parts_digest == second.parts_digest
    assert first.artefact != second.artefact
    assert first.recipient_wrapped_key != second.recipient_wrapped_key


def test_the_package_names_its_agreement_transfer_plan_and_parts(embedded: Any) -> None:
    agreement = embedded.agreement()
    transfer = embedded.started(agreement)
    package = embedded.opened(transfer)
    manifest = json.loads(package.read("manifest.json"))
    row = embedded.agreement_row(agreement)
    assert package.read("agreement.json") == row.document
    assert (manifest["agreement"], manifest["agreement_digest"]) == (row.id, row.digest)
    assert manifest["transfer"] == transfer
    assert manifest["plan_digest"] == json.loads(row.document)["plan_hash"]
    listed = [part["name"] for part in manifest["parts"]]
    assert [name for name in package.namelist() if name.startswith("data/")] == listed


def test_files_that_are_no_table_are_delivered_as_they_are(embedded: Any) -> None:
    data = bytes(range(256)) * 40
    package = embedded.opened(embedded.started(data=data, name="drawing.bin"))
    (name,) = [name for name in package.namelist() if name.startswith("data/")]
    assert package.read(name) == data


# -- the buyer's side ------------------------------------------------------------------------------------------------


@pytest.fixture
def parcel(tmp_path: Path) -> Callable[..., tuple[Path, Path, bytes]]:
    """A maker of sealed packages for a buyer: (package, key note, private key)."""

    def make(
        members: dict[str, bytes] | None = None, parts: list[dict[str, Any]] | None = None, agreed: bytes = b"{}"
    ) -> tuple[Path, Path, bytes]:
        buyer, key, context = EncryptionKey.generate(), new_key(), b"transfer one"
        members = {"data/part-00000.parquet": b"rows"} if members is None else members
        if parts is None:
            parts = [
                {"name": name, "rows": 1, "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
            ]
        plain = io.BytesIO()
        with zipfile.ZipFile(plain, "w") as package:
            for name, data in members.items():
                package.writestr(name, data)
            package.writestr("agreement.json", b"{}")
            digest = "sha256:" + hashlib.sha256(agreed).hexdigest()
            package.writestr("manifest.json", json.dumps({"parts": parts, "agreement_digest": digest}))
        sealed, note = tmp_path / "delivery.sealed", tmp_path / "delivery.key.json"
        with sealed.open("wb") as file, SealWriter(file, key, context) as writer:
            writer.write(plain.getvalue())
        wrapped = base64.b64encode(wrap_key(key, buyer.public, context)).decode()
        note.write_text(json.dumps({"context": context.decode(), "recipient_wrapped_key": wrapped}))
        return sealed, note, buyer.private

    return make


def test_a_buyer_opens_a_package_with_the_own_key(parcel: Any, tmp_path: Path) -> None:
    sealed, note, private = parcel()
    assert open_package(sealed, note, tmp_path / "out", private) == 1
    assert (tmp_path / "out" / "data" / "part-00000.parquet").read_bytes() == b"rows"


def _refused(tmp_path: Path, *arguments: Any) -> str:
    with pytest.raises(ExchangeError) as error:
        open_package(*arguments)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.partial"))
    return str(error.value)


def test_a_wrong_key_opens_nothing_and_leaves_nothing(parcel: Any, tmp_path: Path) -> None:
    sealed, note, _ = parcel()
    assert "key" in _refused(tmp_path, sealed, note, tmp_path / "out", EncryptionKey.generate().private)


@pytest.mark.parametrize("fault", ["altered", "cut", "empty", "another's note", "no note", "note without a key"])
def test_a_damaged_package_or_note_opens_nothing(parcel: Any, tmp_path: Path, fault: str) -> None:
    sealed, note, private = parcel()
    data = sealed.read_bytes()
    if fault == "altered":
        sealed.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    elif fault == "cut":
        sealed.write_bytes(data[:-1])
    elif fault == "empty":
        sealed.write_bytes(b"")
    elif fault == "another's note":
        note.write_text(note.read_text().replace("transfer one", "transfer two"))
    elif fault == "no note":
        note.unlink()
    else:
        note.write_text("{}")
    assert _refused(tmp_path, sealed, note, tmp_path / "out", private)


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", "data/../../outside.txt"])
def test_a_package_cannot_write_outside_its_folder(parcel: Any, tmp_path: Path, name: str) -> None:
    sealed, note, private = parcel({name: b"x"})
    assert _refused(tmp_path, sealed, note, tmp_path / "out", private)
    assert not (tmp_path / "outside.txt").exists()
    assert not Path("/tmp/outside.txt").exists()


def test_a_part_that_its_manifest_does_not_know_or_that_is_missing_is_refused(parcel: Any, tmp_path: Path) -> None:
    wrong = [{"name": "data/part-00000.parquet", "rows": 1, "sha256": "0" * 64}]
    sealed, note, private = parcel({"data/part-00000.parquet": b"rows"}, wrong)
    assert "manifest" in _refused(tmp_path, sealed, note, tmp_path / "out", private)
    sealed, note, private = parcel({}, wrong)
    assert "lacks" in _refused(tmp_path, sealed, note, tmp_path / "out", private)
    sealed, note, private = parcel({"data/part-00001.parquet": b"stowaway"}, [])
    assert "manifest" in _refused(tmp_path, sealed, note, tmp_path / "out", private)
    sealed, note, private = parcel(agreed=b"another agreement")
    assert "agreement.json" in _refused(tmp_path, sealed, note, tmp_path / "out", private)


def test_an_opened_package_is_never_overwritten(parcel: Any, tmp_path: Path) -> None:
    sealed, note, private = parcel()
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidInputError):
        open_package(sealed, note, tmp_path / "out", private)
    assert list((tmp_path / "out").iterdir()) == []
