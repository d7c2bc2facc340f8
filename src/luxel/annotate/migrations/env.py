"""Runs the versions on the connection that `luxel.annotate.store.database` gives."""

from alembic import context

from luxel.annotate.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
