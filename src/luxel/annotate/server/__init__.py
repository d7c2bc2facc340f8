"""The HTTP interface: sessions, tasks, adjudication, pages. Owner of FastAPI."""
