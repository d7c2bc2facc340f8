"""One person's work on one task: operations, strokes, the map they give. Browser and server agree bit by bit."""
