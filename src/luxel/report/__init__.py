"""A folder of pictures as one web page to look through and rate, and ratings as XMP sidecars."""

from luxel.report.build import Built, build
from luxel.report.culling import Change, WantedRating, apply, read_ratings
from luxel.report.entry import Look

__all__ = ["Built", "Change", "Look", "WantedRating", "apply", "build", "read_ratings"]
