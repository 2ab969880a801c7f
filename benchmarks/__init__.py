"""Figures of the exchange, each beside a peer's or a limit that is measured in the same run."""
