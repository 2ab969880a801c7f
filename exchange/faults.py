"""What the operating system's and the database's own errors mean to whoever runs a command: one sentence, and the mend.

Only the edge uses this (the command line and `exchange doctor`): further in, an error that can be foreseen has a type and words of
its own. No sentence holds a password, a statement's parameters or a row.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, SQLAlchemyError


@dataclass(frozen=True)
class Fault:
    """A sentence that says what is wrong, and one that says what to do."""

    reason: str
    mend: str


_ELSEWHERE = "or name another place"
_OF_FILES = {
    errno.ENOENT: ("There is no file or folder {}.", "Make the folder first, " + _ELSEWHERE + "."),
    errno.ENOTDIR: ("Part of the path {} is a file, not a folder.", "Name another place."),
    errno.EISDIR: ("{} is a folder, not a file.", "Name a file."),
    errno.EEXIST: ("{} exists already.", "Remove it if it is not needed, " + _ELSEWHERE + "."),
    errno.ENOTEMPTY: ("{} is not empty.", "Empty it, " + _ELSEWHERE + "."),
    errno.EACCES: ("This user may not read or write {}.", "Look at its owner with `ls -ld`, " + _ELSEWHERE + "."),
    errno.EPERM: ("This user may not change {}.", "Look at its owner with `ls -ld`, " + _ELSEWHERE + "."),
    errno.EROFS: ("{} lies on a disk that is read-only.", "Name another place."),
    errno.ENOSPC: ("The disk under {} is full.", "Free some space, " + _ELSEWHERE + "."),
    errno.EDQUOT: ("The disk quota for {} is used up.", "Free some space, " + _ELSEWHERE + "."),
    errno.EFBIG: ("{} would be larger than is allowed.", "Raise the limit (`ulimit -f`), " + _ELSEWHERE + "."),
    errno.ENAMETOOLONG: ("The name {} is too long.", "Give a shorter one."),
    errno.ELOOP: ("{} leads back to itself.", "Mend the symbolic link, " + _ELSEWHERE + "."),
    errno.EMFILE: ("Too many files are open.", "Raise the limit (`ulimit -n`), then try again."),
    errno.EADDRINUSE: ("Another program uses this address already.", "Stop it, or choose another one with --bind."),
    errno.EADDRNOTAVAIL: ("This machine does not have this address.", "Choose another one with --bind."),
}
_OF_SQLITE = {
    "unable to open": ("The database file cannot be opened.", "See that its folder exists and that this user may write there."),
    "readonly": ("The database file is read-only.", "See that this user may write to it and to its folder."),
    "locked": ("Another program holds the database.", "Stop it or wait, then try again."),
    "not a database": ("The file that database_url names is no SQLite database.", "Name another, or restore its backup."),
    "malformed": ("The database file is damaged.", "Restore its backup."),
    "full": ("The disk under the database is full.", "Free some space, then try again."),
    "disk i/o error": ("The disk under the database does not answer.", "Look at the disk, then try again."),
    "no such table": ("The database has not the tables of this program.", "Run `exchange init`."),
}  # fmt: skip
_OF_POSTGRESQL = {
    "42P01": ("The database has not the tables of this program.", "Run `exchange init`."),
    "42501": ("The database role may not do this.", "Let the role of database_url own its schema, then try again."),
    "53100": ("The disk under the database is full.", "Free some space, then try again."),
    "53300": ("The database takes no more connections.", "Stop other programs, or raise its max_connections."),
    "55P03": ("Another program holds what is needed of the database.", "Wait a moment, then try again."),
}


def of(error: OSError | SQLAlchemyError) -> Fault:
    """Return what an error of the disk, the network or the database means."""
    return _of_database(error) if isinstance(error, SQLAlchemyError) else _of_system(error)


def _of_system(error: OSError) -> Fault:
    path = error.filename2 or error.filename
    shown = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else "the file"
    reason, mend = _OF_FILES.get(error.errno or 0, ("", ""))
    if not reason:
        words = error.strerror or str(error) or type(error).__name__
        return Fault(
            f"{words.rstrip('.')}{f' ({shown})' if path else ''}.", "" if error.errno is None else "Try again."
        )
    return Fault(reason.format(shown), mend)


def _of_database(error: SQLAlchemyError) -> Fault:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    # The first line names what is wrong; the ones below may quote a row.
    first = (
        str(cause)
        .strip()
        .partition("\n")[0][:300]
        .removeprefix("connection failed: ")
        .removeprefix("connection is bad: ")
        .rstrip(".")
    )
    driver, state = type(cause).__module__.partition(".")[0], getattr(cause, "sqlstate", None)
    if driver == "psycopg":
        if state is None or state[:2] in {"08", "28", "3D"}:
            return Fault(
                f"The database cannot be reached: {first}.",
                "See that it runs, and that database_url names the right server, role, password and database.",
            )
        if state in _OF_POSTGRESQL:
            return Fault(*_OF_POSTGRESQL[state])
    else:
        for words, told in _OF_SQLITE.items():
            if words in first.lower():
                return Fault(*told)
    return Fault(f"The database refuses: {first}.", "Mend that, or name another with database_url.")
