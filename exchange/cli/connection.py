"""How commands reach an exchange: its address and the stored token."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from exchange.client import Client
from exchange.errors import InvalidInputError

DEFAULT_URL = "http://127.0.0.1:8000"


def credentials_file() -> Path:
    """Return where `exchange login` keeps tokens: below XDG_CONFIG_HOME, readable by the user alone."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "industrial-data-exchange" / "tokens.json"


def remember(url: str, token: str) -> Path:
    """Keep a token for an address and return the file."""
    path = credentials_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = _stored()
    known[url] = token
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(known, file)
    path.chmod(0o600)
    return path


def _stored() -> dict[str, str]:
    try:
        return dict(json.loads(credentials_file().read_text()))
    except (OSError, ValueError):
        return {}


def api(url: str, token: str | None) -> Client:
    """Return a client with the given or the stored token. Raises InvalidInputError where there is none."""
    token = token or _stored().get(url)
    if not token:
        raise InvalidInputError("You are not signed in.", f"Run `exchange login --url {url}`, or set EXCHANGE_TOKEN.")
    return Client(url, token)


def connected(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options --url and --token, and a `client` as its first argument."""

    @click.option(
        "--url", envvar="EXCHANGE_URL", default=DEFAULT_URL, show_default=True, help="Address of the exchange."
    )
    @click.option(
        "--token", envvar="EXCHANGE_TOKEN", default=None, help="API token (default: the one of `exchange login`)."
    )
    @functools.wraps(command)
    def with_client(*args: Any, url: str, token: str | None, **kwargs: Any) -> Any:
        return command(api(url.rstrip("/"), token), *args, **kwargs)

    return with_client
