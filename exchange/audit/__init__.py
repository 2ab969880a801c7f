"""Record: every step becomes a ledger entry."""
