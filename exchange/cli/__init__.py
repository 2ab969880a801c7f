"""The command line `exchange`. Errors are one sentence with the mend; exit codes: 0 done, 1 refused or failed, 2 wrong usage."""

from __future__ import annotations

import sys
from typing import Any

import click
import requests

from exchange import __version__
from exchange.cli import data, operate, signing, trade
from exchange.client import ApiError
from exchange.errors import ExchangeError
from ledger.errors import LedgerError


class _Group(click.Group):
    """Turns every domain error into one sentence with its mend, never a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ExchangeError as error:
            _fail(f"{error.field + ': ' if error.field else ''}{error.reason[0]} {error.mend[0]}")
        except ApiError as error:
            _fail(str(error))
        except LedgerError as error:
            _fail(f"{error}.")
        except requests.ConnectionError:
            _fail(
                "The exchange does not answer. Start it with `exchange serve`, or name it with --url or EXCHANGE_URL."
            )
        except requests.Timeout:
            _fail("The exchange took too long to answer. Try again; a repeated request is not carried out twice.")


def _fail(sentence: str) -> None:
    click.echo(click.style("Error: ", fg="red", bold=True) + sentence.strip(), err=True)
    sys.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="exchange")
def main() -> None:
    """Industrial data exchange: list data, agree on terms, deliver it sealed, prove every step.

    Exit codes: 0 done; 1 refused or failed, one sentence on standard error says why and how to mend it; 2 wrong usage.
    """


for _command in (*operate.COMMANDS, *data.COMMANDS, *trade.COMMANDS, *signing.COMMANDS):
    main.add_command(_command)
