"""The report page: one HTML file that needs nothing else, written picture by picture.

Pictures are base64 text in inert script elements, which a browser reads past without decoding; the page decodes what
comes into view. File names and all other facts travel as JSON with <, > and & escaped and are put on the page as text
only. A content security policy allows the page's own script and style by their hash and no connection at all.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from luxel.draw import heatmap
from luxel.errors import LuxelError
from luxel.jobs.atomic import writing_file
from luxel.pages import shared_style, style_hash
from luxel.report.entry import Entry

_STYLE = "page.css"
_SCRIPTS = ("data.js", "ratings.js", "order.js", "contact.js", "viewer.js", "main.js")
_DATA_MARK = "<!-- data -->"


class Page:
    """A page being written. `add` takes entries in any order; `finish` puts them in that of their numbers."""

    def __init__(self, file: BinaryIO, *, title: str) -> None:
        """file: open for writing, at its start. title: shown in the window and on the page."""
        style, script = shared_style("dark.css") + _source(_STYLE), _script()
        policy = (
            "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
            f"style-src '{style_hash(style)}'; script-src '{style_hash(script)}'"
        )
        parts = {"title": html.escape(title), "policy": policy, "style": style, "script": script}
        # One pass over the template, so that nothing put in is looked at again.
        page = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _source("template.html"))
        before, self._after = page.split(_DATA_MARK)
        self._file = file
        self._facts: dict[int, dict[str, Any]] = {}
        self._file.write(before.encode())

    def add(self, number: int, entry: Entry) -> None:
        """Writes the pictures of an entry. number: its place in the list of all pictures, from 0."""
        self._facts[number] = entry.facts
        if "error" in entry.facts:
            return
        for letter, text in zip("tpm", entry.embedded(), strict=True):
            self._file.write(b'<script type="text/plain" id="%s%d">%s</script>\n' % (letter.encode(), number, text))

    def finish(self, about: dict[str, Any]) -> None:
        """Writes the facts and the script. about: plain JSON values on the report as a whole."""
        facts = {**about, "palettes": _palettes(), "pictures": [self._facts[n] for n in sorted(self._facts)]}
        self._file.write(b'<script type="application/json" id="facts">' + _json(facts) + b"</script>\n")
        self._file.write(self._after.encode())


@contextmanager
def page_at(path: Path, *, title: str) -> Iterator[Page]:
    """A page that appears at `path`, whole, when the block ends without an error.

    Raises LuxelError when the file cannot be written.
    """
    try:
        with writing_file(path) as file:
            yield Page(file, title=title)
    except OSError as error:
        raise LuxelError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error


def write_page(path: Path, entries: Iterable[tuple[int, Entry]], *, title: str, about: dict[str, Any]) -> None:
    """A whole page from entries with their numbers. Raises LuxelError when the file cannot be written."""
    with page_at(path, title=title) as page:
        for number, entry in entries:
            page.add(number, entry)
        page.finish(about)


def _source(name: str) -> str:
    return files("luxel.report").joinpath("static").joinpath(name).read_text(encoding="utf-8")


def _script() -> str:
    """All scripts as one function body, so that nothing of theirs becomes a global name."""
    return '"use strict";\n(() => {\n' + "\n".join(_source(name) for name in _SCRIPTS) + "})();\n"


def _json(value: Any) -> bytes:
    """JSON that may stand inside a script element whatever it holds."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode("ascii")


def _palettes() -> dict[str, dict[str, str]]:
    """Every palette: 257 colours from -1 to +1, three bytes each, in base64, and what it is.

    From `heatmap.HEATMAP_LIMIT` on every residual has the end colour, as in heat maps.
    """
    codes = np.linspace(-1, 1, 257, dtype=np.float32)[None]
    return {
        name: {
            "colours": base64.b64encode(heatmap.render(codes, palette=name).tobytes()).decode(),
            "description": palette.description,
        }
        for name, palette in heatmap.PALETTES.items()
    }
