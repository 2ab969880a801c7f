"""Log lines: JSON, one event a line, without parameters, payloads or local variables of a traceback."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

_FRAMES = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=12)


def _without_messages(given: structlog.typing.ExcInfo) -> list[dict[str, Any]]:
    """Return a traceback as types and places; a message may quote a cell, an address or a key, so it is left out."""
    found = _FRAMES(given)
    for item in found:
        item.update(exc_value="", exc_notes=[])
    return found


def configure(level: str = "info") -> None:
    """Set up structlog for the program; a traceback names files and lines and never prints a value."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_without_messages),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
