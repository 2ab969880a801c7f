"""Taking one entry with its proof out of a bundle. Nothing is verified here."""

from pathlib import Path

from ledger.bundle import layout
from ledger.bundle.archive import open_archive
from ledger.entry import Entry
from ledger.errors import BundleError, LedgerError, VerificationError


def read_proof(path: Path, index: int | None, statement_id: str | None) -> tuple[bytes, str]:
    """Return the bytes of an entry and its tlog-proof, by its index or by its statement's id.

    Raises LedgerError when the bundle has none, BundleError when it is no bundle.
    """
    with open_archive(path) as archive:
        for found in archive.indexes() if index is None else [index]:
            try:
                body = archive.read(layout.entry_name(found))
                if statement_id is None or Entry.parse(body).statement_id == statement_id:
                    return body, archive.read(layout.proof_name(found)).decode("utf-8", "replace")
            except (BundleError, VerificationError):
                continue
    wanted = f"entry {index}" if statement_id is None else f"statement {statement_id}"
    raise LedgerError(f"the bundle holds no proof of {wanted}")
