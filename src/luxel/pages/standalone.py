"""A page in one file that needs no other file and no network, which its content security policy guarantees."""

import base64
import hashlib
import html
from functools import cache
from importlib.resources import files
from typing import Literal


def standalone_page(title: str, body: str, *, style: str = "", style_attributes: bool = False) -> str:
    """A whole HTML page with the shared style (`page.css`), for light and dark screens.

    title: plain text; shown in the window.
    body: HTML, what stands inside <main>. Images in it are data: URLs.
    style: CSS of this page alone.
    style_attributes: whether elements of the body have style="..."; they are blocked otherwise.

    >>> page = standalone_page("Salt & pepper", "<h1>Two</h1>")
    >>> "<title>Salt &amp; pepper</title>" in page, "<main>\\n<h1>Two</h1>\\n</main>" in page
    (True, True)
    """
    css = shared_style("page.css") + style
    # A hash would block style attributes.
    allowed = "'unsafe-inline'" if style_attributes else f"'{style_hash(css)}'"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta http-equiv="Content-Security-Policy" '
            f"content=\"default-src 'none'; img-src data:; style-src {allowed}\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)}</title>\n<style>{css}</style>\n</head>\n<body>\n<main>",
            body,
            "</main>\n</body>\n</html>\n",
        ]
    )


@cache
def shared_style(name: Literal["page.css", "dark.css"]) -> str:
    """A style that several pages share: "page.css" those that are read, "dark.css" those on which images are judged."""
    return files("luxel.pages").joinpath(name).read_text(encoding="utf-8")


def style_hash(text: str) -> str:
    """The source expression of a style or script in a content security policy, "sha256-..."."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
