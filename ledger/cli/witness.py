"""`witness`: making a witness, naming the logs it trusts, running it, and looking at it.

What the witness needs, a database and a server, is imported where it is used: the other commands do without.
"""

import argparse
import signal
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.cli.output import print_json
from ledger.errors import LedgerError
from ledger.note import ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE

if TYPE_CHECKING:
    from ledger.witness.folder import Folder
    from ledger.witness.state import Proven

_KINDS = {"ed25519": ED25519_COSIGNATURE, "ml-dsa-44": ML_DSA_44_COSIGNATURE}


def add(commands: Any) -> argparse.ArgumentParser:
    """Add the command with its own actions; return its parser."""
    witness: argparse.ArgumentParser = commands.add_parser(
        "witness", help="run a witness that cosigns the checkpoints of logs"
    )
    actions = witness.add_subparsers(required=True, metavar="ACTION")

    init = actions.add_parser("init", help="make a witness with a fresh key and print its vkey")
    trust = actions.add_parser("trust", help="add a log that it watches")
    serve = actions.add_parser("serve", help="answer logs over HTTP until it is stopped")
    show = actions.add_parser("show", help="show what it has cosigned, refused and proven")
    for action, run in ((init, _init), (trust, _trust), (serve, _serve), (show, _show)):
        action.add_argument("folder", type=Path, help="the witness's folder")
        action.set_defaults(run=run)
    init.add_argument("--name", required=True, help="its name, such as auditor.example/witness-1; not a secret")
    init.add_argument("--algorithm", choices=_KINDS, default="ed25519", help="of its signatures (default: ed25519)")
    trust.add_argument("vkey", help="the log's key, obtained from a source you trust")
    serve.add_argument("--listen", default="127.0.0.1:8090", metavar="HOST:PORT", help="default: 127.0.0.1:8090")
    show.add_argument("--json", action="store_true", help="print it as JSON")
    return witness


def _folder(options: argparse.Namespace) -> "Folder":
    from ledger.witness.folder import Folder

    return Folder(options.folder)


def _init(options: argparse.Namespace) -> int:
    cosigner = _folder(options).create(options.name, _KINDS[options.algorithm])
    print(cosigner.verifier.to_vkey())
    return 0


def _trust(options: argparse.Namespace) -> int:
    log = _folder(options).trust(options.vkey)
    print(f"watches {log.name}; a witness that runs takes it up when it is started again")
    return 0


def _serve(options: argparse.Namespace) -> int:
    from ledger.witness.core import Witness
    from ledger.witness.server import WitnessServer

    folder = _folder(options)
    host, _, port = options.listen.rpartition(":")
    if not port.isdigit() or not host:
        raise LedgerError(f"{options.listen!r} is not HOST:PORT")
    logs = folder.logs()
    if not logs:
        raise LedgerError(f"{folder.path / 'logs'} names no log; add one with `witness trust`")
    state = folder.state()
    for item in state.proofs():
        # A witness that was killed between finding and telling tells now.
        folder.keep_proof(item)

    def tell(item: "Proven") -> None:
        path = folder.keep_proof(item)
        print(f"MISBEHAVIOUR: {item.what}. The proof is {path}", file=sys.stderr, flush=True)

    witness = Witness(state, folder.cosigner(), logs, found=tell)
    with WitnessServer((host.strip("[]"), int(port)), witness) as server:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        origins = ", ".join(sorted(witness.logs))
        print(f"{witness.cosigner.name} on http://{host}:{server.server_port} watches {origins}", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever(poll_interval=0.2)
    return 0


def _show(options: argparse.Namespace) -> int:
    from ledger.witness.core import origin_digest

    folder = _folder(options)
    state = folder.state()
    newest, refusals, proofs = state.newest(), state.refusals(), state.proofs()
    if options.json:
        document = {
            "vkey": state.vkey,
            "logs": [
                {
                    "origin": origin,
                    "digest": origin_digest(origin),
                    "size": str(item.size),
                    "root": item.root.hex(),
                    "cosigned_at": _moment(item.time),
                }
                for origin, item in newest.items()
            ],
            "refused": [
                {"origin": item.origin, "size": str(item.size), "reason": item.reason, "at": _moment(item.time)}
                for item in refusals
            ],
            "misbehaviour": [_proof(folder, item) for item in proofs],
        }
        print_json(document)
        return 0
    print(f"Witness {state.vkey}")
    for log in folder.logs():
        item = newest.get(log.name)
        print(f"  {log.name}: " + (f"size {item.size}, cosigned {_moment(item.time)}" if item else "nothing cosigned"))
    for refused in refusals:
        print(f"  refused {refused.origin} at size {refused.size}, {_moment(refused.time)}: {refused.reason}")
    for proof in proofs:
        print(f"  MISBEHAVIOUR, {_moment(proof.time)}: {proof.what}: {folder.keep_proof(proof)}")
    return 0


def _proof(folder: "Folder", item: "Proven") -> dict[str, Any]:
    path = str(folder.keep_proof(item))
    return {"origin": item.origin, "at": _moment(item.time), "what": item.what, "file": path}


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
