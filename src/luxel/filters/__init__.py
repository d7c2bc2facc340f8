"""Smoothing, edge-aware upsampling and shrinking of arrays."""
