"""All models of all steps and the ledger's tables in one metadata, for migrations and their tests."""

from ledger.storage.sql import metadata as _ledger

from exchange.appraisal import models as _appraisal  # noqa: F401
from exchange.audit import models as _audit  # noqa: F401
from exchange.catalog import models as _catalog  # noqa: F401
from exchange.database import Base
from exchange.jobs import Job as _Job  # noqa: F401
from exchange.negotiation import models as _negotiation  # noqa: F401
from exchange.participants import models as _participants  # noqa: F401
from exchange.settlement import models as _settlement  # noqa: F401
from exchange.transfer import models as _transfer  # noqa: F401

for _table in _ledger.tables.values():
    if _table.name not in Base.metadata.tables:
        _table.to_metadata(Base.metadata)

metadata = Base.metadata
