"""What a command says when it fails: one sentence, and the mend, whatever kind of error ended it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from sqlalchemy.exc import SQLAlchemyError

from contracts.errors import ContractsError
from exchange import faults
from exchange.client import ApiError
from exchange.errors import ExchangeError
from ledger.errors import LedgerError, LedgerUnavailableError
from valuation.errors import ValuationError

TRACEBACK = "EXCHANGE_TRACEBACK"


def told(error: Exception) -> str:
    """Return reason and mend of an error in one line. An error that nobody foresaw is named by its kind and place alone."""
    parts = _parts(error)
    if parts is None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        file = "/".join(Path(place.filename).parts[-3:])
        reason = f"The program has a fault: {type(error).__name__} in {file}, line {place.lineno}."
        parts = (reason, f"Report it with what {TRACEBACK}=1 prints before the same command.")
    return " ".join(" ".join(part.split()) for part in parts if part.strip())


def is_foreseen(error: Exception) -> bool:
    """Say whether an error has words of its own; another one is shown whole where EXCHANGE_TRACEBACK is set."""
    return _parts(error) is not None or not os.environ.get(TRACEBACK)


def _parts(error: Exception) -> tuple[str, ...] | None:
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words(error)
    return None


# What the API calls by another name than the command line.
_OPTIONS = {
    "intended_use": "--use", "purpose": "--purpose", "proposed_price_fen": "--price", "price_fen": "--price",
    "update_frequency": "--frequency", "keywords": "--keyword", "filename": "FILES",
}  # fmt: skip


def _of_exchange(error: ApiError) -> str:
    field = str(error.problem.get("field") or "")
    return str(error).replace(f"{field}:", f"{_OPTIONS[field]}:", 1) if field in _OPTIONS else str(error)


def _of_system(error: OSError | SQLAlchemyError) -> tuple[str, str]:
    fault = faults.of(error)
    return fault.reason, fault.mend


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _of_request(error: requests.RequestException) -> tuple[str, str]:
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return "What answers there does not speak https.", "Check the address; it may be http."
    for kind, words in _OF_REQUESTS.items():
        if isinstance(error, kind):
            return words
    return (
        f"The connection to the exchange broke ({type(error).__name__}).",
        "Check the address, then try again; a repeated request is not carried out twice.",
    )


_OF_REQUESTS: dict[type[Exception], tuple[str, str]] = {
    requests.exceptions.SSLError: (
        "The exchange's certificate is not trusted.",
        "Check the address; a certificate of your own authority is named with REQUESTS_CA_BUNDLE=FILE.",
    ),
    requests.exceptions.ProxyError: (
        "The proxy does not let this through.",
        "Check the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
    ),
    requests.Timeout: (
        "The exchange took too long to answer.",
        "Try again; a repeated request is not carried out twice.",
    ),
    requests.ConnectionError: (
        "The exchange does not answer.",
        "Start it with `exchange serve`, or name it with --url or EXCHANGE_URL.",
    ),
}

# The first kind that fits speaks, so a kind stands before those that it belongs to.
_WORDS: dict[type[Exception], Callable[[Any], tuple[str, ...]]] = {
    ExchangeError: lambda error: (f"{error.field}:" if error.field else "", error.reason[0], error.mend[0]),
    ApiError: lambda error: (_of_exchange(error),),
    ContractsError: lambda error: (error.text_en, error.mend_en),
    LedgerUnavailableError: lambda error: (_sentence(str(error)), "Nothing is lost; try again in a moment."),
    LedgerError: lambda error: (_sentence(str(error)),),
    ValuationError: lambda error: (_sentence(str(error)),),
    requests.RequestException: _of_request,
    OSError: _of_system,
    SQLAlchemyError: _of_system,
}
