"""Usage contracts: policies that are decided, agreements that are signed, data that is desensitized.

A pure library. It reads no clock, opens no connection and keeps no global state: the time, the counters and
the keys are passed in. Of this project it imports only `ledger.canonical` (RFC 8785) and `ledger.signatures`
(Ed25519), so there is one encoder and one verifier. The modules are imported by name:

    contracts.odrl             policies in ODRL 2.2: read, decide, describe, templates
    contracts.negotiation      the contract negotiation of the Dataspace Protocol 2025-1
    contracts.transfer         the transfer process of the Dataspace Protocol 2025-1
    contracts.agreement        canonical bytes of an agreement and the signatures of both parties
    contracts.desensitization  finding sensitive columns, and the plan that removes what was not agreed
    contracts.fingerprint      a buyer's mark in the data
    contracts.sealing          encrypted packages for one buyer
    contracts.errors           every exception of this package
"""
