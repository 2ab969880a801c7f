"""Anchoring on Ethereum: the newest checkpoint's root and size, on a chain that nobody here controls.

`proof` checks an anchor offline and needs this package alone; `node`, `account` and `anchorer` write one and need the
extra `ethereum` (web3).
"""
