"""Kill -9 at random moments of an append: every receipt that was given out holds afterwards, and the log goes on.

A kill alone proves nothing about the disk (the system keeps what was written); that is what `test_power` is for.
"""

import time

import pytest

AFRESH = 25
"""After so many rounds a new log is begun, so that checking all of it each time stays cheap."""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["group", "record"])
def test_kills_at_random_moments_on_sqlite(how, nursery, make_place, chance, whole, wait_until, record_property):
    """Group commit on a log of its own, or steps with rows of their own; each process opens what the last one left."""
    rounds, receipts = whole(8, 220), 0
    for number in range(rounds):
        if number % AFRESH == 0:
            place = make_place("sqlite")
        child = nursery.start(**place.order(how=how, threads=4))
        before = len(place.memory.receipts)
        wait_until(lambda place=place: place.memory.listen())
        time.sleep(chance.uniform(0.0, 0.05))
        child.kill()
        place.require_whole(steps_only=how == "record")
        place.memory.require_only()
        receipts += len(place.memory.receipts) - before
    record_property("kills", rounds)
    record_property("receipts, none lost", receipts)


@pytest.mark.slow
@pytest.mark.postgresql
def test_kills_at_random_moments_on_postgresql(
    nursery, make_place, empty_database, chance, whole, wait_until, record_property
):
    """Three processes append and sequence for each other; one after the other is killed while the others go on."""
    rounds, receipts = whole(8, 220), 0
    place, alive = None, []
    for number in range(rounds):
        if number % AFRESH == 0:
            receipts += 0 if place is None else finish(place, alive)
            place = make_place(empty_database())
            order = place.order(how="record", sequences=True, threads=2, pause=0.002)
            alive = [nursery.start(**order) for _ in range(3)]
        wait_until(place.memory.listen)
        time.sleep(chance.uniform(0.0, 0.1))
        alive.pop(chance.randrange(3)).kill()
        alive.append(nursery.start(**order))
        # Whoever is alive gets receipts again, whether or not the one that sequenced was killed.
        place.memory.listen()
        wait_until(place.memory.listen)
        if number % 5 == 4:
            check_while_running(place)
    receipts += finish(place, alive)
    record_property("kills", rounds)
    record_property("receipts, none lost", receipts)


def check_while_running(place):
    """Every receipt there is holds at this moment too, in the eyes of a process that just came."""
    known = list(place.memory.receipts)
    with place.reopened() as log:
        assert place.tools.witness.lost(log, known) == []


def finish(place, alive):
    for child in alive:
        child.kill()
    alive.clear()
    place.require_whole()
    place.memory.require_only()
    return len(place.memory.receipts)


def test_a_log_that_acknowledges_too_early_is_found_out(
    nursery, make_place, chance, wait_until, whole, record_property
):
    """The control: one that says so before the commit loses what it said, and the same checks see it."""
    lost = 0
    for _ in range(whole(2, 10)):
        place = make_place("sqlite")
        child = nursery.start(**place.order(how="hasty", threads=4))
        wait_until(place.memory.listen)
        time.sleep(chance.uniform(0.0, 0.05))
        child.kill()
        place.memory.listen()
        with place.reopened() as log:
            known = {entry.statement_id for entry in log.entries(0, log.size())}
        lost += len({receipt.statement_id for receipt in place.memory.receipts} - known)
    assert lost > 0
    record_property("statements lost, as they must be", lost)
