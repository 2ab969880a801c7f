"""Common policies from a name and a few parameters, so that nobody has to write JSON.

Unless a template is asked otherwise, it forbids passing the data on: in ODRL the action `use` includes
`distribute`, which few providers mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

from contracts.odrl.parameters import Parameter, read, refuse
from contracts.odrl.vocabulary import PROFILE, PURPOSES
from ledger.canonical import encode


@dataclass(frozen=True, slots=True)
class Template:
    """A pattern of a policy, with its words and its parameters."""

    name: str
    title_en: str
    title_zh: str
    parameters: tuple[Parameter, ...]
    make: Callable[[dict[str, Any]], dict[str, Any]]

    def title(self, locale: str) -> str:
        return self.title_zh if locale.startswith("zh") else self.title_en


def build(
    name: str,
    *,
    uid: str | None = None,
    assigner: str | None = None,
    target: str | None = None,
    **parameters: Any,
) -> dict[str, Any]:
    """An Offer as a JSON object, ready for `parse`. Without a `uid` its identifier is derived from its
    content.

    Parameters come as they are or as the strings of a form. Raises PolicyError, whose path is
    `parameters.<name>`, for an unknown template or parameter, and for one that is missing or out of its
    range.
    """
    template = TEMPLATES.get(name)
    if template is None:
        known = ", ".join(TEMPLATES)
        refuse("name", f"there is no template {name}", f"没有模板 {name}", f"Use one of: {known}", f"可用模板：{known}")
    unknown = sorted(set(parameters) - {parameter.name for parameter in template.parameters})
    if unknown:
        known = ", ".join(parameter.name for parameter in template.parameters)
        refuse(
            unknown[0], "it is no parameter of this template", "该模板没有此参数", f"Use: {known}", f"可用参数：{known}"
        )
    values = {parameter.name: read(parameter, parameters.get(parameter.name)) for parameter in template.parameters}
    rules = template.make(values)
    document: dict[str, Any] = {"@type": "Offer"}
    if "ex:" in str(rules):
        document["profile"] = PROFILE
    document |= rules
    if "prohibition" in document:
        document["conflict"] = "prohibit"
    if assigner is not None:
        document["assigner"] = assigner
    if target is not None:
        document["target"] = target
    digest = hashlib.sha256(encode(document)).hexdigest()
    return {"@id": uid or f"urn:industrial-data-exchange:policy:{digest[:32]}", **document}


_ONWARD = Parameter(
    "onward", "boolean", "May be passed on to third parties", "允许向第三方提供", required=False, default=False
)
_COUNT = Parameter("count", "integer", "Number of uses", "使用次数", minimum=1)
_PURPOSES = Parameter("purposes", "choices", "Purposes", "用途", choices=PURPOSES, open=True)
_ZONES = {
    "+08:00": ("China Standard Time", "北京时间"),
    "Z": ("UTC", "协调世界时"),
}
_STARTS = {
    "agreement": ("the start of the agreement", "协议生效"),
    "first-use": ("the first use", "首次使用"),
}

_KEEP = [{"action": "distribute"}, {"action": "transfer"}]


def _rules(constraints: list[dict[str, Any]], *, onward: bool = False, **more: Any) -> dict[str, Any]:
    permission: dict[str, Any] = {"action": "use"}
    if constraints:
        permission["constraint"] = constraints
    rules: dict[str, Any] = {"permission": [permission | more]}
    if not onward:
        rules["prohibition"] = [dict(rule) for rule in _KEEP]
    return rules


def _constraint(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def _typed(text: str, datatype: str) -> dict[str, str]:
    return {"@value": text, "@type": f"xsd:{datatype}"}


def _at_most(count: int) -> dict[str, Any]:
    return _constraint("count", "lteq", _typed(str(count), "integer"))


def _for(purposes: list[str]) -> dict[str, Any]:
    if len(purposes) == 1:
        return _constraint("purpose", "eq", purposes[0])
    return _constraint("purpose", "isAnyOf", purposes)


def _until(last: date, zone: str) -> dict[str, Any]:
    # The last day counts to its end, so the limit is the first moment of the next.
    end = f"{(last + timedelta(days=1)).isoformat()}T00:00:00{zone}"
    return _constraint("dateTime", "lt", _typed(end, "dateTime"))


def _within(days: int, starts: str) -> dict[str, Any]:
    left = "ex:sinceAgreement" if starts == "agreement" else "elapsedTime"
    return _constraint(left, "lteq", _typed(f"P{days}D", "duration"))


def _no_onward(_values: dict[str, Any]) -> dict[str, Any]:
    remedy = [{"action": "delete"}, {"action": "inform"}]
    return {
        "permission": [{"action": "use"}],
        "prohibition": [{**rule, "remedy": [dict(duty) for duty in remedy]} for rule in _KEEP],
    }


def _delete_after(values: dict[str, Any]) -> dict[str, Any]:
    limit = _constraint("elapsedTime", "lteq", _typed(f"P{values['days']}D", "duration"))
    duty = [{"action": "delete", "constraint": [limit]}]
    return _rules([], onward=values["onward"], duty=duty)


TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        template.name: template
        for template in (
            Template("internal-use", "Internal use", "仅限内部使用", (), lambda _values: _rules([])),
            Template(
                "n-times",
                "A number of uses",
                "限定次数使用",
                (_COUNT, _ONWARD),
                lambda values: _rules([_at_most(values["count"])], onward=values["onward"]),
            ),
            Template(
                "until-date",
                "Use until a date",
                "限期使用（截止日期）",
                (
                    Parameter("date", "date", "Last day of use", "最后使用日"),
                    Parameter("zone", "choice", "Time zone", "时区", required=False, default="+08:00", choices=_ZONES),
                    _ONWARD,
                ),
                lambda values: _rules([_until(values["date"], values["zone"])], onward=values["onward"]),
            ),
            Template(
                "duration",
                "Use for a length of time",
                "限时使用（使用期限）",
                (
                    Parameter("days", "integer", "Days", "天数", minimum=1, maximum=36_500),
                    Parameter(
                        "starts",
                        "choice",
                        "Counted from",
                        "起算时间",
                        required=False,
                        default="agreement",
                        choices=_STARTS,
                    ),
                    _ONWARD,
                ),
                lambda values: _rules([_within(values["days"], values["starts"])], onward=values["onward"]),
            ),
            Template(
                "purpose",
                "Use for named purposes",
                "限定用途使用",
                (_PURPOSES, _ONWARD),
                lambda values: _rules([_for(values["purposes"])], onward=values["onward"]),
            ),
            Template(
                "purpose-and-count",
                "A number of uses for named purposes",
                "限定用途与次数使用",
                (_PURPOSES, _COUNT, _ONWARD),
                lambda values: _rules([_for(values["purposes"]), _at_most(values["count"])], onward=values["onward"]),
            ),
            Template("no-onward-transfer", "Any use, never passed on", "可使用但不得转让或对外提供", (), _no_onward),
            Template(
                "delete-after",
                "Delete after a time",
                "到期删除",
                (
                    Parameter(
                        "days",
                        "integer",
                        "Days after each delivery",
                        "每次交付后的天数",
                        minimum=1,
                        maximum=36_500,
                    ),
                    _ONWARD,
                ),
                _delete_after,
            ),
        )
    }
)
