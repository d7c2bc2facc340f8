"""Checks of a dataset: every problem is found and named."""
