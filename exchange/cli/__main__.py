"""Run the command line with `python -m exchange.cli`."""

from exchange.cli import main

main(prog_name="exchange")
