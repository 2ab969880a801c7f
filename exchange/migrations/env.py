"""Alembic environment: migrations run on the connection that `Database.migrate` hands over."""

from alembic import context

from exchange.models import metadata


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out what others own: the ledger's tables, the full-text index, huey's queue on PostgreSQL."""
    return kind != "table" or name in metadata.tables


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    include_name=_ours,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
