"""HTML pages that are one file: what every such page begins and ends with, and the styles that several share."""

from luxel.pages.standalone import shared_style, standalone_page, style_hash

__all__ = ["shared_style", "standalone_page", "style_hash"]
