"""Check characters agree with plain restatements of the standards and with published examples."""

import datetime as dt

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from contracts.desensitization import checksums

CODE = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def resident_check(body: str) -> str:
    # ISO 7064 MOD 11-2, as GB 11643 prescribes it: double and add, from the left.
    product = 0
    for digit in body:
        product = (product + int(digit)) * 2 % 11
    return "10X98765432"[product % 11]


def credit_check(body: str) -> str:
    # MOD 31-3: the weight of place i is 3 ** i modulo 31.
    total = sum(CODE.index(character) * pow(3, place, 31) for place, character in enumerate(body))
    return CODE[-total % 31]


def flags(check: object, values: list[str], *more: int) -> list[bool]:
    return list(map(bool, check(pa.array(values, pa.string()), *more)))  # type: ignore[operator]


@given(st.dates(dt.date(1800, 1, 1), dt.date(2099, 12, 31)), st.integers(100000, 999999), st.integers(0, 999))
def test_resident_ids_hold_with_their_own_check_character_alone(day: dt.date, area: int, turn: int) -> None:
    body = f"{area}{day:%Y%m%d}{turn:03d}".rjust(17, "0")
    right = resident_check(body)
    values = [body + character for character in "0123456789X"]
    assert flags(checksums.resident_id, values) == [value[-1] == right for value in values]
    assert flags(checksums.resident_id, [body + right.lower()]) == [True]


def test_resident_ids_need_a_day_of_the_calendar() -> None:
    for date, holds in (("20230229", False), ("20240229", True), ("19000229", False), ("20000431", False)):
        body = f"110101{date}001"
        assert flags(checksums.resident_id, [body + resident_check(body)]) == [holds]
    assert flags(checksums.resident_id, ["360426199101010071", "360426199101010072"]) == [True, False]


@given(st.text(CODE, min_size=17, max_size=17))
def test_credit_codes_hold_with_their_own_check_character_alone(body: str) -> None:
    values = [body + character for character in CODE]
    assert flags(checksums.uscc, values) == [value[-1] == credit_check(body) for value in values]


def test_a_known_credit_code_holds_and_letters_outside_the_alphabet_do_not() -> None:
    assert flags(checksums.uscc, ["91110000600037341L", "91110000600037341M"]) == [True, False]
    assert flags(checksums.uscc, ["9111000060003734IO"]) == [False]


def test_known_organisation_codes_hold_and_their_neighbours_do_not() -> None:
    values = ["D2143569X", "D21435690", "000000000", "10001000X"]
    assert flags(checksums.organisation, values)[:2] == [True, False]
    for body in ("D2143569", "ABCDEFGH", "12345678"):
        assert sum(flags(checksums.organisation, [body + last for last in "0123456789X"])) == 1


def test_a_province_is_told_from_the_first_two_digits() -> None:
    assert flags(checksums.province, ["110101199003070010", "990101199003070010"]) == [True, False]


def test_known_card_numbers_pass_luhn_and_their_neighbours_do_not() -> None:
    assert flags(checksums.luhn, ["4111111111111111", "4111111111111112"], 16) == [True, False]
    assert flags(checksums.luhn, ["79927398713", "79927398710"], 11) == [True, False]


@given(st.integers(0, 10**18))
def test_luhn_accepts_exactly_one_last_digit(body: int) -> None:
    values = [f"{body:018d}{last}"[-19:] for last in range(10)]
    assert sum(flags(checksums.luhn, values, 19)) == 1


def test_known_vehicle_numbers() -> None:
    known = ["1M8GDM9AXKP042788", "11111111111111111", "5GZCZ43D13S812715", "1M8GDM9A1KP042788"]
    assert flags(checksums.vin, known) == [True, True, True, False]


def test_a_slice_of_a_column_is_read_from_its_own_start() -> None:
    values = pa.array(["4111111111111112", "4111111111111111", "4111111111111112"])
    assert list(checksums.luhn(values[1:], 16)) == [True, False]
    assert list(checksums.luhn(values[:0], 16)) == []
