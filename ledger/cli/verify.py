"""`verify`: judge evidence: a bundle, a receipt, a signed checkpoint, an anchor, or a proof of misbehaviour."""

import argparse
from pathlib import Path
from typing import Any

from ledger.anchors.rfc3161 import check_authorities
from ledger.bundle import Trust
from ledger.cli.bundles import check_bundle, looks_like_bundle
from ledger.cli.fsck import check_log
from ledger.cli.papers import parse_blocks, verify_paper
from ledger.cli.sources import is_log, load_policy
from ledger.errors import LedgerError


def add(commands: Any) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify", help="verify an evidence bundle, a receipt, a checkpoint, an anchor or a proof of misbehaviour"
    )
    parser.add_argument(
        "source", metavar="FILE",
        help="a bundle's zip, a receipt or tlog-proof, a checkpoint, a proof, or a whole log: a folder of tiles, a database's URL",
    )  # fmt: skip
    parser.add_argument(
        "--block", action="append", default=[], metavar="HASH",
        help="the hash of a block that you have compared with the chain: anchors must stand in it (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--policy", type=Path, help="whom you trust: logs, witnesses and how many (c2sp.org/tlog-policy)"
    )
    parser.add_argument(
        "--tsa-ca", type=Path, action="append", default=[], metavar="FILE",
        help="a certificate of a time-stamping authority that you trust (repeatable)",
    )  # fmt: skip
    parser.add_argument("--entry", type=Path, help="with a receipt: the entry's exact bytes")
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> int:
    if is_log(options.source):
        if options.policy or options.tsa_ca or options.block or options.entry:
            raise LedgerError("a whole log is checked under --key alone")
        return check_log(options, options.source)
    options.file = Path(options.source)
    policy = load_policy(options.policy, options.key)
    if not looks_like_bundle(options.file):
        return verify_paper(options, policy)
    authorities = [path.read_bytes() for path in options.tsa_ca]
    if authorities:
        check_authorities(authorities)
    trust = Trust(policy, authorities, parse_blocks(options.block))
    return check_bundle(options, options.file, trust, "key" if options.policy is None else "policy")
