"""Errors as answers: one table from error to status; problem+json (RFC 9457) below /api, pages elsewhere."""

from __future__ import annotations

import re
import secrets
from typing import Any

import structlog
from flask import Flask, Response, current_app, jsonify, render_template, request
from flask_babel import get_locale
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import HTTPException

from contracts.errors import ContractsError, IllegalTransitionError
from exchange import errors
from exchange.challenges import challenges
from ledger.errors import LedgerUnavailableError

log = structlog.get_logger()

STATUS: dict[type[Exception], int] = {
    errors.InvalidInputError: 422,
    errors.PayloadTooLargeError: 413,
    errors.NotFoundError: 404,
    errors.PermissionDeniedError: 403,
    errors.AuthenticationError: 401,
    errors.ConflictError: 409,
    errors.IdempotencyError: 422,
    errors.PolicyDeniedError: 403,
    errors.AwaitingSignatureError: 202,
    errors.EgressError: 422,
    errors.UnreachableError: 502,
    errors.StorageError: 507,
    errors.UnavailableError: 503,
    errors.ExchangeError: 400,
}

_HTTP_TEXT: dict[int, tuple[errors.Bilingual, errors.Bilingual]] = {
    400: (
        ("The request could not be understood.", "无法理解该请求。"),
        ("Load the page again and repeat the step.", "请重新载入页面后重试。"),
    ),
    404: (
        ("There is nothing at this address for you.", "此地址没有您可以访问的内容。"),
        ("Check the address, or start from the catalogue.", "请检查地址，或从目录开始。"),
    ),
    405: (
        ("This address does not take that method.", "此地址不支持该方法。"),
        ("See the API page.", "请参阅 API 页面。"),
    ),
    413: (
        ("The request is larger than allowed.", "请求超过允许的大小。"),
        ("Send less at once.", "请减小单次发送的数据量。"),
    ),
    422: (
        ("Some fields are missing or wrong.", "有字段缺失或不正确。"),
        ("Mend the fields named in messages.", "请修正 messages 中指出的字段。"),
    ),
    429: (
        ("Too many attempts.", "尝试次数过多。"),
        ("Wait a minute, then try again.", "请稍等一分钟后再试。"),
    ),
}
_STALE_FORM = (
    ("Your session has ended, or this form is too old; nothing was changed.", "会话已结束或表单已失效；没有任何更改。"),
    ("Sign in again, then open the form anew.", "请重新登录后再打开该表单。"),
)
_INTERNAL = (
    ("Something went wrong inside the exchange.", "交易平台内部发生错误。"),
    (
        "Try again; if it stays, tell the operator the reference below.",
        "请重试；若仍出现，请将下方编号告知运营方。",
    ),
)


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(errors.ExchangeError, _exchange_error)
    app.register_error_handler(ContractsError, _contracts_error)
    app.register_error_handler(LedgerUnavailableError, _recording_error)
    app.register_error_handler(OperationalError, _recording_error)
    app.register_error_handler(DataError, _not_storable)
    app.register_error_handler(UnicodeEncodeError, _not_storable)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def status_of(error: Exception) -> int:
    """Return the HTTP status of a domain error: that of the nearest class in the table."""
    if getattr(error, "code", "") == "range-not-satisfiable":
        return 416
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def is_api() -> bool:
    """Say whether this request wants JSON errors."""
    return request.path.startswith("/api/")


def _exchange_error(error: errors.ExchangeError) -> Response:
    status = status_of(error)
    answer = _answer(status, error.code, error.reason, error.mend, field=error.field, details=error.details)
    if is_api():
        for challenge in challenges(error, status):
            answer.headers.add("WWW-Authenticate", challenge)
    return answer


def _contracts_error(error: ContractsError) -> Response:
    status = 409 if isinstance(error, IllegalTransitionError) else 422
    code = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__.removesuffix("Error")).lower()
    return _answer(status, code, (error.text_en, error.text_zh), (error.mend_en, error.mend_zh))


def _recording_error(error: Exception) -> Response:
    log.error("recording failed", type=type(error).__name__)
    return _exchange_error(
        errors.UnavailableError(
            ("The ledger or the database cannot be written just now.", "账本或数据库暂时无法写入。"),
            ("Try again in a moment.", "请稍后重试。"),
        )
    )


def _not_storable(_error: DataError | UnicodeEncodeError) -> Response:
    return _exchange_error(
        errors.InvalidInputError(
            ("A value is too long or holds characters that cannot be stored.", "有内容过长或包含无法保存的字符。"),
            ("Shorten it, and remove control characters.", "请缩短内容并去除控制字符。"),
        )
    )


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400 and error.response is not None:
        return error.response
    reason, mend = _HTTP_TEXT.get(status, ((error.name, error.name), ("", "")))
    if isinstance(error, CSRFError):
        reason, mend = _STALE_FORM
    details: dict[str, Any] = {}
    data = getattr(error, "data", None)
    if isinstance(data, dict) and data.get("messages"):
        details["messages"] = data["messages"]
    code = "invalid-input" if status == 422 else error.name.lower().replace(" ", "-")
    return _answer(status, code, reason, mend, details=details)


def _unexpected(error: Exception) -> Response:
    reference = secrets.token_hex(6)
    log.exception("unexpected error", reference=reference, endpoint=request.endpoint)
    if current_app.testing and current_app.config.get("PROPAGATE_UNEXPECTED"):
        raise error
    return _answer(500, "internal", *_INTERNAL, details={"reference": reference})


def _answer(
    status: int,
    code: str,
    reason: errors.Bilingual,
    mend: errors.Bilingual,
    *,
    field: str | None = None,
    details: dict[str, Any] | None = None,
) -> Response:
    index = 1 if str(get_locale() or "en").startswith("zh") else 0
    problem = {
        "type": f"urn:exchange:problem:{code}",
        "title": reason[index],
        "status": status,
        "code": code,
        "detail": reason[index],
        "mend": mend[index],
        **({"field": field} if field else {}),
        **(details or {}),
    }
    if is_api():
        response = jsonify(problem)
        response.content_type = "application/problem+json"
    else:
        response = current_app.make_response(render_template("errors/problem.html", problem=problem, status=status))
    response.status_code = status
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
