"""The account that anchors: keystore files and what they refuse; and what it offers for gas."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest
from eth_account import Account as EthAccount
from hypothesis import given
from hypothesis import strategies as st

from ledger.anchors.ethereum import fees
from ledger.anchors.ethereum.account import Account, Fees, create_keystore, keystore_address, read_password
from ledger.anchors.ethereum.chain import Link, checksum_address
from ledger.anchors.ethereum.node import Market, ether
from ledger.errors import AnchorError

GWEI = 10**9
CHEAP = 4096


def test_a_keystore_opens_with_its_password_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "anchor.json"
    address = create_keystore(path, "correct horse", iterations=CHEAP)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Account.open(path, "correct horse").address == address
    assert keystore_address(path) == address
    with pytest.raises(AnchorError, match="does not open with this password"):
        Account.open(path, "wrong horse")


def test_a_keystore_of_other_tools_opens(tmp_path: Path) -> None:
    path, key = tmp_path / "other.json", secrets.token_bytes(32)
    path.touch(0o600)
    path.write_text(json.dumps(EthAccount.encrypt(key, "correct horse", kdf="pbkdf2", iterations=1000)))
    opened = Account.open(path, "correct horse")
    assert checksum_address(opened.address) == EthAccount.from_key(key).address


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "anchor.json"
    create_keystore(path, "correct horse", iterations=CHEAP)
    before = path.read_bytes()
    with pytest.raises(AnchorError, match="exists already"):
        create_keystore(path, "correct horse", iterations=CHEAP)
    assert path.read_bytes() == before
    with pytest.raises(AnchorError, match="cannot be written"):
        create_keystore(tmp_path / "nowhere" / "anchor.json", "correct horse", iterations=CHEAP)


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"version": 3}', '{"address": 7}'])
def test_a_damaged_keystore_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "anchor.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(AnchorError) as raised:
        Account.open(path, "correct horse")
    assert raised.value.code == "keystore"
    assert keystore_address(path) is None


def test_files_that_others_can_read_are_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "anchor.json"
    create_keystore(path, "correct horse", iterations=CHEAP)
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    for file, opening in (
        (path, lambda: Account.open(path, "correct horse")),
        (password, lambda: read_password(password)),
    ):
        file.chmod(0o640)
        with pytest.raises(AnchorError, match=f"chmod 600 {file}"):
            opening()
        file.chmod(0o600)
        opening()
    assert read_password(password) == "correct horse"
    with pytest.raises(AnchorError, match="cannot be read"):
        read_password(tmp_path / "nowhere")


def test_a_transaction_carries_what_was_asked_and_the_accounts_signature() -> None:
    account, link = Account(secrets.token_bytes(32)), Link(7, bytes(range(32)))
    contract = secrets.token_bytes(20)
    for offered in (Fees(30 * GWEI, 2 * GWEI), Fees(5 * GWEI, None)):
        signed = account.sign_anchor(5, contract, link, 9, 60_000, offered)
        assert EthAccount.recover_transaction(signed.raw) == checksum_address(account.address)
        assert (signed.raw[0] == 2) == (offered.tip is not None)
        again = account.sign_anchor(5, contract, link, 9, 60_000, offered)
        assert again == signed


wei = st.integers(0, 500 * GWEI)


@given(base=wei, tip=wei, cap=st.integers(1, 500 * GWEI))
def test_an_offer_pays_for_the_next_block_and_never_beyond_the_cap(base: int, tip: int, cap: int) -> None:
    if base + tip > cap:
        with pytest.raises(AnchorError, match="the cap is"):
            fees.offer(Market(base, tip), cap)
        return
    made = fees.offer(Market(base, tip), cap)
    assert base + tip <= made.most <= cap
    assert made.tip == tip
    assert made.most == min(2 * base + tip, cap)


@given(most=st.integers(1, 500 * GWEI), part=st.floats(0, 1), base=wei, tip=wei, cap=st.integers(1, 900 * GWEI))
def test_a_replacement_offers_a_tenth_more_in_both_figures(
    most: int, part: float, base: int, tip: int, cap: int
) -> None:
    old = Fees(most, int(most * part))
    assert old.tip is not None
    least = -(-most * 11 // 10)
    if max(least, most + 1) > cap:
        with pytest.raises(AnchorError, match="the cap is"):
            fees.replacement(old, Market(base, tip), cap)
        return
    try:
        made = fees.replacement(old, Market(base, tip), cap)
    except AnchorError:
        needed = max(tip, -(-old.tip * 11 // 10), old.tip + 1)
        assert base + needed > cap
        return
    assert made.tip is not None
    assert made.most <= cap
    assert made.tip <= made.most
    assert 10 * made.most >= 11 * old.most
    assert 10 * made.tip >= 11 * old.tip
    assert made.most > old.most
    assert made.most >= base + made.tip


@given(most=st.integers(1, 500 * GWEI), price=wei)
def test_a_replacement_without_eip_1559_offers_a_tenth_more(most: int, price: int) -> None:
    made = fees.replacement(Fees(most, None), Market(None, price), 10**30)
    assert made.tip is None
    assert 10 * made.most >= 11 * most
    assert made.most >= price


def test_figures_are_written_as_people_write_them() -> None:
    assert [fees.gwei(wei) for wei in (1, GWEI, 25 * GWEI // 2, 0)] == ["0.000000001", "1", "12.5", "0"]
    assert [ether(wei) for wei in (1, 10**18, 3 * 10**17, 0)] == ["0.000000000000000001", "1", "0.3", "0"]
