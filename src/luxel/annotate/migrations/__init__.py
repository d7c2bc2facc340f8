"""Versions of the database's tables, applied by alembic."""
