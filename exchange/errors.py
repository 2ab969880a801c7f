"""Errors of the exchange.

ExchangeError
├── SettingsError            a setting is unknown, malformed or unsafe; stops the start
├── InvalidInputError        the caller's input breaks a rule; names field, reason and mend
├── NotFoundError            unknown, or somebody else's: both look the same
├── PermissionDeniedError    known to the caller, but not allowed for the role or the scope
├── AuthenticationError      no valid session, token or credential
│   └── ProofError           a proof of possession does not hold for this request
├── ConflictError            the state of the thing does not allow this step
│   └── IdempotencyError     the same Idempotency-Key with another request
├── PolicyDeniedError        the usage policy denies; carries every reason
├── AwaitingSignatureError   a self-held key must sign first; carries what to sign
├── PayloadTooLargeError     an upload is beyond the limit
├── EgressError              the operator's policy does not let the program call an address
├── UnreachableError         somebody outside does not answer, or answers nonsense
├── SplitViewError           an exchange does not prove that its log extends the checkpoint that a client keeps of it
├── StorageError             disk or object store cannot take or give the bytes
└── UnavailableError         the ledger or the database cannot record the step just now

Each error speaks both languages: `reason` and `mend` are pairs (English, Chinese), and `text(locale)` picks one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Bilingual = tuple[str, str]


class ExchangeError(Exception):
    """Root of the tree: a stable `code`, a reason and a mend in both languages, and the field concerned."""

    code = "error"

    def __init__(
        self,
        reason: Bilingual | str,
        mend: Bilingual | str = "",
        *,
        field: str | None = None,
        code: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        self.reason: Bilingual = (reason, reason) if isinstance(reason, str) else reason
        self.mend: Bilingual = (mend, mend) if isinstance(mend, str) else mend
        self.field = field
        self.details = details or {}
        if code:
            self.code = code
        super().__init__(" ".join(part for part in (field and f"{field}:", *self.text("en")) if part))

    def text(self, locale: str) -> Bilingual:
        """Return (reason, mend) in `locale` ("zh…" or anything else for English)."""
        index = 1 if locale.startswith("zh") else 0
        return self.reason[index], self.mend[index]


class SettingsError(ExchangeError):
    code = "unsafe-setting"


class InvalidInputError(ExchangeError):
    code = "invalid-input"


class NotFoundError(ExchangeError):
    code = "not-found"

    def __init__(
        self, what: Bilingual | str = ("There is nothing here for you.", "这里没有您可以访问的内容。")
    ) -> None:
        super().__init__(
            what,
            (
                "Check the address, or ask the owner for access.",
                "请检查地址，或向所有者申请访问。",
            ),
        )


class PermissionDeniedError(ExchangeError):
    code = "permission-denied"


class AuthenticationError(ExchangeError):
    code = "not-authenticated"


class ProofError(AuthenticationError):
    code = "invalid-dpop-proof"


class ConflictError(ExchangeError):
    code = "conflict"


class IdempotencyError(ConflictError):
    code = "idempotency-key-reused"


class PolicyDeniedError(ExchangeError):
    """The usage policy denies. `reasons` holds one dict a failing rule: rule, constraint, expected, actual, text."""

    code = "policy-denied"

    def __init__(self, reason: Bilingual | str, mend: Bilingual | str, reasons: Sequence[dict[str, Any]]) -> None:
        super().__init__(reason, mend, details={"reasons": list(reasons)})
        self.reasons = tuple(reasons)


class AwaitingSignatureError(ExchangeError):
    """A self-held key must sign. `request_id` names the waiting step, `payloads` what is to be signed."""

    code = "awaiting-signature"

    def __init__(self, request_id: str, payloads: Sequence[dict[str, str]]) -> None:
        super().__init__(
            (
                "This step waits for the signature of a self-held key.",
                "该步骤正在等待自持密钥的签名。",
            ),
            (
                "Sign it with `exchange sign REQUEST`, or send the signatures through the API.",
                "请使用 `exchange sign 请求号` 签名，或通过 API 提交签名。",
            ),
            details={"request": request_id, "payloads": list(payloads)},
        )
        self.request_id = request_id
        self.payloads = tuple(payloads)


class PayloadTooLargeError(InvalidInputError):
    code = "payload-too-large"


class EgressError(ExchangeError):
    code = "egress-refused"


class UnreachableError(ExchangeError):
    code = "unreachable"


class SplitViewError(ExchangeError):
    code = "split-view"


class StorageError(ExchangeError):
    code = "storage"


class UnavailableError(ExchangeError):
    code = "unavailable"
