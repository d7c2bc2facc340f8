"""The database of an annotation project: SQLite beside the dataset, or PostgreSQL for a team."""
