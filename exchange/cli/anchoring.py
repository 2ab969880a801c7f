"""Commands of anchoring: make the account, deploy the contract, look, anchor now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.config import Settings
from ledger.anchors.ethereum.fees import gwei
from ledger.anchors.ethereum.node import ether
from ledger.anchors.ethereum.record import Anchor, State

if TYPE_CHECKING:
    from exchange.operations import Operations

_HOME = click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=None,
    help="Home folder of the exchange (default: EXCHANGE_HOME or ./var).",
)


@click.group()
def anchor() -> None:
    """Anchor the log on an Ethereum chain (setting ethereum_rpc)."""


@anchor.command()
@_HOME
def account(home: Path | None) -> None:
    """Make the account that pays for anchors.

    Its key is written to a keystore file of mode 0600, which is never overwritten.
    """
    from exchange.audit.anchoring import service

    settings = _settings(home)
    address = service.make_account(settings)
    click.echo(f"The anchoring account is {address}, its key in {settings.ethereum_keystore}.")
    click.echo("Send it gas money only: an anchor takes some 29,000 gas.")


@anchor.command()
@_HOME
def deploy(home: Path | None) -> None:
    """Deploy the contract AnchorChain, once.

    Nobody owns it, so one contract on a chain serves any number of logs.
    """
    from exchange.audit.anchoring import service

    with _opened(home) as operations:
        address = service.deploy(operations.services)
    click.echo(f"The contract stands at {address}.")
    click.echo(f'Put this line into the settings: ethereum_contract = "{address}"')


@anchor.command()
@_HOME
def status(home: Path | None) -> None:
    """Say how far the log is anchored.

    The node is asked, too: whether it follows the right chain, has the contract, and what the account holds.
    """
    from exchange.audit.anchoring import service

    with _opened(home) as operations:
        with operations.database.reading() as session:
            known = service.status(session, operations.services.settings)
        click.echo(f"Anchored for good: {known.covered} of {operations.services.log.size()} entries.")
        if known.newest is not None:
            click.echo(_describe(known.newest))
        if known.problem is not None:
            click.echo(f"Last look: {known.problem.reason[0]} {known.problem.mend[0]}")
        click.echo(service.examine(operations.services.settings))


@anchor.command()
@_HOME
def now(home: Path | None) -> None:
    """Anchor the newest checkpoint at once.

    It does not wait for the interval. Where an anchor is under way, that one is taken further instead.
    """
    from exchange.audit.anchoring import service

    with _opened(home) as operations:
        made = service.look(operations, at_once=True)
    click.echo("There is nothing new to anchor." if made is None else _describe(made))


def _describe(found: Anchor) -> str:
    lines = [f"Anchor {found.number}: {found.state}, {found.link.size} entries, root {found.link.root.hex()}"]
    lines.append(f"  transaction 0x{found.attempt.hash.hex()} on chain {found.chain_id}, attempt {len(found.attempts)}")
    if found.mined is not None:
        mined = found.mined
        lines.append(f"  block {mined.block_number} with hash 0x{mined.block_hash.hex()}")
        lines.append(f"  {mined.confirmations} confirmations when last seen, {found.reorganisations} reorganisations")
        cost = ether(mined.gas_used * mined.gas_price)
        lines.append(f"  {mined.gas_used} gas at {gwei(mined.gas_price)} gwei: {cost} ether")
    if found.state is State.FINALIZED:
        lines.append(f"  proof: {'kept' if found.proof else 'the node gave none'}")
    return "\n".join(lines)


def _settings(home: Path | None) -> Settings:
    from exchange.cli.operate import settings_for

    return settings_for(home)


@contextmanager
def _opened(home: Path | None) -> Iterator[Operations]:
    from exchange.application import make_operations

    operations = make_operations(_settings(home))
    try:
        yield operations
    finally:
        operations.database.dispose()
