"""Network blocks that several methods share, and the heads that make a map or a score of their features."""
