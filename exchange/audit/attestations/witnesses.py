"""The log's witnesses: who they are by the operator's policy, and asking all of them at once for their cosignatures."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from exchange.egress import Egress
from exchange.errors import ExchangeError, SettingsError
from ledger.cosignature import Cosignature
from ledger.errors import LedgerError
from ledger.log import Log
from ledger.note import Verifier
from ledger.policy import MAX_BYTES, Policy, Witness
from ledger.policy import Log as PolicyLog
from ledger.storage import StoredCheckpoint
from ledger.witness.client import MAX_ANSWER_BYTES, Reply, WitnessError, submit

_TIMEOUT_SECONDS = 10.0
_AT_ONCE = 8


@dataclass(frozen=True)
class Answer:
    """What came of asking a witness: its cosignature, or why there is none; `seen`: the size that it has seen, if it said so."""

    cosignature: Cosignature | None
    seen: int | None = None
    code: str | None = None
    sentence: str = ""


def load_policy(path: Path, vkey: str) -> Policy | None:
    """Return the policy in a file, with this log as the one that it trusts; None where no file is named.

    Raises SettingsError where the file is no policy, is of another log, or names a witness of the quorum without its address.
    """
    if path == Path():
        return None
    try:
        return _load(path, path.stat().st_mtime_ns, vkey)
    except OSError as error:
        raise _refuse(f"cannot be read: {error.strerror}", f"无法读取：{error.strerror}") from error


@lru_cache(maxsize=4)
def _load(path: Path, _changed: int, vkey: str) -> Policy:
    own = Verifier.from_vkey(vkey)
    try:
        with path.open("rb") as file:
            policy = Policy.parse(file.read(MAX_BYTES + 1))
    except LedgerError as error:
        raise _refuse(f"is not a trust policy: {error}", f"不是有效的信任策略：{error}") from error
    if policy.logs and own not in [log.verifier for log in policy.logs]:
        raise _refuse("names another log than this one", "指定的不是本日志")
    for witness in policy.needed():
        if witness.url is None:
            raise _refuse(f"names no address of the witness {witness.name}", f"没有给出见证者 {witness.name} 的地址")
    return Policy((PolicyLog(own),), policy.witnesses, policy.groups, policy.quorum)


def _refuse(reason: str, reason_zh: str) -> SettingsError:
    return SettingsError(
        (f"The file of the witnesses {reason}.", f"见证者策略文件{reason_zh}。"),
        ("Mend it as docs/witnesses.md shows, or remove the setting.", "请按 docs/witnesses.md 修正，或删除该设置。"),
        field="witness_policy",
    )


def identifier(verifier: Verifier) -> str:
    """Return the name under which the database knows a witness: its key's name and hash."""
    return f"{verifier.name}+{verifier.key_hash.hex()}"


def ask(
    egress: Egress, log: Log[Any], newest: StoredCheckpoint, witnesses: Mapping[str, Witness], seen: Mapping[str, int]
) -> dict[str, Answer]:
    """Ask each witness for its cosignature of the newest checkpoint, several at once, and return what each answered.

    Both maps are by `identifier`; `seen` holds what a witness cosigned last, where that is known.
    """

    def post(url: str, body: bytes) -> Reply:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        reply = egress.request(
            "POST", url, body=body, headers=headers, timeout=_TIMEOUT_SECONDS, limit=MAX_ANSWER_BYTES
        )
        return Reply(reply.status, reply.content_type, reply.body)

    def one(name: str) -> Answer:
        witness = witnesses[name]
        try:
            known = min(seen.get(name, 0), newest.size)
            made = submit(
                post, witness.url or "", witness.verifier, newest.note, newest.size, known, log.consistency_proof
            )
        except WitnessError as error:
            ahead = error.seen is not None and error.seen > newest.size
            if ahead and (error.seen or 0) <= log.latest().size:
                # The log has grown meanwhile, and another process was faster.
                return Answer(None, error.seen)
            return Answer(None, error.seen, "witness-ahead" if ahead else "witness-refuses", str(error))
        except ExchangeError as error:
            return Answer(None, None, error.code, error.reason[0])
        except LedgerError as error:
            return Answer(None, None, "unavailable", str(error))
        return Answer(made, newest.size)

    with ThreadPoolExecutor(_AT_ONCE, "witness") as pool:
        return dict(zip(witnesses, pool.map(one, witnesses), strict=True))
