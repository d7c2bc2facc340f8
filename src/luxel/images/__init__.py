"""The only reader and writer of image files in luxel.

`read` gives every format as one thing, a `Picture`: sRGB-encoded, upright, three channels, at the depth of the file.
`read_linear` gives the light itself where a file stores light. `docs/formats.md` states what is done to each format.
Format libraries are imported when a file of their format is read, so importing this package is cheap.
"""

from luxel.images.picture import Picture, ReadOptions
from luxel.images.reading import from_pillow, read, read_linear
from luxel.images.sniff import SUFFIXES
from luxel.images.writing import write

__all__ = ["SUFFIXES", "Picture", "ReadOptions", "from_pillow", "read", "read_linear", "write"]
