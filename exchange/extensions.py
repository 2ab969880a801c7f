"""Flask extensions, made once and bound to an application by `create_app`."""

from __future__ import annotations

from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Flask
from flask_babel import Babel
from flask_bootstrap import Bootstrap5
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_smorest import Api
from flask_wtf.csrf import CSRFProtect


def _schema_name(schema: Any) -> str:
    """Name a schema after its step and class, so that two steps may each have a `PriceSchema`."""
    found = resolve_schema_cls(schema)
    cls: type = found[0] if isinstance(found, list) else found
    step = cls.__module__.split(".")[1].capitalize() if cls.__module__.startswith("exchange.") else ""
    return f"{step}{cls.__name__.removesuffix('Schema')}"


class _Throttle(Limiter):
    """Asks only at views that carry a limit; there is none for all, and looking for one costs more than a query."""

    def init_app(self, app: Flask) -> None:
        """Bind to `app`. What is listed as an extension already installs nothing around the other views."""
        app.extensions.setdefault("limiter", set()).add(self)
        super().init_app(app)


api = Api(spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_schema_name)})
babel = Babel()
bootstrap = Bootstrap5()
csrf = CSRFProtect()
# Throttles guesses at passwords and tokens; quotas of agreements are counted in the database, never here.
limiter = _Throttle(get_remote_address, storage_uri="memory://", headers_enabled=False)
