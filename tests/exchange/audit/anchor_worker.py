"""Takes one look at the chain and dies without a word at a named point, as a power cut would have it.

Arguments: where to die (`before` or `after` sending), and the settings as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from exchange.application import make_operations
from exchange.audit.anchoring import service
from exchange.config import load
from ledger.anchors.ethereum.node import Node


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    where, settings = sys.argv[1], json.loads(sys.argv[2])
    send = Node.send

    def deadly(node: Node, raw: bytes) -> Any:
        if where == "before":
            _die()
        send(node, raw)
        _die()

    Node.send = deadly  # type: ignore[method-assign]
    operations = make_operations(load({}, **settings))
    service.look(operations, at_once=True)


main()
