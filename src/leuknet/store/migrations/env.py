"""What alembic runs to migrate: the caller's connection and transaction, the tables of `leuknet.store`."""

from alembic import context

from leuknet.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
