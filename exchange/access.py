"""Who acts and what they may do: roles, permissions and the actor. Deny by default.

A permission reads `scope:resource:action`; scope is `public` (everybody), `account` (any signed-in person), `firm` (a participant's own
things) or `exchange` (across participants). Roles are those of DESIGN: five of a firm, three of the exchange.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from exchange.errors import PermissionDeniedError


class Permission(StrEnum):
    """Every permission there is; a route or an operation names exactly one."""

    PUBLIC = "public:site:read"
    ACCOUNT = "account:self:use"
    CATALOG_READ = "firm:catalog:read"
    PARTICIPANT_READ = "firm:participant:read"
    PARTICIPANT_MANAGE = "firm:participant:manage"
    TOKEN_MANAGE = "firm:token:manage"
    SIGN = "firm:signature:give"
    DATASET_READ = "firm:dataset:read"
    DATASET_WRITE = "firm:dataset:write"
    OFFER_WRITE = "firm:offer:write"
    APPRAISAL_WRITE = "firm:appraisal:write"
    NEGOTIATION_READ = "firm:negotiation:read"
    NEGOTIATION_REQUEST = "firm:negotiation:request"
    NEGOTIATION_ANSWER = "firm:negotiation:answer"
    SETTLEMENT_READ = "firm:settlement:read"
    SETTLEMENT_PAY = "firm:settlement:pay"
    TRANSFER_READ = "firm:transfer:read"
    TRANSFER_REQUEST = "firm:transfer:request"
    TRANSFER_CONTROL = "firm:transfer:control"
    EVIDENCE_READ = "firm:evidence:read"
    ERASE_OWN = "firm:opening:erase"
    AUDIT_READ = "exchange:ledger:read"
    VERIFY_PARTICIPANT = "exchange:participant:verify"
    SUSPEND_PARTICIPANT = "exchange:participant:suspend"
    RECOVER_OWNER = "exchange:account:recover"
    FREEZE_DATASET = "exchange:dataset:freeze"
    TOP_UP = "exchange:settlement:book"
    ERASE = "exchange:opening:erase"
    SUPERVISE = "exchange:market:supervise"


class Role(StrEnum):
    """Roles of a firm's people, then the exchange's own."""

    OWNER = "owner"
    PUBLISHER = "publisher"
    BUYER = "buyer"
    FINANCE = "finance"
    COMPLIANCE = "compliance"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"


EXCHANGE_ROLES = frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.AUDITOR})
FIRM_ROLES = frozenset(Role) - EXCHANGE_ROLES

_P = Permission
_EVERYBODY = {_P.PUBLIC}
_SIGNED_IN = _EVERYBODY | {_P.ACCOUNT, _P.CATALOG_READ}
_FIRM = _SIGNED_IN | {
    _P.PARTICIPANT_READ, _P.DATASET_READ, _P.NEGOTIATION_READ, _P.SETTLEMENT_READ, _P.TRANSFER_READ, _P.EVIDENCE_READ, _P.TOKEN_MANAGE,
}  # fmt: skip
_PUBLISHER = _FIRM | {
    _P.DATASET_WRITE, _P.OFFER_WRITE, _P.APPRAISAL_WRITE, _P.NEGOTIATION_ANSWER, _P.TRANSFER_CONTROL, _P.SIGN,
}  # fmt: skip
_BUYER = _FIRM | {_P.NEGOTIATION_REQUEST, _P.TRANSFER_REQUEST, _P.SETTLEMENT_PAY, _P.SIGN}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(_PUBLISHER | _BUYER | {_P.PARTICIPANT_MANAGE, _P.ERASE_OWN}),
    Role.PUBLISHER: frozenset(_PUBLISHER),
    Role.BUYER: frozenset(_BUYER),
    Role.FINANCE: frozenset(_FIRM | {_P.SETTLEMENT_PAY}),
    Role.COMPLIANCE: frozenset(_FIRM | {_P.ERASE_OWN}),
    Role.OPERATOR: frozenset(
        _SIGNED_IN
        | {
            _P.VERIFY_PARTICIPANT,
            _P.SUSPEND_PARTICIPANT,
            _P.RECOVER_OWNER,
            _P.FREEZE_DATASET,
            _P.TOP_UP,
            _P.ERASE,
            _P.TOKEN_MANAGE,
        }
    ),
    Role.SUPERVISOR: frozenset(_SIGNED_IN | {_P.AUDIT_READ, _P.SUPERVISE, _P.TOKEN_MANAGE}),
    Role.AUDITOR: frozenset(_SIGNED_IN | {_P.AUDIT_READ, _P.TOKEN_MANAGE}),
}

# What a firm that is not verified (yet, or at present) may do: look around and manage its own account, nothing that others would see.
PENDING_PERMISSIONS = frozenset(
    _SIGNED_IN | {_P.PARTICIPANT_READ, _P.PARTICIPANT_MANAGE, _P.TOKEN_MANAGE, _P.SIGN, _P.ERASE_OWN}
)


@dataclass(frozen=True)
class Actor:
    """A person or token at the door, as the entry point authenticated it; services trust it and nothing else.

    `participant` is the firm acted for (None for the exchange's own people and for strangers), `status` its state
    (pending, verified, suspended, rejected). `scopes` narrows an API token (None: all that the roles allow), and so do its caveats:
    `actions`, the last words of the permissions that it may use, `agreements` and `datasets` that it may touch (None: any).
    """

    user: str | None = None
    name: str = ""
    participant: str | None = None
    participant_name: str = ""
    status: str = ""
    roles: frozenset[Role] = frozenset()
    scopes: frozenset[Permission] | None = None
    actions: frozenset[str] | None = None
    agreements: frozenset[str] | None = None
    datasets: frozenset[str] | None = None
    session: str | None = None
    token: str | None = None
    locale: str = "en"
    permissions: frozenset[Permission] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        granted: frozenset[Permission] = frozenset(_EVERYBODY)
        for role in self.roles:
            granted |= ROLE_PERMISSIONS[role]
        if self.participant is not None and self.status != "verified":
            granted &= PENDING_PERMISSIONS
        if self.scopes is not None:
            granted = (granted & self.scopes) | _EVERYBODY
        if self.actions is not None:
            granted = frozenset(each for each in granted if each.rsplit(":", 1)[1] in self.actions) | _EVERYBODY
        object.__setattr__(self, "permissions", frozenset(granted))

    @property
    def is_authenticated(self) -> bool:
        return self.user is not None

    @property
    def organisation(self) -> str:
        """Return the firm's name for the page, empty for the exchange's own people."""
        return self.participant_name

    @property
    def is_exchange(self) -> bool:
        """Say whether this person holds a role of the exchange and so sees across participants."""
        return bool(self.roles & EXCHANGE_ROLES)

    def may(self, permission: Permission | str) -> bool:
        return permission in self.permissions


STRANGER = Actor()
# The program itself: timers, jobs and start-up, acting by a rule that somebody signed.
SYSTEM = Actor(user="system", name="exchange", roles=frozenset())

_STANDING = {
    "suspended": (
        ("Your organisation is suspended.", "贵机构已被暂停。"),
        ("Its page names the reason; settle it with the operator.", "机构页面上列有原因；请与运营方解决后恢复。"),
    ),
    "rejected": (
        ("Your organisation's registration was rejected.", "贵机构的注册申请未通过。"),
        (
            "Its page names the reason; declare your evidence anew.",
            "机构页面上列有原因；请补充证明材料后重新提交。",
        ),
    ),
}


def not_verified(status: str) -> PermissionDeniedError:
    """Return the error that tells the people of a firm that is not verified what it may not do, and why."""
    if status in _STANDING:
        return PermissionDeniedError(*_STANDING[status], code=f"participant-{status}")
    return PermissionDeniedError(
        (
            f"Your organisation is {status}: it may not do this until an operator has verified its evidence.",
            "贵机构尚未通过核验，核验完成前不能执行此操作。",
        ),
        ("Wait for the verification, or ask the operator.", "请等待核验，或联系运营方。"),
        code="participant-not-verified",
    )
