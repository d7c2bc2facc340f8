"""Which representation of an assessment a client takes: figures as JSON, or a map as PNG."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException

from luxel.draw.files import MAP_KINDS

JSON_TYPE, PNG_TYPE = "application/json", "image/png"
DEFAULT_MAP = "heatmap"


@dataclass(frozen=True, slots=True)
class _Range:
    """One media range of the header."""

    kind: str
    map: str | None
    quality: float


def wanted_map(header: str) -> str | None:
    """Kind of the map that an Accept header asks for; None for figures as JSON.

    header: as sent, "" where there was none. `image/png` is the heat map, `image/png;map=residual` another kind of
    `luxel.draw.files.MAP_KINDS`. The highest quality counts, of equal ones the first; `*/*` is JSON.
    Raises HTTPException 406 when none of it is available.

    >>> wanted_map("*/*"), wanted_map("image/png"), wanted_map("application/json;q=0.5, image/png;map=residual")
    (None, 'heatmap', 'residual')
    """
    ranges = [_parsed(text) for text in header.split(",") if text.strip()] or [_Range("*/*", None, 1.0)]
    for each in sorted((r for r in ranges if r.quality > 0), key=lambda r: -r.quality):
        if each.kind in ("*/*", "application/*", JSON_TYPE):
            return None
        if each.kind in ("image/*", PNG_TYPE) and (each.map or DEFAULT_MAP) in MAP_KINDS:
            return each.map or DEFAULT_MAP
    kinds = ", ".join(f"{PNG_TYPE};map={kind}" for kind in MAP_KINDS)
    raise HTTPException(406, f"nothing that Accept lists is available; there are {JSON_TYPE}, {kinds}")


def _parsed(text: str) -> _Range:
    kind, *parameters = (part.strip() for part in text.split(";"))
    given = {
        name.strip().lower(): value.strip().strip('"') for name, _, value in (p.partition("=") for p in parameters)
    }
    try:
        quality = min(1.0, max(0.0, float(given.get("q", "1"))))
    except ValueError:
        quality = 0.0
    return _Range(kind.lower(), given.get("map"), quality)
