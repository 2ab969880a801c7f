"""Kinds of values on the command line: amounts of money and addresses; a wrong one is wrong usage (exit code 2)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import click

from exchange.config_rules import RULES

# The catalogue takes more, negotiations do not: what is offered must be payable.
MOST_YUAN = 10_000_000_000


class Yuan(click.ParamType):
    """An amount in CNY, kept as whole fen: 1500, 1500.5 or 1500.50."""

    name = "yuan"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip()
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            self.fail(
                f"{value!r} is not an amount. Write yuan in digits, such as 1500 or 1500.50; 0 is free.", param, ctx
            )
        amount = Decimal(text)
        if amount * 100 != (amount * 100).to_integral_value():
            self.fail(f"{value!r} has more than two decimals. A fen, 0.01, is the smallest amount.", param, ctx)
        if amount > MOST_YUAN:
            self.fail(f"{value!r} is more than {MOST_YUAN:,}. Give a smaller amount.", param, ctx)
        return int(amount * 100)


class Address(click.ParamType):
    """The address of an exchange: http or https, a host, and a port where it is not the usual one."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        address = str(value).strip().rstrip("/")
        if refusal := RULES["public_url"](address):
            self.fail(f"{refusal.reason[0]} {refusal.mend[0]}", param, ctx)
        return address


def yuan(fen: int) -> str:
    """Return an amount of fen as people write it, such as CNY 1,500.00."""
    return f"CNY {Decimal(fen) / 100:,.2f}"
