"""The exchange's fee on a released escrow. The schedule in force charges nothing; its account exists all the same."""

from __future__ import annotations

# Hundredths of a percent of the amount, rounded down to the fen.
BASIS_POINTS = 0


def fee_fen(amount_fen: int) -> int:
    """Return the exchange's fee on an amount of fen, between zero and the amount."""
    return amount_fen * BASIS_POINTS // 10_000
