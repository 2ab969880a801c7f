"""All models of all steps in one metadata, for migrations and their tests. The ledger brings its own tables."""

from exchange.appraisal import models as _appraisal  # noqa: F401
from exchange.audit import models as _audit  # noqa: F401
from exchange.audit.anchoring import models as _anchoring  # noqa: F401
from exchange.audit.attestations import models as _attestations  # noqa: F401
from exchange.catalog import models as _catalog  # noqa: F401
from exchange.database import Base
from exchange.jobs import Job as _Job  # noqa: F401
from exchange.negotiation import models as _negotiation  # noqa: F401
from exchange.participants import models as _participants  # noqa: F401
from exchange.settlement import models as _settlement  # noqa: F401
from exchange.transfer import models as _transfer  # noqa: F401

metadata = Base.metadata
