"""What the documentation site changes before it renders: luxel's docstrings, and pipes in tables. Run by mkdocs.

Docstrings of luxel are plain text: "name, name: what it is" begins a parameter, "Returns ...", "Raises ..." and
"Source: ..." begin a sentence of their own, and a doctest begins with >>>.
"""

import re
from typing import Any

import griffe

_ITEM = re.compile(r"(?P<names>[A-Za-z_]\w*(?:, [A-Za-z_]\w*)*): (?=\S)")
_SENTENCE = re.compile(r"(?:Returns|Raises|Source|Deviation|Differentiable)\b")
_INNER_START = re.compile(r"(?<=\.) (?=(?:[a-z_]\w*(?:, [a-z_]\w*)*|Source): |(?:Returns|Raises) )")
_CODE_SPAN = re.compile(r"`[^`]+`")


def as_markdown(docstring: str) -> str:
    """A docstring as Markdown: parameters as a list, doctests as code, a paragraph for Returns, Raises and Source."""
    lines: list[str] = []
    in_code = in_list = False
    for line in _INNER_START.sub("\n", docstring).splitlines():
        code = line.startswith(">>>") or (in_code and line.strip() != "")
        if code != in_code:
            lines += ["", "```pycon"] if code else ["```", ""]
            in_code = code
        sentence = _SENTENCE.match(line)
        item = None if sentence else _ITEM.match(line)
        if code:
            lines.append(line)
        elif item:
            names = ", ".join(f"`{name}`" for name in item["names"].split(", "))
            lines += [*([] if in_list else [""]), f"- {names}: {line[item.end() :]}"]
            in_list = True
        else:
            lines += [*([""] if sentence else []), line.strip() if in_list else line]
            in_list = in_list and not sentence and line.strip() != ""
    return "\n".join([*lines, *(["```"] if in_code else [])])


class Docstrings(griffe.Extension):
    """Docstrings of functions and classes as Markdown; those of modules and constants are prose."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by Griffe for every module, class, function and attribute that it has read."""
        if obj.docstring and (obj.is_function or obj.is_class):
            obj.docstring.value = as_markdown(obj.docstring.value)


def on_page_markdown(markdown: str, **_: Any) -> str:
    r"""Called by mkdocs for every page: `a\|b` within a table becomes `a|b`, which is what GitHub shows for it."""
    return "\n".join(
        _CODE_SPAN.sub(lambda span: span[0].replace(r"\|", "|"), line) if line.startswith("|") else line
        for line in markdown.split("\n")
    )
