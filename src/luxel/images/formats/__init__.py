"""One file per format: bytes to a `Raster`, with the checks that its decoder leaves out."""
