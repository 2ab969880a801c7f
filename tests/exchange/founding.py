"""Fresh exchanges without the work that is the same in each: the schema, the first entry, the routes, the templates.

One exchange is founded in full for each dialect and worker, and copied. That founding works, again and again and on what is
there already, is what the tests of `exchange init` show; they call it themselves.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from exchange import extensions, home
from exchange.application import create_app
from exchange.config import Settings, load
from exchange.database import Database
from exchange.keystore import FILE, WEB
from exchange.operations import Operations
from exchange.setup import initialise


class CompiledTemplates(BytecodeCache):
    """Compiled templates, kept for the whole run; one whose source has changed is compiled again."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (code := self._kept.get(bucket.key)) is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = CompiledTemplates()
# What belongs to the application that was made last, also where a request reaches another one.
_BOUND = (extensions.api, extensions.babel, extensions.bootstrap, extensions.csrf, extensions.limiter)


@dataclass(frozen=True)
class _Made:
    """An application with what it was when it was made."""

    app: Flask
    settings: Settings
    config: dict[str, Any]
    extensions: list[dict[str, Any]]
    shape: list[int]


class Applications:
    """Applications, each lent to one exchange at a time: what differs between exchanges of equal settings is outside them.

    Making one takes longer than most tests that open a page. One to which a test has added something serves no other.
    """

    def __init__(self, most: int = 4) -> None:
        self._idle: OrderedDict[Settings, _Made] = OrderedDict()
        self._lent: dict[Flask, _Made] = {}
        self._most = most

    def lend(self, settings: Settings, operations: Operations) -> Flask:
        """Return an application as `create_app` makes it, with nothing of its requests before counted or remembered."""
        made = self._idle.pop(_shared(settings), None) or _make(settings, operations)
        self._lent[made.app] = made
        made.app.config.clear()
        made.app.config.update(made.config, SECRET_KEY=operations.services.keystore.secret(WEB).hex())
        made.app.extensions["exchange"] = operations
        for extension, state in zip(_BOUND, made.extensions, strict=True):
            vars(extension).update(state)
        extensions.limiter.reset()
        return made.app

    def take_back(self, app: Flask) -> None:
        """Keep an application for the next exchange of its settings."""
        made = self._lent.pop(app)
        if _shape(app) == made.shape:
            self._idle[made.settings] = made
        if len(self._idle) > self._most:
            self._idle.popitem(last=False)


APPLICATIONS = Applications()


def _make(settings: Settings, operations: Operations) -> _Made:
    app = create_app(settings, operations)
    app.config.update(TESTING=True)
    app.jinja_env.bytecode_cache = _COMPILED
    return _Made(app, _shared(settings), dict(app.config), [dict(vars(item)) for item in _BOUND], _shape(app))


def _shared(settings: Settings) -> Settings:
    """Leave out where an exchange keeps its things, of which the application knows nothing."""
    return replace(settings, home=Path(), key_store=Path(), ethereum_keystore=Path(), database_url="", object_store="")


def _shape(app: Flask) -> list[int]:
    """Count what a test could add to an application."""
    hooks = (
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.template_context_processors,
    )
    counted = [sum(len(functions) for functions in kind.values()) for kind in hooks]
    handlers = sum(len(kinds) for codes in app.error_handler_spec.values() for kinds in codes.values())
    return [*counted, handlers, len(app.view_functions), len(app.blueprints), len(app.jinja_env.globals)]


class Founder:
    """Makes new exchanges like `initialise`, by copying one that it made."""

    def __init__(self, folder: Path, databases: Callable[[], Any]) -> None:
        self._folder, self._databases = folder, databases
        self._models: dict[tuple[bool, str], Settings] = {}

    def found(self, settings: Settings) -> bool:
        """Make the exchange of `settings` with the keys of all that are made here; False where there is something already."""
        if not _is_new(settings):
            return False
        home.prepare(settings)
        model = self._model(settings)
        shutil.copytree(model.key_store, settings.key_store, dirs_exist_ok=True)
        if settings.is_sqlite:
            shutil.copyfile(_file(model), _file(settings))
        else:
            self._databases().copy(model.database_url, settings.database_url)
        return True

    def _model(self, settings: Settings) -> Settings:
        kind = (settings.is_sqlite, settings.ledger_origin)
        if kind not in self._models:
            url = {} if settings.is_sqlite else {"database_url": self._databases().make()}
            model = load({}, home=self._folder / str(len(self._models)), ledger_origin=settings.ledger_origin, **url)
            initialise(model)
            if model.is_sqlite:
                _fold_in(_file(model))
            self._models[kind] = model
        return self._models[kind]


def _is_new(settings: Settings) -> bool:
    """Say whether there is neither a key store nor a database with anything in it."""
    if (settings.key_store / FILE).exists():
        return False
    if settings.is_sqlite:
        return not _file(settings).exists()
    database = Database(settings.database_url)
    try:
        return database.revision() is None
    finally:
        database.dispose()


def _file(settings: Settings) -> Path:
    file = home.database_file(settings)
    assert file is not None
    return file


def _fold_in(database: Path) -> None:
    """Leave nothing of a database outside its one file."""
    connection = sqlite3.connect(database)
    busy: Any = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    assert busy[0] == 0
