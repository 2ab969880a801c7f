"""By which key a bundle is judged: the auditor's own, or the one that took its place under record."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.bundle import layout
from ledger.bundle.archive import Archive
from ledger.errors import BundleError, LedgerError, SignatureError
from ledger.succession import Succession, follow


@dataclass(frozen=True)
class FoundKey:
    """The log key, the changes of key that the bundle tells of, whence the key is, and what is wrong."""

    vkey: str | None
    changes: Sequence[Succession]
    source: str
    problems: list[str]


def find_key(archive: Archive, pinned: Sequence[str]) -> FoundKey:
    """Return the key that the bundle's policy names, if it is one of `pinned` or the log of one of them named it.

    Else it is the first of `pinned`, and a problem is noted. Without `pinned` the bundle's own key is taken.
    """
    problems: list[str] = []
    changes = _changes(archive, problems)
    try:
        vkey = layout.policy_vkey(archive.read(layout.POLICY))
    except (BundleError, SignatureError) as error:
        vkey = None
        problems.append(str(error))
    if not pinned:
        return FoundKey(vkey, changes, "taken from the bundle itself: compare it with one you trust", problems)
    if vkey in pinned:
        return FoundKey(vkey, changes, "given by you", problems)
    if vkey in {heir for key in pinned for heir in follow(key, changes)}:
        return FoundKey(vkey, changes, f"named by the log while the key that you gave still signed: {vkey}", problems)
    if vkey is not None:
        problems.append(f"the bundle is of the log {vkey}, not of {' or '.join(pinned)}")
    return FoundKey(pinned[0], changes, "given by you", problems)


def _changes(archive: Archive, problems: list[str]) -> list[Succession]:
    found = []
    for name in archive.names:
        if name.startswith("keys/"):
            try:
                found.append(Succession.from_bytes(archive.read(name)))
            except LedgerError as error:
                problems.append(f"{name}: {error}")
    return found
