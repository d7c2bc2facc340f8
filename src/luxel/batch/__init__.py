"""Many pictures at once: find them, run them with resume and worker processes, write tables."""
