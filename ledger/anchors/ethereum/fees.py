"""What a transaction offers for its gas, within the operator's cap."""

from ledger.anchors.ethereum.account import Fees
from ledger.anchors.ethereum.node import Market
from ledger.errors import AnchorError

GWEI = 10**9
_BUMP = (11, 10)  # geth replaces a waiting transaction only for 10 % more, in both figures.


def offer(market: Market, cap: int) -> Fees:
    """Return what to offer: room for the base fee to double, within the cap.

    Raises AnchorError (`fee-cap`) when the next block would cost more than the cap.
    """
    if market.base_fee is None:
        _require(market.tip, cap)
        return Fees(market.tip, None)
    needed = market.base_fee + market.tip
    _require(needed, cap)
    return Fees(min(2 * market.base_fee + market.tip, cap), market.tip)


def replacement(old: Fees, market: Market, cap: int) -> Fees:
    """Return what takes the place of a waiting transaction: at least a tenth more than `old`, and what the market asks.

    Raises AnchorError (`fee-cap`) when that is beyond the cap; the waiting transaction then keeps waiting.
    """
    most = _bumped(old.most)
    if old.tip is None or market.base_fee is None:
        most = max(most, market.tip)
        _require(most, cap)
        return Fees(most, None)
    tip = max(_bumped(old.tip), market.tip)
    needed = max(most, market.base_fee + tip)
    _require(needed, cap)
    return Fees(max(needed, min(2 * market.base_fee + tip, cap)), tip)


def _bumped(fee: int) -> int:
    return max(-(-fee * _BUMP[0] // _BUMP[1]), fee + 1)


def _require(needed: int, cap: int) -> None:
    if needed > cap:
        sentence = f"the network asks {gwei(needed)} gwei for gas, and the cap is {gwei(cap)} gwei"
        raise AnchorError("fee-cap", sentence, needed=gwei(needed), cap=gwei(cap))


def gwei(wei: int) -> str:
    """Return wei as gwei, as people write it."""
    return f"{wei / GWEI:.9f}".rstrip("0").rstrip(".")
