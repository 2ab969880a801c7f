"""Settings: one frozen, typed object made at the edge from a TOML file and the environment.

The file is `exchange.toml` in the home folder or the one named by EXCHANGE_CONFIG; EXCHANGE_<NAME> variables win over it.
Unknown names and unsafe values stop the start with a sentence that says how to mend it.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from exchange.errors import SettingsError

_PREFIX = "EXCHANGE_"
# These variables steer tests and start-up and are no settings of the program.
_NOT_SETTINGS = {
    "CONFIG",
    "PASSWORD",
    "STAFF_PASSWORD",
    "KEYS",
    "VECTORS",
    "DATA",
    "URL",
    "TOKEN",
    "TEST_S3_ENDPOINT",
    "TEST_S3_ACCESS_KEY",
    "TEST_S3_SECRET_KEY",
}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@dataclass(frozen=True)
class Settings:
    """All settings with their defaults; see docs/configuration.md for the meaning of each."""

    home: Path = Path("var")
    database_url: str = field(default="", repr=False)
    object_store: str = ""
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: str = field(default="", repr=False)
    key_store: Path = Path()
    public_url: str = "http://127.0.0.1:8000"
    allow_insecure_http: bool = False
    exchange_name: str = "Industrial Data Exchange"
    ledger_origin: str = "exchange.local/log"
    default_locale: str = "en"
    bind: str = "127.0.0.1:8000"
    workers: int = 1
    threads: int = 8
    job_threads: int = 1
    jobs: str = "in-process"
    receipt_timeout_seconds: float = 5.0
    session_idle_minutes: int = 60
    session_absolute_hours: int = 12
    access_token_minutes: int = 10
    acceptance_window_days: int = 7
    artefact_days: int = 14
    login_attempts_per_minute: int = 10
    max_upload_bytes: int = 20 * 1024**3
    max_columns: int = 4096
    memory_limit: str = "512MB"
    log_level: str = "info"

    @property
    def spool(self) -> Path:
        """Return the private folder for work in progress; it is emptied at the start."""
        return self.home / "spool"

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https://")


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Return validated settings from file, environment and `overrides` (strongest).

    Raises SettingsError, naming the setting and the mend, on anything unknown, malformed or unsafe.
    """
    environ = os.environ if environ is None else environ
    given = {key.removeprefix(_PREFIX).lower(): value for key, value in environ.items() if key.startswith(_PREFIX)}
    given = {key: value for key, value in given.items() if key.upper() not in _NOT_SETTINGS}
    home = Path(overrides.get("home") or given.get("home") or Settings.home)
    values: dict[str, Any] = _from_file(home, environ) | given | overrides
    types = get_type_hints(Settings)
    known = {field.name for field in fields(Settings)}
    for name in values:
        if name not in known:
            raise SettingsError(
                (f"There is no setting named {name!r}.", f"没有名为 {name!r} 的设置。"),
                (
                    "Remove it, or see docs/configuration.md for the names.",
                    "请删除，或参阅 docs/configuration.md。",
                ),
                field=name,
            )
    settings = Settings(**{name: _convert(name, value, types[name]) for name, value in values.items()})
    return _validate(_complete(settings))


def _from_file(home: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get(_PREFIX + "CONFIG")
    path = Path(named) if named else home / "exchange.toml"
    if not path.exists():
        if named:
            raise SettingsError(f"The settings file {path} does not exist.", "Create it or unset EXCHANGE_CONFIG.")
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Mend the line it names.") from error


def _convert(name: str, value: Any, wanted: type) -> Any:
    try:
        if wanted is bool:
            if isinstance(value, bool):
                return value
            lowered = str(value).strip().lower()
            if lowered not in _TRUE | _FALSE:
                raise ValueError(lowered)
            return lowered in _TRUE
        if isinstance(value, bool):
            raise ValueError(str(value))
        return wanted(value)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            (
                f"{value!r} is not a value of type {wanted.__name__}.",
                f"{value!r} 不是 {wanted.__name__} 类型的值。",
            ),
            (f"Give {name} such a value.", f"请为 {name} 提供正确的值。"),
            field=name,
        ) from error


def _complete(settings: Settings) -> Settings:
    home = settings.home.resolve()
    return replace(
        settings,
        home=home,
        database_url=settings.database_url or f"sqlite:///{home / 'exchange.db'}",
        object_store=settings.object_store or str(home / "objects"),
        key_store=settings.key_store if settings.key_store != Path() else home / "keys",
        public_url=settings.public_url.rstrip("/"),
    )


def _validate(settings: Settings) -> Settings:
    def refuse(field: str, reason: str, mend: str) -> None:
        raise SettingsError(reason, mend, field=field)

    url = urlsplit(settings.public_url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        refuse(
            "public_url",
            f"{settings.public_url!r} is not an http or https address.",
            "Give the address users type.",
        )
    if url.scheme == "http" and not _is_loopback(url.hostname or "") and not settings.allow_insecure_http:
        refuse(
            "public_url",
            "Plain http to another machine shows passwords and tokens to the network.",
            "Use an https address behind a TLS proxy, or set allow_insecure_http = true for a closed test network.",
        )
    scheme = settings.database_url.split(":", 1)[0]
    if scheme not in {"sqlite", "postgresql", "postgresql+psycopg"}:
        refuse(
            "database_url",
            f"The database dialect {scheme!r} is not supported.",
            "Use sqlite:/// or postgresql://.",
        )
    if ":memory:" in settings.database_url or settings.database_url == "sqlite://":
        refuse("database_url", "A database in memory would lose what was acknowledged.", "Name a file.")
    if settings.object_store.startswith("s3://") and not (settings.s3_access_key and settings.s3_secret_key):
        refuse("s3_access_key", "The S3 store needs credentials.", "Set s3_access_key and s3_secret_key.")
    if settings.default_locale not in {"en", "zh"}:
        refuse(
            "default_locale",
            f"{settings.default_locale!r} is not a language of this program.",
            "Use en or zh.",
        )
    if settings.jobs not in {"in-process", "external", "immediate"}:
        refuse("jobs", f"{settings.jobs!r} is not a way to run jobs.", "Use in-process, external or immediate.")
    for name in (
        "workers",
        "threads",
        "job_threads",
        "session_idle_minutes",
        "session_absolute_hours",
        "access_token_minutes",
        "max_upload_bytes",
        "max_columns",
        "login_attempts_per_minute",
        "receipt_timeout_seconds",
        "artefact_days",
        "acceptance_window_days",
    ):
        if getattr(settings, name) <= 0:
            refuse(name, f"{name} must be more than zero.", "Give a positive number or remove the line.")
    if settings.access_token_minutes > 15:
        refuse(
            "access_token_minutes",
            "A long-lived access token outlives a suspension.",
            "Use 15 minutes or less.",
        )
    if "\n" in settings.ledger_origin or " " in settings.ledger_origin or not settings.ledger_origin:
        refuse(
            "ledger_origin",
            "The log's origin is one line without spaces.",
            "Use a name such as example.org/log.",
        )
    return settings


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
