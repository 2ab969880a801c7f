"""Facts about an organisation: what it declares of itself, and what an operator has verified of that."""

from __future__ import annotations

import re

from babel import Locale

from exchange.errors import InvalidInputError
from exchange.participants.models import Participant

# Section, division, group or class of GB/T 4754: C, C34, C341, C3411.
_INDUSTRY = re.compile(r"[A-T](\d{2,4})?")
# ISO 3166-1 alpha-2 as CLDR knows it, without the codes that name no country.
_COUNTRIES = frozenset(
    code for code in Locale("en").territories if re.fullmatch(r"[A-Z]{2}", code)
) - {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}  # fmt: skip


def check_industry(industry: str) -> str:
    """Return an industry as it is kept, empty where none is declared. Raises InvalidInputError unless it is of GB/T 4754."""
    code = industry.strip().upper()
    if code and not _INDUSTRY.fullmatch(code):
        raise InvalidInputError(
            (f"{industry!r} is not a code of GB/T 4754.", f"“{industry}”不是 GB/T 4754 的行业代码。"),
            (
                "Write the section's letter and up to four digits, such as C34 for general machinery.",
                "请填写门类字母及至多四位数字，例如通用设备制造业为 C34。",
            ),
            field="industry",
        )
    return code


def check_country(country: str) -> str:
    """Return a country as it is kept. Raises InvalidInputError unless it is a code of ISO 3166-1."""
    code = country.strip().upper()
    if code not in _COUNTRIES:
        raise InvalidInputError(
            (f"{country!r} is not a country code.", f"“{country}”不是国家或地区代码。"),
            ("Write two letters of ISO 3166-1, such as CN.", "请填写 ISO 3166-1 两位字母代码，例如 CN。"),
            field="country",
        )
    return code


def declared(participant: Participant) -> dict[str, str]:
    """Return the facts that the organisation declares of itself; one that it leaves out is absent."""
    facts = {"country": participant.country, "industry": participant.industry}
    return {name: value for name, value in facts.items() if value}


def verified(participant: Participant) -> dict[str, str]:
    """Return the facts that a policy may rely on: verified by an operator, and still what the organisation declares."""
    now = declared(participant)
    return {name: value for name, value in participant.verified_facts.items() if now.get(name) == value}


def are_open(participant: Participant) -> bool:
    """Say whether something that was declared waits for an operator."""
    return participant.declared_at is not None
