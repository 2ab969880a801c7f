"""The industrial data exchange: a Flask marketplace with a web UI and an API on top of contracts, valuation and ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from exchange.config import Settings

__version__ = "0.1.0"


def create_app(settings: Settings) -> Flask:
    """Return the web application for `settings`; see exchange.application."""
    from exchange.application import create_app as create

    return create(settings)
