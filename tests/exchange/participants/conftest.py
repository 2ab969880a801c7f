"""A firm that keeps its keys itself."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from contracts.sealing import EncryptionKey
from exchange.access import Actor
from ledger.signatures import SigningKey


@pytest.fixture
def self_held() -> Callable[[Any], Actor]:
    """Registers an organisation with keys of its own and returns its owner; nobody keeps the private halves."""

    def register(exchange: Any) -> Actor:
        return exchange.firm(
            "Own Keys", verified=False, custody="self-held",
            signing_public_key=base64.b64encode(SigningKey.generate().public).decode(),
            encryption_public_key=base64.b64encode(EncryptionKey.generate().public).decode(),
        )  # fmt: skip

    return register
