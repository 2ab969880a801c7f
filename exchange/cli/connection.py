"""How commands reach an exchange: its address and the stored token."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from exchange import faults, files
from exchange.cli.values import Address
from exchange.client import Client
from exchange.errors import ExchangeError, InvalidInputError
from exchange.kept import KeptCheckpoint

DEFAULT_URL = "http://127.0.0.1:8000"
URL = click.option(
    "--url", envvar="EXCHANGE_URL", type=Address(), default=DEFAULT_URL, show_default=True, help="Address of the exchange."
)  # fmt: skip


def credentials_file() -> Path:
    """Return where `exchange login` keeps tokens: below XDG_CONFIG_HOME, readable by the user alone."""
    given = os.environ.get("XDG_CONFIG_HOME")
    try:
        base = Path(given) if given else Path.home() / ".config"
    except RuntimeError as error:
        raise InvalidInputError(
            "This user has no home folder to keep tokens in.", "Set XDG_CONFIG_HOME to a folder, or use EXCHANGE_TOKEN."
        ) from error
    return base / "industrial-data-exchange" / "tokens.json"


def require_keepable() -> None:
    """Make the folder of the tokens. Raises ExchangeError where none can be kept, so that none is made in vain."""
    path = credentials_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.require_writable(path.parent)
    except OSError as error:
        raise _not_kept(path, error) from error


def remember(url: str, token: str) -> Path:
    """Keep a token for an address and return the file. Raises ExchangeError."""
    path = credentials_file()
    try:
        files.replace(path, json.dumps({**_stored(), url: token}).encode())
    except OSError as error:
        raise _not_kept(path, error) from error
    return path


def _not_kept(path: Path, error: OSError) -> ExchangeError:
    return ExchangeError(
        f"No token can be kept in {path}: {faults.of(error).reason}",
        "Set XDG_CONFIG_HOME to a folder that you can write to, or give a token with EXCHANGE_TOKEN.",
    )


def _stored() -> dict[str, str]:
    path = credentials_file()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise InvalidInputError(
            f"The tokens in {path} cannot be read: {faults.of(error).reason}", "Let your user read it, or set EXCHANGE_TOKEN."
        ) from error  # fmt: skip
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(token, str) for token in found.values()):
        raise InvalidInputError(f"{path} does not hold tokens.", "Remove it, then run `exchange login` again.")
    return found


def api(url: str, token: str | None) -> Client:
    """Return a client with the given or the stored token. Raises InvalidInputError where there is none."""
    token = (token or _stored().get(url) or "").strip()
    if not token:
        raise InvalidInputError("You are not signed in.", f"Run `exchange login --url {url}`, or set EXCHANGE_TOKEN.")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInputError(
            "The token holds characters that no token has.", "Copy it again, or run `exchange login`."
        )
    return Client(url, token, kept=kept_checkpoint(url))


def kept_checkpoint(url: str) -> KeptCheckpoint | None:
    """Return the newest checkpoint that was seen of an exchange, beside the tokens; None where there is no place for it."""
    try:
        folder = credentials_file().parent / "checkpoints"
    except InvalidInputError:
        return None
    return KeptCheckpoint(url, folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.json")


def connected(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options --url and --token, and a `client` as its first argument."""

    @URL
    @click.option(
        "--token", envvar="EXCHANGE_TOKEN", default=None, help="API token (default: the one of `exchange login`)."
    )
    @functools.wraps(command)
    def with_client(*args: Any, url: str, token: str | None, **kwargs: Any) -> Any:
        return command(api(url, token), *args, **kwargs)

    return with_client
