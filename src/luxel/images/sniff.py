"""Which format a file is, by its first bytes; the suffix is only a hint for camera RAW inside TIFF."""

import os
import re
import stat
from pathlib import Path

from luxel.errors import ImageError
from luxel.text import printable

# fmt: off
RAW_SUFFIXES = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos",
    ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
))
"""Camera RAW suffixes handed to LibRaw."""

SUFFIXES = RAW_SUFFIXES | frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif", ".exr",
    ".hdr", ".rgbe", ".gif", ".bmp",
))
"""Lower-case suffixes `read` takes (HEIC needs the extra `heif`)."""
# fmt: on

HEAD_BYTES = 64

_SIGNATURES: tuple[tuple[str, bytes], ...] = (
    # RAW formats that look like TIFF to a careless reader come before TIFF.
    ("RAW", rb"(II\*\0|MM\0\*).{4}CR"),  # Canon CR2
    ("RAW", rb"II\*\0.{4}IIII|MM\0\*.{4}MMMM"),  # Phase One IIQ
    ("RAW", rb"IIR[OS]|MMOR|IIU\0|FUJIFILMCCD-RAW|II\x1a\0\0\0HEAPCCDR|FOVb|\0MRM|.{4}ftypcrx "),
    ("JPEG", rb"\xff\xd8\xff"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("WEBP", rb"RIFF.{4}WEBP"),
    ("TIFF", rb"II[*+]\0|MM\0[*+]"),
    ("EXR", rb"\x76\x2f\x31\x01"),
    ("HDR", rb"#\?(RADIANCE|RGBE)"),
    ("AVIF", rb".{4}ftyp(avi[fs]|(mif1|msf1|miaf).*avi[fs])"),
    ("HEIF", rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)"),
    ("GIF", rb"GIF8[79]a"),
    ("BMP", rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
)

_KNOWN_BUT_NOT_READ: tuple[tuple[str, bytes], ...] = (
    ("a PostScript or EPS document", rb"%!PS|\xc5\xd0\xd3\xc6"),
    ("a PDF document", rb"%PDF"),
    ("a Photoshop document", rb"8BPS"),
    ("a JPEG XL picture", rb"\xff\x0a|\0\0\0\x0cJXL "),
    ("a JPEG 2000 picture", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("a JPEG XR picture", rb"II\xbc"),
    ("an icon", rb"\0\0[\x01\x02]\0"),
    ("a Netpbm picture", rb"P[1-7fF]\s"),
    ("a DirectDraw surface", rb"DDS "),
    ("an SVG, XML or HTML document", rb"(\xef\xbb\xbf)?\s*<(svg|\?xml|!|html)"),
    ("an archive", rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!"),
    ("a video", rb".{4}ftyp"),
)


def sniff(path: Path) -> str:
    """The format name by content: a `Picture.format`. TIFF may still be camera RAW (`tiff_directories.survey`).

    Raises ImageError: missing, a folder, not a regular file, not readable, empty, not a picture, not supported.
    """
    name = printable(path)
    try:
        # stat before open: opening a pipe or a device would wait for ever.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{name}: is a folder, not a picture file")
        if not stat.S_ISREG(mode):
            raise ImageError(f"{name}: is not a regular file (a pipe, socket or device)")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise ImageError(f"{name}: no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise ImageError(f"{name}: cannot be opened: {reason}") from error
    if not head:
        raise ImageError(f"{name}: is empty (0 bytes)")
    for kind, signature in _SIGNATURES:
        if re.match(signature, head, re.DOTALL):
            return kind
    for kind, signature in _KNOWN_BUT_NOT_READ:
        if re.match(signature, head, re.DOTALL | re.IGNORECASE):
            raise ImageError(f"{name}: is {kind}, which luxel does not read; export it as JPEG, PNG or TIFF")
    raise ImageError(f"{name}: is not a picture in a format luxel reads (it begins with {head[:8].hex(' ')})")
