"""Every exception that leaves this package.

    ContractsError
    ├── PolicyError              a policy document is malformed
    ├── RequestError             a decision is asked with facts that are malformed
    ├── IllegalTransitionError   a state machine refuses a step
    ├── AgreementError           an agreement is malformed, or a signature on it does not hold
    ├── PlanError                a desensitization plan is malformed, or does not fit the table
    ├── FingerprintError         a table cannot carry a mark, or cannot be searched for one
    └── SealingError             a sealed package was cut, altered, or is opened with the wrong key

Each says what is wrong and how to mend it, in English and in Chinese. Where no Chinese is given, the English
stands in for it, so a page never shows an empty message.
"""

from __future__ import annotations

from collections.abc import Iterable


class ContractsError(Exception):
    """The root of this package's exceptions.

    `text_en` and `text_zh` are whole sentences; `mend_en` and `mend_zh` say what to do, and may be empty.
    """

    def __init__(
        self,
        text_en: str,
        text_zh: str | None = None,
        *,
        mend_en: str = "",
        mend_zh: str | None = None,
    ) -> None:
        self.text_en = text_en
        self.text_zh = text_zh or text_en
        self.mend_en = mend_en
        self.mend_zh = mend_zh or mend_en
        super().__init__(f"{text_en} {mend_en}".strip())

    def text(self, locale: str) -> str:
        """The sentence and its mend, in Chinese for locales that start with "zh" and in English otherwise."""
        if locale.startswith("zh"):
            return f"{self.text_zh}{self.mend_zh}"
        return f"{self.text_en} {self.mend_en}".strip()


class PolicyError(ContractsError):
    """A policy document is malformed at `path` (a JSON path such as `$.permission[0].action`).

    Raised for what cannot be read at all. What can be read but is not understood is kept in the policy and
    denies when it is evaluated.
    """

    def __init__(
        self,
        path: str,
        reason: str,
        mend: str,
        *,
        reason_zh: str | None = None,
        mend_zh: str | None = None,
    ) -> None:
        self.path = path
        self.reason = reason
        self.mend = mend
        super().__init__(
            f"The policy cannot be read at {path}: {reason}.",
            f"无法读取策略中的 {path}：{reason_zh or reason}。",
            mend_en=f"{mend}.",
            mend_zh=f"{mend_zh or mend}。",
        )


class RequestError(ContractsError):
    """A decision is asked with facts that are malformed, such as a time without its zone."""


class IllegalTransitionError(ContractsError):
    """A state machine of the Dataspace Protocol refuses a step.

    `state` is None before the first message; `allowed` is what `role` may do instead.
    """

    def __init__(
        self,
        state: str | None,
        to: str,
        role: str,
        allowed: Iterable[str],
        *,
        process_en: str = "process",
        process_zh: str = "流程",
    ) -> None:
        self.state = state
        self.to = to
        self.role = role
        self.allowed = frozenset(allowed)
        role_zh = {"consumer": "使用方", "provider": "提供方"}.get(str(role), str(role))
        before_en = f"in state {state}" if state else "that has not begun"
        before_zh = f"处于 {state} 状态的" if state else "尚未开始的"
        choices = sorted(str(choice) for choice in self.allowed)
        super().__init__(
            f"The {role} cannot move a {process_en} {before_en} to {to}.",
            f"{role_zh}不能将{before_zh}{process_zh}变为 {to}。",
            mend_en=f"The {role} may now move it to {' or '.join(choices)}."
            if choices
            else f"The {role} can take no step here.",
            mend_zh=f"{role_zh}此时只能将其变为 {' 或 '.join(choices)}。"
            if choices
            else f"{role_zh}此时不能进行任何操作。",
        )


class AgreementError(ContractsError):
    """An agreement is malformed, or a signature on it does not hold."""


class PlanError(ContractsError):
    """A desensitization plan is malformed, or does not fit the table it is applied to."""


class FingerprintError(ContractsError):
    """A table cannot carry a mark, or cannot be searched for one."""


class SealingError(ContractsError):
    """A sealed package was cut, altered, or is opened with the wrong key."""
