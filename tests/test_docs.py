"""README and guides show commands and code that exist: Python blocks compile, `luxel` lines fit the command tree."""

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from luxel.cli import app

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / name for name in ("index.md", "gallery.md", "quickstart.md")),
    *sorted((ROOT / "docs" / "guide").glob("*.md")),
]
EVERY_PAGE = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(luxel [^`]+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
HELP = {"-h", "--help"}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of every fenced block."""
    for block in FENCED.finditer(page.read_text()):
        yield block["language"], block["code"]


def luxel_lines(page: Path) -> Iterator[str]:
    """Every shell line of the page that may call luxel, and every command within a sentence."""
    for language, code in blocks(page):
        if language in ("", "sh", "bash", "console"):
            yield from code.splitlines()
    yield from INLINE.findall(FENCED.sub("", page.read_text()))


def calls(line: str) -> Iterator[list[str]]:
    """What luxel is called with in a shell line: none, one or several lists of arguments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word.strip("();<>|&"):
            words.append(word)
            continue
        while words and re.match(r"\w+=", words[0]):  # LUXEL_DATA=data luxel ...
            del words[0]
        if words and Path(words[0]).name == "luxel":
            yield words[1:]
        words = []


def fault(arguments: list[str]) -> str | None:
    """What is wrong with a call of luxel, None if nothing is."""
    command: Any = typer.main.get_command(app)
    path, given, places = "luxel", set(), 0
    words = iter(arguments)
    for word in words:
        if word.startswith("-"):
            name, equals, _ = word.partition("=")
            option = next((p for p in command.params if name in [*p.opts, *p.secondary_opts]), None)
            if option is None and name not in HELP:
                return f"{path} has no option {name}"
            if option is None or option.is_eager:
                return None  # Help and version need nothing else.
            given.add(option.name)
            if not option.is_flag and not equals and next(words, None) is None:
                return f"{path}: {name} needs a value"
        elif hasattr(command, "commands"):
            if word not in command.commands and hasattr(command, "default_command"):
                command, path, places = command.commands[command.default_command], f"{path} ...", 1
                continue
            if word not in command.commands:
                return f"{path} has no command {word}"
            command, path = command.commands[word], f"{path} {word}"
        else:
            places += 1
    if hasattr(command, "commands"):
        return f"{path} needs a command"
    needed = [p for p in command.params if p.required]
    missing = [p.opts[0] for p in needed if p.param_type_name == "option" and p.name not in given]
    if missing:
        return f"{path} needs {missing[0]}"
    arguments_needed = sum(p.param_type_name == "argument" for p in needed)
    return f"{path} needs {arguments_needed} arguments" if places < arguments_needed else None


@pages
def test_python_blocks_compile(page: Path) -> None:
    for number, (language, code) in enumerate(blocks(page)):
        if language == "python":
            compile(code, f"{page.name}, block {number}", "exec")


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_imports_in_python_blocks_exist(page: Path) -> None:
    """Names from luxel only; modules of extras are imported where they are installed."""
    for language, code in blocks(page):
        for node in ast.walk(ast.parse(code)) if language == "python" else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "luxel":
                module = pytest.importorskip(str(node.module), reason="an extra of luxel is not installed")
                for name in node.names:
                    if not hasattr(module, name.name):
                        assert importlib.util.find_spec(f"{node.module}.{name.name}"), f"{node.module}: {name.name}"


@pages
def test_commands_and_options_exist(page: Path) -> None:
    found = [arguments for line in luxel_lines(page) for arguments in calls(line)]
    assert found
    assert [problem for arguments in found if (problem := fault(arguments))] == []


@pages
def test_links_lead_to_files(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def test_every_guide_is_read() -> None:
    assert len(PAGES) >= 9


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("luxel assess photo.jpg --overlai", "luxel assess has no option --overlai"),
        ("luxel asess photo.jpg", "luxel has no command asess"),
        ("luxel dataset", "luxel dataset needs a command"),
        ("luxel dataset bild photos --out data", "luxel dataset has no command bild"),
        ("luxel dataset build photos", "luxel dataset build needs --out"),
        ("luxel assess photo.jpg --out", "luxel assess: --out needs a value"),
        ("LUXEL_DATA=data .venv/bin/luxel compare a.jpg", "luxel compare needs 2 arguments"),
        ("cd photos && luxel report shoot --xmpp", "luxel report has no option --xmpp"),
        ("luxel criteria show fig9 --json > fig9.toml", "luxel criteria show has no option --json"),
        ("luxel --version", None),
        ("luxel train --help", None),
        ("luxel evaluate --implied a.pth scenes --level-zero -0.5  # a comment", None),
        ("luxel train recipes/pieanet.toml --set data.built='[\"data\"]'", None),
    ],
)
def test_faults_are_found(line: str, expected: str | None) -> None:
    (arguments,) = calls(line)
    assert fault(arguments) == expected


def test_a_line_without_luxel_is_not_a_call() -> None:
    assert list(calls("pip install 'luxel[dataset]' > luxel.log")) == []
