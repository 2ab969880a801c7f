"""What a check remembers stays small in memory, and nothing of it is lost."""

import gc
import json
import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.deal import Deal, Transfer
from ledger.errors import LedgerError
from ledger.spill import Spill


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-5, 5) | st.none()), max_size=200), st.integers(1, 10))
def test_it_holds_what_a_dictionary_holds(steps, limit):
    spill, expected = Spill(json.dumps, json.loads, limit), {}
    for number, value in steps:
        key = bytes([number])
        assert spill.get(key) == expected.get(key)
        if value == 0:
            assert spill.swap(key, [value]) == expected.get(key)
            expected[key] = [value]
        elif value is not None:
            spill[key] = [value]
            expected[key] = [value]
        elif key in expected:
            # A value is changed in place, as checks do.
            spill.get(key).append(number)
            expected[key].append(number)
        assert len(spill._near) <= limit
    assert sorted(spill.values()) == sorted(expected.values())
    assert all(spill.get(key) == value for key, value in expected.items())


def test_the_temporary_file_is_made_when_needed_and_has_no_name_that_could_outlive_the_check(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def opened():
        links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return [link for link in links if "spilled.db" in link]

    spill = Spill(str, int, 10)
    for number in range(10):
        spill[number.to_bytes(2, "big")] = number
    assert opened() == []
    for number in range(10, 2000):
        spill[number.to_bytes(2, "big")] = number
    (path,) = opened()
    assert path.startswith(str(tmp_path))
    assert path.endswith("(deleted)")
    assert list(tmp_path.iterdir()) == []
    assert sorted(spill.values()) == list(range(2000))
    del spill
    gc.collect()
    assert opened() == []


def test_where_there_is_no_room_the_error_says_so(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(Path("/proc/nowhere")))
    spill = Spill(str, int, 1)
    spill[b"a"] = 1
    with pytest.raises(LedgerError, match="temporary folder"):
        spill[b"b"] = 2


def test_the_largest_counter_that_an_entry_can_hold_comes_back_from_the_file():
    spill = Spill(str, int, 1)
    for key in (b"a", b"b", b"c"):
        spill[key] = 10**19 - 1
    assert spill.get(b"a") == 10**19 - 1


def test_what_can_no_longer_be_read_is_an_error_of_the_ledger():
    spill = Spill(str, int, 1)
    for number in range(4):
        spill[bytes([number])] = number
    spill._far.execute("DROP TABLE spilled")
    with pytest.raises(LedgerError, match="temporary folder"):
        spill.get(b"\x00")
    with pytest.raises(LedgerError, match="temporary folder"):
        list(spill.values())


def test_all_that_was_heard_of_an_agreement_comes_back():
    rng = random.Random(1)
    deal = Deal(is_judged=True)
    for slot in set(Deal.__slots__) - {"transfers"}:
        setattr(deal, slot, rng.choice([None, True, 7, "x"]))
    for name in "ab":
        transfer = deal.transfers[name] = Transfer()
        transfer.permitted, transfer.digests, transfer.acknowledged = True, ("c", "d"), 9
    deal.transfers["c"] = Transfer()
    again = Deal.unpack(deal.pack())
    for slot in set(Deal.__slots__) - {"transfers"}:
        assert getattr(again, slot) == getattr(deal, slot)
    assert again.transfers.keys() == deal.transfers.keys()
    for name, transfer in deal.transfers.items():
        for slot in Transfer.__slots__:
            assert getattr(again.transfers[name], slot) == getattr(transfer, slot)
