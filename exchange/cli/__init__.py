"""The command line `exchange`. Errors are one sentence with the mend; exit codes: 0 done, 1 refused or failed, 2 wrong usage."""

from __future__ import annotations

import errno
import sys
from typing import Any

import click

from exchange import __version__
from exchange.cli import data, failures, operate, signing, tokens, trade


class _Group(click.Group):
    """Lists the commands in the order of the journey, and turns every error into one sentence with its mend."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except click.Abort:
            if sys.stdin is not None and sys.stdin.isatty():
                raise
            _fail("Something had to be asked, and there is no terminal. Give it as an option; --help lists them.")
        except Exception as error:
            # Whoever reads the output has gone (`exchange offers | head`); click ends quietly then.
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            if not failures.is_foreseen(error):
                raise
            _fail(failures.told(error))


def _fail(sentence: str) -> None:
    click.echo(click.style("Error: ", fg="red", bold=True) + sentence, err=True)
    sys.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="exchange")
def main() -> None:
    """Industrial data exchange: list data, agree on terms, deliver it sealed, prove every step.

    Exit codes: 0 done; 1 refused or failed, one sentence on standard error says why and how to mend it; 2 wrong usage.
    """


for _command in (*operate.COMMANDS, *data.COMMANDS, *trade.COMMANDS, *signing.COMMANDS, *tokens.COMMANDS):
    main.add_command(_command)
