"""Flask extensions, made once and bound to an application by `create_app`."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import orjson
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Flask, request
from flask.json.provider import DefaultJSONProvider
from flask_babel import Babel
from flask_bootstrap import Bootstrap5
from flask_limiter import Limiter
from flask_smorest import Api
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response


def _schema_name(schema: Any) -> str:
    """Name a schema after its step and class, so that two steps may each have a `PriceSchema`."""
    found = resolve_schema_cls(schema)
    cls: type = found[0] if isinstance(found, list) else found
    step = cls.__module__.split(".")[1].capitalize() if cls.__module__.startswith("exchange.") else ""
    return f"{step}{cls.__name__.removesuffix('Schema')}"


class JSON(DefaultJSONProvider):
    """Flask's JSON, whose answers orjson writes; request bodies are read as before."""

    _OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return `args` or `kwargs` as an application/json response."""
        shown = self._prepare_response_obj(args, kwargs)
        body = orjson.dumps(shown, default=self.default, option=self._OPTIONS)
        return self._app.response_class(body, mimetype=self.mimetype)


def client_address() -> str:
    """Return what one visitor's attempts are counted by: the IPv4 address, or the /64 network that IPv6 gives a household.

    Behind proxies it is the visitor's own address only where the setting trusted_proxies says how many there are.
    """
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        # A Unix socket has no address: all who come through it are counted together.
        return "local"
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return str(address)


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
limiter = _Throttle(client_address, storage_uri="memory://", headers_enabled=False)
