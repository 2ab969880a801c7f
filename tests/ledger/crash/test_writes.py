"""A fault at every numbered write of an append, one after the other until an append is not hit any more.

Killed before the call, or told EIO or ENOSPC instead: what was acknowledged holds, nothing is there by halves, a refusal is the
library's own error, and the same process goes on as soon as the disk does.
"""

import itertools
from collections import Counter

import pytest

PRAGMAS = {"wal_autocheckpoint": 1}
"""Each commit on SQLite also brings its pages into the database file, so that those writes are met with too."""


@pytest.fixture(
    params=["sqlite-group", "sqlite-record", pytest.param("postgresql-record", marks=pytest.mark.postgresql)]
)
def append(request, faults, make_place, nursery, wait_until):
    """Return a place, and a function that starts a process there which holds its breath before each append."""
    faults.require_strace()
    dialect, _, how = request.param.partition("-")
    place = make_place(dialect if dialect == "sqlite" else request.getfixturevalue("empty_database")())
    numbers = itertools.count(1)

    def start(gates):
        """The process has appended nothing yet, so that the first time of everything is met with too."""
        opened = [place.folder / f"gate-{next(numbers)}" for _ in range(gates)]
        order = place.order(how=how, count=0, opens=False, gates=[str(gate) for gate in opened], timeout=30)
        child = nursery.start(**order | ({"pragmas": PRAGMAS} if dialect == "sqlite" else {}))
        wait_until(opened[0].exists)
        return child, *opened

    start.place, start.steps_only, start.is_sqlite = place, how == "record", dialect == "sqlite"
    return start


def spots(calls, step):
    """Yield (call, number, hits) for each call and number, going on to the next call once `hits` stays empty."""
    for call in calls:
        for number in itertools.count(1, step):
            hits = []
            yield call, number, hits
            if not hits:
                break


@pytest.mark.slow
def test_a_kill_before_every_write_of_an_append(append, faults, whole, tmp_path, record_property):
    place, kills = append.place, Counter()
    for call, number, hits in spots(faults.WRITES, whole(9, 1)):
        child, gate = append(1)
        with faults.injected([child.pid], call, "signal=KILL", str(number), tmp_path / "trace"):
            gate.rmdir()
            code = child.wait()
        assert code in (0, -9)
        if code == -9:
            hits.append(number)
            kills[call.removeprefix("?")] += 1
        place.require_whole(steps_only=append.steps_only)
    place.memory.require_only()
    assert kills["writev"] == 1
    assert kills["pwrite64" if append.is_sqlite else "sendto"] >= 2
    record_property("kills", kills.total())
    record_property("of them", ", ".join(f"{count} {call}" for call, count in kills.items()))


ERRORS = {
    "pwrite64": ("EIO", "ENOSPC"),
    "write": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO",),
    "fsync": ("EIO",),
    "ftruncate": ("EIO",),
    "openat": ("EIO", "ENOSPC", "EMFILE"),
    "?rename": ("EIO",),
    "?link": ("EIO",),
    "?unlink": ("EIO",),
    # The answer of PostgreSQL that does not arrive any more, be it the one to COMMIT.
    "recvfrom": ("ECONNRESET",),
}


@pytest.mark.slow
def test_an_error_at_every_write_of_an_append(append, faults, whole, wait_until, tmp_path, record_property):
    """One append meets with the error; the next one of the same process has its receipt, whatever became of the first."""
    place, errors, refused = append.place, Counter(), 0
    for call, number, hits in spots(ERRORS, whole(12, 1)):
        for error in ERRORS[call]:
            trace = tmp_path / "trace"
            child, gate, after = append(2)
            with faults.injected([child.pid], call, f"error={error}", str(number), trace):
                gate.rmdir()
                wait_until(after.exists)
            after.rmdir()
            assert child.wait() == 0
            if "(INJECTED)" in trace.read_text():
                hits.append(error)
                errors[f"{call.removeprefix('?')} {error}"] += 1
            before, last = len(place.memory.refusals), place.memory.path.read_text().splitlines()[-1]
            assert '"error"' not in last, f"{call} {number} {error}: {last}"
            place.require_whole(steps_only=append.steps_only)
            refused += len(place.memory.refusals) - before
            place.memory.require_only("LedgerUnavailableError")
    assert errors["pwrite64 EIO" if append.is_sqlite else "recvfrom ECONNRESET"] >= 2
    assert refused >= 3
    record_property("errors", errors.total())
    record_property("of them", ", ".join(f"{count} {call}" for call, count in errors.items()))
    record_property("appends refused by the library's own error", refused)
