"""The two gates in front of data, each told in the log: may this person (roles, scopes, caveats), and does the policy permit this use?

Both must pass. A line says which gate, how it ended, for whom by identifier, and the code of the refusal; never a token or a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import structlog

from exchange.access import Actor
from exchange.errors import (
    AuthenticationError,
    AwaitingSignatureError,
    ExchangeError,
    NotFoundError,
    PermissionDeniedError,
)

log = structlog.get_logger()
Gate = Literal["permission", "policy"]
# What the first gate refuses with, wherever in a step it stands.
_OF_PERMISSION = (AuthenticationError, PermissionDeniedError, NotFoundError)


def passed(gate: Gate, actor: Actor, **about: Any) -> None:
    """Tell that a gate let somebody through."""
    log.info("gate", gate=gate, outcome="passed", **_who(actor), **about)


def refused(gate: Gate, actor: Actor, error: ExchangeError, **about: Any) -> None:
    """Tell that a gate held somebody back, and by which code."""
    log.info("gate", gate=gate, outcome="refused", code=error.code, **_who(actor), **about)


@contextmanager
def asked(gate: Gate, actor: Actor, **about: Any) -> Iterator[None]:
    """Tell how a gate ended that the block asks. One for the policy stands behind the other, which it tells first."""
    if gate == "policy":
        passed("permission", actor, **about)
    try:
        yield
    except AwaitingSignatureError:
        # Nothing is decided yet.
        raise
    except ExchangeError as error:
        refused("permission" if isinstance(error, _OF_PERMISSION) else gate, actor, error, **about)
        raise
    if gate == "policy":
        passed(gate, actor, **about)


def _who(actor: Actor) -> dict[str, Any]:
    return {"user": actor.user, "token": actor.token} if actor.token else {"user": actor.user}
