"""the first schema"""

from alembic import op
import sqlalchemy as sa

import exchange.database
from exchange.catalog.search import create_search
from exchange.negotiation import guards as agreement_guards
from exchange.settlement import guards as money_guards
from ledger.storage.sql import metadata as ledger


revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "used_proof",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("lapses_at", exchange.database.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_proof")),
    )
    with op.batch_alter_table("used_proof", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_used_proof_lapses_at"), ["lapses_at"], unique=False)

    op.create_table(
        "account",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("balance_fen", sa.BigInteger(), nullable=False),
        sa.Column("may_be_negative", sa.Boolean(), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('available', 'payable', 'escrow', 'clearing', 'fee')", name=op.f("ck_account_kind_known")
        ),
        sa.CheckConstraint("may_be_negative = (kind = 'clearing')", name=op.f("ck_account_only_clearing_below_zero")),
        sa.CheckConstraint("may_be_negative OR balance_fen >= 0", name=op.f("ck_account_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("owner", "kind", "subject", "currency", name=op.f("uq_account_owner")),
    )
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account_owner"), ["owner"], unique=False)

    op.create_table(
        "agreement_counter",
        sa.Column("agreement", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agreement", name=op.f("pk_agreement_counter")),
    )
    op.create_table(
        "attested_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("made_at", exchange.database.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_attested_checkpoint")),
    )
    op.create_table(
        "ethereum_anchor",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("contract", sa.String(length=42), nullable=False),
        sa.Column("sender", sa.String(length=42), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.JSON(), nullable=False),
        sa.Column("mined", sa.JSON(), nullable=True),
        sa.Column("reorganisations", sa.Integer(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("prepared_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("finalized_at", exchange.database.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ethereum_anchor")),
    )
    with op.batch_alter_table("ethereum_anchor", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ethereum_anchor_size"), ["size"], unique=False)
        batch_op.create_index(batch_op.f("ix_ethereum_anchor_state"), ["state"], unique=False)

    op.create_table(
        "ethereum_look",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("sentence", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ethereum_look")),
    )
    op.create_table(
        "idempotent_answer",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("arguments_digest", sa.String(length=64), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("statements", sa.JSON(), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotent_answer")),
        sa.UniqueConstraint("tenant", "key", name=op.f("uq_idempotent_answer_tenant")),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("participant", sa.String(length=64), nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("message", sa.String(length=300), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("lease_until", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("finished_at", exchange.database.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_participant"), ["participant"], unique=False)
        batch_op.create_index("ix_job_state_lease", ["state", "lease_until"], unique=False)
        batch_op.create_index(batch_op.f("ix_job_subject"), ["subject"], unique=False)

    op.create_table(
        "outsider",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("vouched_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("code", sa.String(length=32), nullable=True),
        sa.Column("sentence", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_outsider")),
    )
    op.create_table(
        "participant",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("credit_code", sa.String(length=18), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("industry", sa.String(length=8), nullable=False),
        sa.Column("verified_facts", sa.JSON(), nullable=False),
        sa.Column("contact", sa.String(length=254), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_reason", sa.String(length=2000), nullable=False),
        sa.Column("status_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("evidence", sa.String(length=2000), nullable=False),
        sa.Column("evidence_digest", sa.String(length=80), nullable=False),
        sa.Column("tenant_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("joined_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("verified_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("declared_at", exchange.database.UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'verified', 'suspended', 'rejected')", name=op.f("ck_participant_status_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participant")),
    )
    with op.batch_alter_table("participant", schema=None) as batch_op:
        batch_op.create_index(
            "uq_participant_credit_code",
            ["credit_code"],
            unique=True,
            sqlite_where=sa.text("status <> 'rejected'"),
            postgresql_where=sa.text("status <> 'rejected'"),
        )

    op.create_table(
        "pending_object",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_pending_object")),
    )
    with op.batch_alter_table("pending_object", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pending_object_subject"), ["subject"], unique=False)

    op.create_table(
        "statement_index",
        sa.Column("statement", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("at", exchange.database.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("statement", "subject", name=op.f("pk_statement_index")),
    )
    with op.batch_alter_table("statement_index", schema=None) as batch_op:
        batch_op.create_index("ix_statement_index_at", ["at", "statement"], unique=False)
        batch_op.create_index("ix_statement_index_kind", ["kind", "at", "statement"], unique=False)
        batch_op.create_index("ix_statement_index_subject", ["subject", "at", "statement"], unique=False)

    op.create_table(
        "checkpoint_cosignature",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("witness", sa.String(length=300), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["size"],
            ["attested_checkpoint.size"],
            name=op.f("fk_checkpoint_cosignature_size_attested_checkpoint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("pk_checkpoint_cosignature")),
    )
    op.create_table(
        "checkpoint_timestamp",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("latest", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("authority", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["size"],
            ["attested_checkpoint.size"],
            name=op.f("fk_checkpoint_timestamp_size_attested_checkpoint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoint_timestamp")),
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("participant_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=8000), nullable=False),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column("domain", sa.String(length=64), nullable=False),
        sa.Column("coverage", sa.String(length=500), nullable=False),
        sa.Column("update_frequency", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=True),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("grading", sa.JSON(), nullable=True),
        sa.Column("rights", sa.JSON(), nullable=True),
        sa.Column("current_version_id", sa.String(length=64), nullable=True),
        sa.Column("frozen_from", sa.String(length=16), nullable=True),
        sa.Column("freeze_reason", sa.String(length=2000), nullable=False),
        sa.Column("freeze_changed_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("updated_at", exchange.database.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_dataset_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
    )
    with op.batch_alter_table("dataset", schema=None) as batch_op:
        batch_op.create_index("ix_dataset_participant_created", ["participant_id", "created_at"], unique=False)

    op.create_table(
        "participant_key",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("participant_id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("custody", sa.String(length=16), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped_private", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("retired_at", exchange.database.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_participant_key_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participant_key")),
    )
    with op.batch_alter_table("participant_key", schema=None) as batch_op:
        batch_op.create_index("ix_participant_key_participant_purpose", ["participant_id", "purpose"], unique=False)

    op.create_table(
        "signature_request",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("participant", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("payloads", sa.JSON(), nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("now", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("lapses_at", exchange.database.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant"], ["participant.id"], name=op.f("fk_signature_request_participant_participant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signature_request")),
    )
    with op.batch_alter_table("signature_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_signature_request_participant"), ["participant"], unique=False)

    op.create_table(
        "user_account",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("participant_id", sa.String(length=64), nullable=True),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("locale", sa.String(length=8), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("ended_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_user_account_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("email", name=op.f("uq_user_account_email")),
    )
    with op.batch_alter_table("user_account", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_user_account_participant_id"), ["participant_id"], unique=False)

    op.create_table(
        "api_token",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("parent_id", sa.String(length=64), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=True),
        sa.Column("caveats", sa.JSON(), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("expires_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("last_used_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("revoked_at", exchange.database.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["api_token.id"], name=op.f("fk_api_token_parent_id_api_token")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_api_token_user_id_user_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_token_digest")),
    )
    with op.batch_alter_table("api_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_token_parent_id"), ["parent_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_token_user_id"), ["user_id"], unique=False)

    op.create_table(
        "dataset_version",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("schema", sa.JSON(), nullable=False),
        sa.Column("arrow_schema", sa.LargeBinary(), nullable=True),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("uploaded_by", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("ready_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("published_at", exchange.database.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_dataset_version_dataset_id_dataset")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_version")),
        sa.UniqueConstraint("dataset_id", "number", name=op.f("uq_dataset_version_dataset_id")),
    )
    with op.batch_alter_table("dataset_version", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dataset_version_dataset_id"), ["dataset_id"], unique=False)

    op.create_table(
        "login_session",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("seen_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("expires_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("user_agent", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_login_session_user_id_user_account")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_login_session")),
    )
    with op.batch_alter_table("login_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_session_user_id"), ["user_id"], unique=False)

    op.create_table(
        "password_reset",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("expires_at", exchange.database.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_password_reset_user_id_user_account")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_password_reset")),
    )
    with op.batch_alter_table("password_reset", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_password_reset_user_id"), ["user_id"], unique=False)

    op.create_table(
        "offer",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column("participant_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("price", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("plan_digest", sa.String(length=80), nullable=False),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("published_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("closed_at", exchange.database.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_offer_dataset_id_dataset")),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_offer_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name=op.f("fk_offer_version_id_dataset_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
    )
    with op.batch_alter_table("offer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_offer_dataset_id"), ["dataset_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_offer_participant_id"), ["participant_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_offer_version_id"), ["version_id"], unique=False)

    op.create_table(
        "quality_assessment",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column("participant_id", sa.String(length=64), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("basis", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_quality_assessment_dataset_id_dataset")),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_quality_assessment_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name=op.f("fk_quality_assessment_version_id_dataset_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quality_assessment")),
        sa.UniqueConstraint("version_id", name=op.f("uq_quality_assessment_version_id")),
    )
    with op.batch_alter_table("quality_assessment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quality_assessment_dataset_id"), ["dataset_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_quality_assessment_participant_id"), ["participant_id"], unique=False)

    op.create_table(
        "valuation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("participant_id", sa.String(length=64), nullable=False),
        sa.Column("approach", sa.String(length=16), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_valuation_dataset_id_dataset")),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_valuation_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name=op.f("fk_valuation_version_id_dataset_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_valuation")),
    )
    with op.batch_alter_table("valuation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_valuation_dataset_id"), ["dataset_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_valuation_participant_id"), ["participant_id"], unique=False)
        batch_op.create_index("ix_valuation_version_created", ["version_id", "created_at"], unique=False)

    op.create_table(
        "version_file",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("object_digest", sa.String(length=64), nullable=False),
        sa.Column("plain_digest", sa.String(length=80), nullable=False),
        sa.Column("plain_size", sa.BigInteger(), nullable=False),
        sa.Column("sealed_size", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name=op.f("fk_version_file_version_id_dataset_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version_file")),
        sa.UniqueConstraint("version_id", "position", name=op.f("uq_version_file_version_id")),
    )
    op.create_table(
        "version_source",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("participant_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("object_digest", sa.String(length=64), nullable=False),
        sa.Column("plain_digest", sa.String(length=80), nullable=False),
        sa.Column("plain_size", sa.BigInteger(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("request_key", sa.String(length=255), nullable=True),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_version_source_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name=op.f("fk_version_source_version_id_dataset_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version_source")),
        sa.UniqueConstraint("version_id", "position", name=op.f("uq_version_source_version_id")),
    )
    with op.batch_alter_table("version_source", schema=None) as batch_op:
        batch_op.create_index("ix_version_source_request", ["participant_id", "request_key"], unique=False)

    op.create_table(
        "negotiation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("offer_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("intended_use", sa.String(length=2000), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("plan_digest", sa.String(length=80), nullable=False),
        sa.Column("price", sa.JSON(), nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("valid_until", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("terms_by", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("updated_at", exchange.database.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('REQUESTED', 'OFFERED', 'ACCEPTED', 'AGREED', 'VERIFIED', 'FINALIZED', 'TERMINATED')",
            name=op.f("ck_negotiation_state_known"),
        ),
        sa.CheckConstraint("terms_by IN ('provider', 'consumer')", name=op.f("ck_negotiation_terms_by_known")),
        sa.CheckConstraint("provider_id <> consumer_id", name=op.f("ck_negotiation_two_parties")),
        sa.ForeignKeyConstraint(
            ["consumer_id"], ["participant.id"], name=op.f("fk_negotiation_consumer_id_participant")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_negotiation_dataset_id_dataset")),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_negotiation_offer_id_offer")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["participant.id"], name=op.f("fk_negotiation_provider_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name=op.f("fk_negotiation_version_id_dataset_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_negotiation")),
    )
    with op.batch_alter_table("negotiation", schema=None) as batch_op:
        batch_op.create_index("ix_negotiation_consumer_updated", ["consumer_id", "updated_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_negotiation_dataset_id"), ["dataset_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_negotiation_offer_id"), ["offer_id"], unique=False)
        batch_op.create_index("ix_negotiation_provider_updated", ["provider_id", "updated_at"], unique=False)

    op.create_table(
        "offer_number",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("offer_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_offer_number_offer_id_offer")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_offer_number")),
        sa.UniqueConstraint("offer_id", name=op.f("uq_offer_number_offer_id")),
    )
    op.create_table(
        "offer_recipient",
        sa.Column("offer_id", sa.String(length=64), nullable=False),
        sa.Column("participant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_offer_recipient_offer_id_offer")),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_offer_recipient_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("offer_id", "participant_id", name=op.f("pk_offer_recipient")),
    )
    with op.batch_alter_table("offer_recipient", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_offer_recipient_participant_id"), ["participant_id"], unique=False)

    op.create_table(
        "agreement",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("ledger_id", sa.String(length=64), nullable=False),
        sa.Column("negotiation_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("provider_signature", sa.JSON(), nullable=False),
        sa.Column("consumer_signature", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("valid_from", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("valid_until", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("in_force_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('agreed', 'verified', 'in_force', 'terminated')", name=op.f("ck_agreement_state_known")
        ),
        sa.CheckConstraint(
            "state NOT IN ('verified', 'in_force') OR consumer_signature IS NOT NULL", name=op.f("ck_agreement_signed")
        ),
        sa.ForeignKeyConstraint(["consumer_id"], ["participant.id"], name=op.f("fk_agreement_consumer_id_participant")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_agreement_dataset_id_dataset")),
        sa.ForeignKeyConstraint(
            ["negotiation_id"], ["negotiation.id"], name=op.f("fk_agreement_negotiation_id_negotiation")
        ),
        sa.ForeignKeyConstraint(["provider_id"], ["participant.id"], name=op.f("fk_agreement_provider_id_participant")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name=op.f("fk_agreement_version_id_dataset_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement")),
        sa.UniqueConstraint("ledger_id", name=op.f("uq_agreement_ledger_id")),
        sa.UniqueConstraint("negotiation_id", name=op.f("uq_agreement_negotiation_id")),
    )
    with op.batch_alter_table("agreement", schema=None) as batch_op:
        batch_op.create_index("ix_agreement_consumer_created", ["consumer_id", "created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_agreement_dataset_id"), ["dataset_id"], unique=False)
        batch_op.create_index("ix_agreement_provider_created", ["provider_id", "created_at"], unique=False)

    op.create_table(
        "negotiation_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("negotiation_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("user_name", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.Column("terms", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("statement", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["negotiation_id"], ["negotiation.id"], name=op.f("fk_negotiation_event_negotiation_id_negotiation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_negotiation_event")),
    )
    with op.batch_alter_table("negotiation_event", schema=None) as batch_op:
        batch_op.create_index("uq_negotiation_event_number", ["negotiation_id", "number"], unique=True)

    op.create_table(
        "escrow",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("agreement_id", sa.String(length=64), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("held_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("release_due_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("settled_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("fault", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint("state IN ('held', 'released', 'refunded')", name=op.f("ck_escrow_state_known")),
        sa.CheckConstraint("amount_fen >= 0", name=op.f("ck_escrow_not_negative")),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_escrow_agreement_id_agreement")),
        sa.ForeignKeyConstraint(["consumer_id"], ["participant.id"], name=op.f("fk_escrow_consumer_id_participant")),
        sa.ForeignKeyConstraint(["provider_id"], ["participant.id"], name=op.f("fk_escrow_provider_id_participant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escrow")),
        sa.UniqueConstraint("agreement_id", name=op.f("uq_escrow_agreement_id")),
    )
    with op.batch_alter_table("escrow", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_escrow_consumer_id"), ["consumer_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_escrow_provider_id"), ["provider_id"], unique=False)
        batch_op.create_index("ix_escrow_state_due", ["state", "release_due_at"], unique=False)

    op.create_table(
        "journal_entry",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("agreement_id", sa.String(length=64), nullable=True),
        sa.Column("reference", sa.String(length=100), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("booked_by", sa.String(length=64), nullable=False),
        sa.Column("statement", sa.String(length=64), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('top_up', 'hold', 'release', 'refund', 'reversal')", name=op.f("ck_journal_entry_kind_known")
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_journal_entry_agreement_id_agreement")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_entry")),
        sa.UniqueConstraint("key", name=op.f("uq_journal_entry_key")),
    )
    with op.batch_alter_table("journal_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_journal_entry_agreement_id"), ["agreement_id"], unique=False)
        batch_op.create_index("ix_journal_entry_created", ["created_at"], unique=False)

    op.create_table(
        "transfer_process",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("agreement_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=64), nullable=False),
        sa.Column("consumer_id", sa.String(length=64), nullable=False),
        sa.Column("requested_by", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("use_number", sa.Integer(), nullable=True),
        sa.Column("artefact", sa.String(length=64), nullable=False),
        sa.Column("plain_digest", sa.String(length=80), nullable=False),
        sa.Column("parts_digest", sa.String(length=80), nullable=False),
        sa.Column("sealed_size", sa.BigInteger(), nullable=False),
        sa.Column("plain_size", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("recipient_wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("recipient_key", sa.String(length=64), nullable=False),
        sa.Column("marked_columns", sa.JSON(), nullable=False),
        sa.Column("started_statement", sa.String(length=64), nullable=False),
        sa.Column("acknowledged_digest", sa.String(length=80), nullable=False),
        sa.Column("created_at", exchange.database.UTCDateTime(), nullable=False),
        sa.Column("started_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("ended_at", exchange.database.UTCDateTime(), nullable=True),
        sa.Column("expires_at", exchange.database.UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "state = 'REQUESTED' OR state = 'TERMINATED' OR artefact <> ''",
            name=op.f("ck_transfer_process_started_has_artefact"),
        ),
        sa.CheckConstraint(
            "state IN ('REQUESTED', 'STARTED', 'SUSPENDED', 'COMPLETED', 'TERMINATED')",
            name=op.f("ck_transfer_process_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_transfer_process_agreement_id_agreement")
        ),
        sa.ForeignKeyConstraint(
            ["consumer_id"], ["participant.id"], name=op.f("fk_transfer_process_consumer_id_participant")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_transfer_process_dataset_id_dataset")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["participant.id"], name=op.f("fk_transfer_process_provider_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name=op.f("fk_transfer_process_version_id_dataset_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_process")),
    )
    with op.batch_alter_table("transfer_process", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_transfer_process_agreement_id"), ["agreement_id"], unique=False)
        batch_op.create_index("ix_transfer_process_consumer", ["consumer_id", "created_at"], unique=False)
        batch_op.create_index("ix_transfer_process_provider", ["provider_id", "created_at"], unique=False)

    op.create_table(
        "usage_counter",
        sa.Column("agreement_id", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("first_use", exchange.database.UTCDateTime(), nullable=True),
        sa.CheckConstraint("used >= 0", name=op.f("ck_usage_counter_not_negative")),
        sa.ForeignKeyConstraint(
            ["agreement_id"], ["agreement.id"], name=op.f("fk_usage_counter_agreement_id_agreement")
        ),
        sa.PrimaryKeyConstraint("agreement_id", "action", name=op.f("pk_usage_counter")),
    )
    op.create_table(
        "posting",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("balance_after_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_posting_moves_money")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_posting_account_id_account")),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["journal_entry.id"],
            name=op.f("fk_posting_entry_id_journal_entry"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posting")),
        sa.UniqueConstraint("entry_id", "position", name=op.f("uq_posting_entry_id")),
    )
    with op.batch_alter_table("posting", schema=None) as batch_op:
        batch_op.create_index("ix_posting_account", ["account_id", "id"], unique=False)

    bind = op.get_bind()
    ledger.create_all(bind)
    create_search(bind)
    agreement_guards.create_guards(bind)
    money_guards.create_guards(bind)


def downgrade() -> None:
    raise RuntimeError("There is no schema before the first one; restore a backup instead.")
