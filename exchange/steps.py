"""A step: one change of state with its signed ledger statements, all in one transaction.

Services define operations: functions that take a `Step` and named plain-data arguments, change rows through `step.session`, write statements through
`exchange.audit.service.record(step, …)`, flush and never commit, and return plain data. `exchange.operations.run` calls them: it owns
transaction, permission, idempotency, waiting signatures and receipts.

Everything random inside a step (ids, salts) is derived from `seed`, and its time is `now`: a step that waits for a
self-held key is run again later with the same seed and time, gives the same bytes to sign, and only then takes effect.
What lapses is judged at `effective`, the time at which it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from exchange.access import Actor, Permission
from exchange.identifiers import derive, uuid7

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from exchange.config import Settings
    from exchange.jobs import Jobs
    from exchange.keystore import KeyStore
    from exchange.objects import ObjectStore
    from ledger.log import Log

EXCHANGE = "exchange"
Custody = Literal["custodial", "self-held", "exchange"]


@dataclass(frozen=True)
class Services:
    """The ports that operations and jobs work with; made once by `create_app` or the command line."""

    settings: Settings
    keystore: KeyStore
    objects: ObjectStore
    log: Log
    jobs: Jobs


@dataclass(frozen=True)
class Signed:
    """A signature with what a reader needs to check it."""

    participant: str
    public: bytes
    custody: str
    signature: bytes


class Signer(Protocol):
    """Signs for a participant with its custodial key, or gives back the signature that its self-held key made."""

    def custody(self, step: Step, participant: str) -> Custody:
        """Say who holds the participant's signing key."""

    def sign(self, step: Step, participant: str, domain: str, payload: bytes) -> Signed:
        """Return the signature; for a self-held key that has not signed yet, note the payload in `step.missing`."""


@dataclass
class Step:
    """The context of one operation; see the module's text."""

    session: Session
    actor: Actor
    now: datetime
    services: Services
    seed: bytes
    signer: Signer
    provided: dict[str, bytes] = field(default_factory=dict)
    missing: list[dict[str, str]] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    waited_until: datetime | None = None
    _drawn: int = 0

    @property
    def effective(self) -> datetime:
        """Return when the step takes effect: `now`, or when its signature came."""
        return max(self.now, self.waited_until or self.now)

    def random(self, label: str = "random") -> bytes:
        """Return 32 fresh bytes, the same ones when this step is run again for its signature."""
        self._drawn += 1
        return derive(self.seed, f"{label}/{self._drawn}")

    def new_id(self) -> str:
        """Return a fresh UUIDv7 URN."""
        return uuid7(self.now, self.random("id"))

    def sign(self, participant: str, domain: str, payload: bytes) -> Signed:
        """Return a signature over `payload` by the key of `participant` (or of the exchange, EXCHANGE)."""
        return self.signer.sign(self, participant, domain, payload)


def payload_digest(domain: str, payload: bytes) -> str:
    """Return the name under which a waiting signature of `payload` is asked for and given."""
    return hashlib.sha256(domain.encode() + b"\0" + payload).hexdigest()


@dataclass(frozen=True)
class Operation:
    """A registered operation: its function, the permission it needs, and what of its result is shown only once."""

    name: str
    function: Callable[..., dict[str, Any]]
    permission: Permission | None
    secret_fields: tuple[str, ...] = ()


OPERATIONS: dict[str, Operation] = {}


def operation(
    name: str, permission: Permission | None, *, secret_fields: tuple[str, ...] = ()
) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., dict[str, Any]]]:
    """Register a function as the operation `name`. `permission` None: only the program itself may call it.

    Arguments and result must be JSON data (they are kept for idempotent answers and for steps that wait for a signature);
    `secret_fields` of the result are given once and never stored.
    """

    def register(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        if name in OPERATIONS and OPERATIONS[name].function.__module__ != function.__module__:
            raise RuntimeError(f"Two operations are called {name}.")
        OPERATIONS[name] = Operation(name, function, permission, secret_fields)
        return function

    return register
