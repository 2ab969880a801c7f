"""Commands for keys that a firm holds itself: make them, sign waiting steps, open sealed packages."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import stat
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from contracts.errors import SealingError
from contracts.sealing import EncryptionKey, OpenReader, unwrap_key
from exchange import files
from exchange.cli.connection import connected
from exchange.cli.keychange import retire, rotate
from exchange.client import Client
from exchange.errors import ExchangeError, InvalidInputError
from ledger.signatures import SigningKey

_BLOCK = 1024 * 1024
_KEY = 32
# What the steps made, by the names under which other commands ask for it.
_NAMED = ("negotiation", "agreement", "transfer", "state")
_KEYS = click.option(
    "--keys", "keyfile", type=click.Path(path_type=Path, dir_okay=False), envvar="EXCHANGE_KEYS",
    default=Path("exchange-keys.json"), show_default=True, help="The file with your private keys.",
)  # fmt: skip


@click.group(short_help="Keys that your organisation, or the exchange, holds.")
def keys() -> None:
    """Keys that your organisation holds itself, and the exchange's own."""


keys.add_command(rotate)
keys.add_command(retire)


@keys.command("new")
@_KEYS
def new(keyfile: Path) -> None:
    """Make a signing and an encryption key; the file is readable by you alone."""
    signing, encryption = SigningKey.generate(), EncryptionKey.generate()
    document = {
        "signing": {"private": _text(signing.seed), "public": _text(signing.public)},
        "encryption": {"private": _text(encryption.private), "public": _text(encryption.public)},
    }
    try:
        files.create(keyfile, json.dumps(document, indent=1).encode())
    except FileExistsError as error:
        raise InvalidInputError(f"{keyfile} exists already.", "Name another file with --keys.") from error
    click.echo(f"Private keys: {keyfile} (keep it safe, nobody can replace it).")
    click.echo(f"Public signing key:    {_text(signing.public)}")
    click.echo(f"Public encryption key: {_text(encryption.public)}")


@click.command(short_help="Sign a step that waits for your own key.")
@click.argument("request", required=False)
@_KEYS
@connected
def sign(client: Client, request: str | None, keyfile: Path) -> None:
    """Sign a step that waits for your key; without REQUEST, list what waits."""
    waiting = {item["id"]: item for item in client.signature_requests()}
    if request is None:
        for item in waiting.values():
            lapses = datetime.fromisoformat(item["lapses_at"]).astimezone(UTC)
            click.echo(f"{item['id']}  {item['operation']}  lapses {lapses:%Y-%m-%d %H:%M} UTC")
        if not waiting:
            click.echo("Nothing waits for your signature.")
        return
    if request not in waiting:
        raise InvalidInputError("No such step waits for your signature.", "List them with `exchange sign`.")
    key = SigningKey.from_seed(load_keys(keyfile)["signing"])
    signatures = {}
    for item in waiting[request]["payloads"]:
        payload = base64.b64decode(item["payload"])
        click.echo(f"Signing as {item['domain']}: {_summary(payload)}")
        signatures[item["digest"]] = key.sign(item["domain"], payload)
    result = client.give_signatures(request, signatures)
    click.echo(f"Done: {waiting[request]['operation']}.")
    for name in _NAMED:
        if isinstance(result.get(name), str):
            click.echo(f"  {name} {result[name]}")
    for receipt in result.get("receipts", ()):
        click.echo(f"  recorded as entry {receipt['index']}")


@click.command("open", short_help="Open a sealed package with your own key.")
@click.argument("package", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--key",
    "note",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The key note that `fetch` wrote beside it.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for the opened data.")
@_KEYS
def open_(package: Path, note: Path | None, output: Path | None, keyfile: Path) -> None:
    """Open a sealed package with your private encryption key and check every part against its manifest."""
    target = output or (package.with_suffix("") if package.suffix else package.with_name(f"{package.name}-opened"))
    rows = open_package(package, note or package.with_suffix(".key.json"), target, load_keys(keyfile)["encryption"])
    click.echo(f"Opened into {target}: {rows} rows.")


def open_package(package: Path, note: Path, target: Path, private: bytes) -> int:
    """Open a sealed package into the folder `target` and return its rows; nothing stays behind when it fails.

    Raises ExchangeError where key, package or manifest do not fit together.
    """
    if target.exists():
        raise InvalidInputError(f"{target} exists already.", "Name another folder with --output.")
    key, context = _key_of(note, private)
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        files.require_writable(partial)
        with package.open("rb") as sealed, OpenReader(sealed, key, context) as reader:
            rows = _unpack(zipfile.ZipFile(reader), partial)  # type: ignore[arg-type]  # A raw reader seeks and reads.
        partial.rename(target)
    except SealingError as error:
        raise _unopened(error) from error
    except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ExchangeError(
            f"{package} is not a whole sealed package.", "Fetch it again, together with its key note."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return rows


def _key_of(note: Path, private: bytes) -> tuple[bytes, bytes]:
    """Return the package's key and what it is bound to, from the note that came with it."""
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        context = facts["context"].encode()
        return unwrap_key(base64.b64decode(facts["recipient_wrapped_key"], validate=True), private, context), context
    except SealingError as error:
        raise _unopened(error) from error
    except FileNotFoundError as error:
        raise InvalidInputError(
            f"There is no key note {note}.", "Name the one that `exchange fetch` wrote with --key."
        ) from error
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidInputError(
            f"{note} is not a key note.", "Fetch the package again, together with its key note."
        ) from error


def _unopened(error: SealingError) -> ExchangeError:
    return ExchangeError(error.text_en, error.mend_en or "Use the keys whose public half is registered.")


def _unpack(package: zipfile.ZipFile, target: Path) -> int:
    manifest = json.loads(package.read("manifest.json"))
    digests = {part["name"]: part["sha256"] for part in manifest["parts"]}
    digests["agreement.json"] = manifest["agreement_digest"].removeprefix("sha256:")
    digests["manifest.json"] = hashlib.sha256(package.read("manifest.json")).hexdigest()
    for member in package.infolist():
        place = (target / member.filename).resolve()
        if not place.is_relative_to(target.resolve()):
            raise ExchangeError("The package names a file outside its folder.", "Do not use it; tell the provider.")
        place.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with package.open(member) as source, place.open("wb") as copy:
            while block := source.read(_BLOCK):
                digest.update(block)
                copy.write(block)
        if digests.pop(member.filename, None) != digest.hexdigest():
            raise ExchangeError(f"{member.filename} is not what the manifest names.", "Fetch the package again.")
    if digests:
        raise ExchangeError(f"The package lacks {', '.join(digests)}.", "Fetch it again.")
    return int(sum(part["rows"] for part in manifest["parts"]))


def load_keys(keyfile: Path) -> dict[str, bytes]:
    """Return the private keys of a file made by `exchange keys new`. Raises InvalidInputError, or OSError where it cannot be read."""
    try:
        if stat.S_IMODE(keyfile.stat().st_mode) & 0o077:
            raise InvalidInputError(f"Others can read {keyfile}.", f"Run `chmod 600 {keyfile}`.")
        document: dict[str, Any] = json.loads(keyfile.read_text(encoding="utf-8"))
        keys = {name: base64.b64decode(document[name]["private"], validate=True) for name in ("signing", "encryption")}
        if {len(key) for key in keys.values()} != {_KEY}:
            raise ValueError("A private key has 32 bytes.")
    except FileNotFoundError as error:
        raise InvalidInputError(
            f"There is no key file {keyfile}.", "Name it with --keys, or make one with `exchange keys new`."
        ) from error
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInputError(f"{keyfile} is no key file.", "Use the file that `exchange keys new` wrote.") from error
    return keys


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _summary(payload: bytes) -> str:
    try:
        document = json.loads(payload)
    except ValueError:
        return f"{len(payload)} bytes"
    kind = document.get("kind") or document.get("@type") or "agreement"
    return f"{kind}, SHA-256 {hashlib.sha256(payload).hexdigest()[:16]}…"


COMMANDS = (keys, sign, open_)
