"""Anchoring the log on Ethereum: an attachment to checkpoints that no step of the exchange waits for."""
