"""Anchors in the exchange's database: durable when a method returns, and compare-and-swapped on their version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from exchange.audit.anchoring.models import EthereumAnchor
from exchange.database import Database
from ledger.anchors.ethereum.account import Fees
from ledger.anchors.ethereum.chain import Link, checksum_address, parse_address
from ledger.anchors.ethereum.record import Anchor, Attempt, Mined, StaleError, State


class SqlStore:
    """ledger.anchors.ethereum.record.Store over the exchange's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> Anchor | None:
        with self._database.reading() as session:
            return newest(session)

    def finalized(self, limit: int) -> Sequence[Anchor]:
        with self._database.reading() as session:
            return finalized(session, limit)

    def add(self, anchor: Anchor) -> None:
        try:
            with self._database.writing() as session:
                session.add(EthereumAnchor(number=anchor.number, version=anchor.version, **_values(anchor)))
        except IntegrityError as error:
            raise StaleError from error

    def save(self, anchor: Anchor) -> Anchor:
        saved = replace(anchor, version=anchor.version + 1)
        with self._database.writing() as session:
            changed = session.execute(
                update(EthereumAnchor)
                .where(EthereumAnchor.number == anchor.number, EthereumAnchor.version == anchor.version)
                .values(version=saved.version, **_values(saved))
                .returning(EthereumAnchor.number)
            ).one_or_none()
        if changed is None:
            raise StaleError
        return saved


def newest(session: Session) -> Anchor | None:
    """Return the anchor of the highest number."""
    found = history(session, 1)
    return found[0] if found else None


def history(session: Session, limit: int) -> list[Anchor]:
    """Return the newest anchors, newest first."""
    rows = session.scalars(select(EthereumAnchor).order_by(EthereumAnchor.number.desc()).limit(limit))
    return [_anchor(row) for row in rows]


def finalized(session: Session, limit: int) -> list[Anchor]:
    """Return the newest anchors that are final, newest first."""
    final = EthereumAnchor.state == State.FINALIZED
    rows = session.scalars(select(EthereumAnchor).where(final).order_by(EthereumAnchor.number.desc()).limit(limit))
    return [_anchor(row) for row in rows]


def get(session: Session, number: int) -> Anchor | None:
    """Return an anchor by its number."""
    row = session.get(EthereumAnchor, number)
    return None if row is None else _anchor(row)


def covering(session: Session, index: int) -> Anchor | None:
    """Return the first proven anchor whose tree head has the entry at `index` in it."""
    row = session.scalars(
        select(EthereumAnchor)
        .where(EthereumAnchor.proof.is_not(None), EthereumAnchor.size > index)
        .order_by(EthereumAnchor.number)
        .limit(1)
    ).first()
    return None if row is None else _anchor(row)


def newest_proven(session: Session) -> Anchor | None:
    """Return the newest anchor that has a proof."""
    row = session.scalars(
        select(EthereumAnchor).where(EthereumAnchor.proof.is_not(None)).order_by(EthereumAnchor.number.desc()).limit(1)
    ).first()
    return None if row is None else _anchor(row)


def _values(anchor: Anchor) -> dict[str, Any]:
    return {
        "chain_id": anchor.chain_id,
        "contract": checksum_address(anchor.contract),
        "sender": checksum_address(anchor.sender),
        "nonce": anchor.nonce,
        "previous": anchor.previous,
        "size": anchor.link.size,
        "state": str(anchor.state),
        "attempts": [_attempt_json(attempt) for attempt in anchor.attempts],
        "mined": None if anchor.mined is None else _mined_json(anchor.mined),
        "reorganisations": anchor.reorganisations,
        "proof": anchor.proof,
        "prepared_at": anchor.prepared_at,
        "finalized_at": anchor.finalized_at,
    }


def _anchor(row: EthereumAnchor) -> Anchor:
    return Anchor(
        number=row.number,
        chain_id=row.chain_id,
        contract=parse_address(row.contract),
        sender=parse_address(row.sender),
        nonce=row.nonce,
        previous=row.previous,
        attempts=tuple(_attempt(item) for item in row.attempts),
        prepared_at=row.prepared_at,
        state=State(row.state),
        mined=None if row.mined is None else _mined(row.mined),
        reorganisations=row.reorganisations,
        finalized_at=row.finalized_at,
        proof=row.proof,
        version=row.version,
    )


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "size": attempt.link.size,
        "root": attempt.link.root.hex(),
        "note": attempt.note,
        "most": attempt.fees.most,
        "tip": attempt.fees.tip,
        "gas": attempt.gas,
        "raw": attempt.raw.hex(),
        "hash": attempt.hash.hex(),
        "at": attempt.at.isoformat(),
        "sent_at": None if attempt.sent_at is None else attempt.sent_at.isoformat(),
    }


def _attempt(item: Mapping[str, Any]) -> Attempt:
    return Attempt(
        link=Link(item["size"], bytes.fromhex(item["root"])),
        note=item["note"],
        fees=Fees(item["most"], item["tip"]),
        gas=item["gas"],
        raw=bytes.fromhex(item["raw"]),
        hash=bytes.fromhex(item["hash"]),
        at=datetime.fromisoformat(item["at"]),
        sent_at=None if item["sent_at"] is None else datetime.fromisoformat(item["sent_at"]),
    )


def _mined_json(mined: Mined) -> dict[str, Any]:
    return vars(mined) | {"transaction": mined.transaction.hex(), "block_hash": mined.block_hash.hex()}


def _mined(item: Mapping[str, Any]) -> Mined:
    hashes = {name: bytes.fromhex(item[name]) for name in ("transaction", "block_hash")}
    return Mined(**(dict(item) | hashes))
