"""Masks with a value from Label Studio, CVAT and labelme, and frames with blocks for them."""
