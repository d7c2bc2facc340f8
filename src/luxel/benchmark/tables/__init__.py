"""Tables of a run: means over splits, significance, and the formats they are written in."""
