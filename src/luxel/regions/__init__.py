"""Regions of a picture: from files, from a segmentation network, and their statistics."""
