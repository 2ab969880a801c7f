"""A transparency ledger: signed statements in a hash chain and a Merkle tree, provable offline.

The package is a library of its own and imports nothing of the exchange. Hashing follows RFC 9162,
bytes follow RFC 8785, checkpoints and proofs are C2SP signed notes and tlog-proofs.
"""
