"""Documentation is tested like code: every command, option, setting, variable, statement and error code stands in it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from contracts import __main__ as contracts_tool
from contracts.desensitization.parameters import METHODS
from contracts.odrl.templates import TEMPLATES
from contracts.odrl.vocabulary import PURPOSES
from exchange import config, errors, http_errors
from exchange.access import ROLE_PERMISSIONS
from exchange.cli import main as exchange_tool
from exchange.config import Settings
from ledger import cli as ledger_tool
from valuation import __main__ as valuation_tool


def _section(page: str, heading: str) -> str:
    """Return the text below a heading up to the next one of its level, empty where there is none."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,6}} |\Z)", page, re.MULTILINE | re.DOTALL)
    return found[2] if found else ""


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(_commands(exchange_tool, "exchange"))


@pytest.fixture(scope="module")
def pages(repository: Path) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in (repository / "docs").glob("*.md")}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_reference_with_its_options_and_defaults(name: str, pages: dict[str, str]) -> None:
    section = _section(pages["cli"], f"`{name}`")
    assert section, f"docs/cli.md has no section `{name}`"
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Argument):
            assert f"`{(parameter.name or '').upper()}" in section
            continue
        option = max(parameter.opts, key=len)
        line = next((line for line in section.splitlines() if line.startswith("|") and f"`{option}" in line), "")
        assert line, f"{name} {option} is not in docs/cli.md"
        if getattr(parameter, "show_default", False):
            assert f"`{parameter.get_default(click.Context(COMMANDS[name]))}`" in line, f"{name} {option}: its default"


def test_the_reference_names_no_command_that_is_gone(pages: dict[str, str]) -> None:
    named = set(re.findall(r"^#+ `(exchange [a-z -]+)`$", pages["cli"], re.MULTILINE))
    assert named == set(COMMANDS)


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices)


OFFLINE = {
    f"python -m {package} {name}": parser
    for package, tool in (
        ("ledger", ledger_tool._parser()),
        ("contracts", contracts_tool._options()),
        ("valuation", valuation_tool._parser()),
    )
    for name, parser in _subcommands(tool).items()
}


@pytest.mark.parametrize("name", OFFLINE)
def test_every_offline_tool_stands_in_the_reference_with_its_options(name: str, pages: dict[str, str]) -> None:
    section = _section(pages["cli"], f"`{name}`")
    assert section, f"docs/cli.md has no section `{name}`"
    for action in OFFLINE[name]._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        word = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest).upper()
        assert f"`{word}" in section, f"{name} {word} is not in docs/cli.md"


@pytest.mark.parametrize("setting", [field.name for field in fields(Settings)])
def test_every_setting_stands_in_the_configuration_page_with_its_default(setting: str, pages: dict[str, str]) -> None:
    row = next((line for line in pages["configuration"].splitlines() if line.startswith(f"| `{setting}` |")), "")
    assert row, f"docs/configuration.md has no row for {setting}"
    default = getattr(Settings(), setting)
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    if shown not in {"", "."}:
        assert row.split("|")[2].strip() == f"`{shown}`"


def test_the_configuration_page_names_no_setting_that_is_gone(pages: dict[str, str]) -> None:
    named = re.findall(r"^\| `([a-z0-9_]+)` \|", pages["configuration"], re.MULTILINE)
    assert sorted(named) == sorted(field.name for field in fields(Settings))


def test_every_variable_that_is_no_setting_stands_in_the_configuration_page(pages: dict[str, str]) -> None:
    for name in config._NOT_SETTINGS:
        assert f"`EXCHANGE_{name}`" in pages["configuration"], name


def test_every_domain_error_stands_in_the_api_page_with_its_status(pages: dict[str, str]) -> None:
    for kind, status in http_errors.STATUS.items():
        code = getattr(kind, "code", "")
        if kind is not errors.ExchangeError:
            assert f"| `{code}` | {status} |" in pages["api"], f"{code} {status}"


def test_every_role_template_purpose_and_method_stands_in_the_concepts(pages: dict[str, str]) -> None:
    missing = [
        word
        for word in [*map(str, ROLE_PERMISSIONS), *TEMPLATES, *PURPOSES, *METHODS]
        if f"`{word}`" not in pages["concepts"]
    ]
    assert not missing
