"""What an exchange answers to the Python client, as values and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

import requests

JSON = dict[str, Any]
NO_EXCHANGE = {"code": "no-exchange", "mend": "Check the address (--url or EXCHANGE_URL)."}


class ApiError(Exception):
    """The exchange refused. `status`, `code`, and `problem`: the whole problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "error"))
        self.problem = dict(problem)
        parts = [
            str(problem.get("field", "") or "") and f"{problem['field']}:",
            problem.get("detail"),
            problem.get("mend"),
        ]
        parts += [f"[{reason.get('text_en', '')}]" for reason in problem.get("reasons", ()) if isinstance(reason, dict)]
        parts += [json.dumps(problem["messages"], ensure_ascii=False)] if problem.get("messages") else []
        parts += [f"Reference {problem['reference']}."] if problem.get("reference") else []
        super().__init__(" ".join(str(part) for part in parts if part) or f"The exchange answered {status}.")


class AwaitingSignature(ApiError):  # noqa: N818 - it is a state, not a fault
    """The step waits for the self-held key; sign `request` with `give_signatures`."""

    @property
    def request(self) -> str:
        return str(self.problem["request"])


class Sized:
    """A file whose length requests sends, even when it is empty (requests would chunk an empty stream)."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.len = size

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def wants_nonce(answer: requests.Response) -> bool:
    """Say whether the proof that was sent lacked the exchange's newest nonce."""
    return answer.status_code in {400, 401} and "use-dpop-nonce" in answer.text


def checked(answer: requests.Response) -> JSON:
    """Return the object that an exchange answered. Raises ApiError for every refusal and for what is no exchange."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        detail = f"What answered there ({answer.status_code}) is no exchange, or a proxy that does not reach it."
        raise ApiError(answer.status_code, {**NO_EXCHANGE, "detail": detail})
    if answer.status_code == 202 and body.get("code") == "awaiting-signature":
        raise AwaitingSignature(202, body)
    if answer.status_code >= 400:
        raise ApiError(answer.status_code, body)
    return cast(JSON, body)
