"""PostgreSQL's own processes killed, all at once or one before a numbered write, or told of errors of the disk.

The processes that append are not restarted: they are told what is wrong, and go on once the server is there again.
"""

import time
from collections import Counter
from contextlib import suppress

import psycopg
import pytest

CALLS = ("pwrite64", "pwritev", "write", "fdatasync", "fsync", "ftruncate", "?rename", "?renameat", "?unlink")
ERRORS = {"pwrite64": ("EIO", "ENOSPC"), "pwritev": ("EIO", "ENOSPC"), "fdatasync": ("EIO",), "fsync": ("EIO",)}

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]


@pytest.fixture
def cluster(make_cluster):
    made = make_cluster()
    made.start()
    return made


def test_kills_of_the_whole_server(cluster, nursery, make_place, chance, whole, wait_until, record_property):
    place, rounds = make_place(cluster.url), whole(3, 60)
    writers = [nursery.start(**place.order(how="record", sequences=True, threads=2, pause=0.002)) for _ in range(2)]
    for _ in range(rounds):
        wait_until(place.memory.listen)
        time.sleep(chance.uniform(0.0, 0.2))
        cluster.kill()
        place.memory.listen()
        cluster.start()
        wait_until(place.memory.listen)
    for writer in writers:
        writer.kill()
    place.require_whole()
    place.memory.require_only("LedgerUnavailableError")
    record_property("kills", rounds)
    record_property("receipts, none lost", len(place.memory.receipts))


@pytest.fixture
def append(cluster, faults, make_place, nursery, wait_until, tmp_path):
    """Return a function by which one append, and a checkpoint of the server, meet with a fault in the server's processes.

    It returns whether anything met with it. The next append of the same process has its receipt.
    """
    faults.require_strace()
    place = make_place(cluster.url)

    def run(call, fault, number, round_):
        gate, after = place.folder / f"gate-{round_}", place.folder / f"after-{round_}"
        trace = tmp_path / "trace"
        child = nursery.start(**place.order(how="record", count=0, gates=[str(gate), str(after)], timeout=30))
        wait_until(gate.exists)
        with faults.injected(cluster.pids, call, fault, str(number), trace):
            gate.rmdir()
            with suppress(psycopg.Error):
                cluster.run("CHECKPOINT")
            wait_until(after.exists)
        if cluster.process.poll() is not None:
            cluster.start()
        cluster.wait()
        after.rmdir()
        assert child.wait() == 0
        last = place.memory.path.read_text().splitlines()[-1]
        assert '"error"' not in last, f"{call} {number} {fault}: {last}"
        place.require_whole()
        return "(INJECTED)" in (told := trace.read_text()) or "killed by SIGKILL" in told

    run.place = place
    return run


def test_a_kill_before_every_write_of_the_server(append, whole, record_property):
    kills, rounds = Counter(), 0
    for call in whole(("pwrite64", "fdatasync"), CALLS):
        for number in range(1, whole(2, 1000)):
            rounds += 1
            if not append(call, "signal=KILL", number, rounds):
                break
            kills[call.removeprefix("?")] += 1
    append.place.memory.require_only("LedgerUnavailableError")
    assert kills["pwrite64"] >= 1
    assert kills["fdatasync"] >= 1
    record_property("kills", kills.total())
    record_property("of them", ", ".join(f"{count} {call}" for call, count in kills.items()))


def test_an_error_at_the_writes_of_the_server(append, whole, record_property):
    errors, rounds = Counter(), 0
    for call in whole(("fdatasync",), tuple(ERRORS)):
        for error in ERRORS[call]:
            for number in range(1, whole(2, 1000), 3):
                rounds += 1
                if not append(call, f"error={error}", number, rounds):
                    break
                errors[f"{call} {error}"] += 1
    append.place.memory.require_only("LedgerUnavailableError")
    assert errors["fdatasync EIO"] >= 1
    record_property("errors", errors.total())
    record_property("of them", ", ".join(f"{count} {call}" for call, count in errors.items()))
    record_property("appends refused by the library's own error", len(append.place.memory.refusals))
