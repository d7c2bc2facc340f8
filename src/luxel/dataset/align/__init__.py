"""Frames of a bracket brought together: the same scene or not, how each moved, and what moved within them."""
