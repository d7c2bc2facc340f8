"""The HTTP service: assessments, maps and scores of pictures that are sent to it."""
