"""What an agreement obliges on the way out, as data: read it, hash it, describe it, derive it."""

from contracts.desensitization.derive import derive
from contracts.desensitization.model import ColumnRule, Plan, RowFilter

__all__ = ["ColumnRule", "Plan", "RowFilter", "derive"]
