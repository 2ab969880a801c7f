"""A witness (c2sp.org/tlog-witness): it remembers the largest tree that it saw of each log and cosigns what extends it.

An auditor or a counterparty runs one with `python -m ledger witness`, on a machine of its own. A log that
shows different people different histories cannot get both cosigned; the attempt is kept, and where it can
be proven, the proof is a file that anyone verifies offline.

`core` decides, `state` keeps what was decided, `folder` holds its files, `server` speaks HTTP, `client` is
the log's side.
"""
