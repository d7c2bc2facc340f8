"""Line numbers of the keys of a TOML text, which the standard reader does not tell."""

import re

Key = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_ENTRY = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_QUOTES = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*')
_PART = re.compile(r"[\w-]+|\"[^\"]*\"|'[^']*'")


def key_lines(text: str) -> dict[Key, int]:
    """The line (from 1) of every table, array entry and key, such as ("band", 2, "when").

    text: valid TOML. Keys inside inline tables and arrays are found at their outer key.
    """
    lines: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    open_quotes = ""
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not open_quotes and depth == 0:
            if header := _HEADER.match(line):
                name: Key = tuple(_names(header[2]))
                if header[1] == "[[":
                    counts[name] = counts.get(name, -1) + 1
                    table = (*name, counts[name])
                else:
                    table = name
                lines.setdefault(table, number)
                continue
            if entry := _ENTRY.match(line):
                lines.setdefault((*table, *_names(entry[1])), number)
        open_quotes, depth = _state_after(line, open_quotes, depth)
    return lines


def line_of(lines: dict[Key, int], key: Key) -> int:
    """The line of a key, or of the nearest thing around it that has one; 1 for the file itself."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)


def _names(dotted: str) -> list[str]:
    return [part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(dotted)]


def _state_after(line: str, open_quotes: str, depth: int) -> tuple[str, int]:
    """Which multi-line quotes are open at the end of a line, and how many brackets of arrays and inline tables."""
    place = 0
    while True:
        if open_quotes:
            end = line.find(open_quotes, place)
            if end < 0:
                return open_quotes, depth
            place, open_quotes = end + 3, ""
        quote = _QUOTES.search(line, place)
        plain = line[place : quote.start() if quote else len(line)]
        depth += sum((c in "[{") - (c in "]}") for c in plain)
        if quote is None or quote[0].startswith("#"):
            return "", depth
        place = quote.end()
        open_quotes = quote[0] if quote[0] in ('"""', "'''") else ""
