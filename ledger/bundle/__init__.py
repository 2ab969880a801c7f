"""Evidence bundles: one zip file that proves statements offline.

`write_bundle` makes one from a log; `verify_bundle` judges one and needs neither the log nor the
exchange.
"""

from ledger.bundle.attested import Attestations, Attested, Trust
from ledger.bundle.check import read_checkpoint, verify_bundle
from ledger.bundle.report import BundleReport, Check, EntrySummary
from ledger.bundle.write import write_bundle

__all__ = [
    "Attestations",
    "Attested",
    "BundleReport",
    "Check",
    "EntrySummary",
    "Trust",
    "read_checkpoint",
    "verify_bundle",
    "write_bundle",
]
