"""Plain technical English: code, tests, pages and recipes use no word that the table of CONTRIBUTING.md replaces."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "CONTRIBUTING.md"
FOLDERS = ("src", "docs", "tests", "recipes", "benchmarks")
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
SUFFIXES = {".py", ".md", ".html", ".js", ".css", ".toml"}

BETWEEN = r"(?:[\s_]|\n\s*#)+"
"""What may stand between the words of a phrase: space, underscore, a new line, of a comment too."""

ALLOWED = {
    "Teaching LMMs for Visual Scoring": "the title of a publication",
    "slots=True": "the option of Python's dataclasses",
    "there is no": "plain English",
    "there are no": "plain English",
    "there was no": "plain English",
    "is no faster": "a comparison",
    "are no better": "a comparison",
    "`--trunk`": "CHANGELOG: the former name of --backbone",
    "`data.most_ev` and `validate.patience`": "CHANGELOG: the former names of recipe keys",
    "`luxel.report.Wish`": "CHANGELOG: the former name of WantedRating",
    "`luxel.train.export.ship`": "CHANGELOG: the former name of export_run",
    "trunk = view.box": "the trunk of a tree",
    "view.lay(trunk": "the trunk of a tree",
}
"""Text in which a word of the table is right, with the reason."""


class Word:
    """An entry of the table: a whole word or phrase, parts of snake_case names too, in any case unless it has capitals.

    >>> Word("mend*").lines("we Mended what you recommended"), Word("go on").lines("def test_runs_go_on()")
    ([(1, 'Mended')], [(1, 'go_on')])
    """

    def __init__(self, entry: str) -> None:
        words = [re.escape(word).replace(r"\*", r"\w*") for word in entry.split()]
        end = "" if entry.endswith("*") else "(?![A-Za-z])"
        self.first = entry.split()[0].rstrip("*")
        self.any_case = entry == entry.lower()
        self.pattern = re.compile(
            f"(?<![A-Za-z]){BETWEEN.join(words)}{end}", re.IGNORECASE if self.any_case else re.NOFLAG
        )

    def lines(self, text: str) -> list[tuple[int, str]]:
        """Line number and text of every use that no allowance covers."""
        if self.first not in (text.lower() if self.any_case else text):  # most texts, at a tenth of the time
            return []
        found = [(m.span(), m.group()) for m in self.pattern.finditer(text)]
        covered = [m.span() for allowed in ALLOWED for m in phrase(allowed).finditer(text)] if found else []
        return [
            (text.count("\n", 0, begin) + 1, word)
            for (begin, end), word in found
            if not any(low <= begin and end <= high for low, high in covered)
        ]


def phrase(allowed: str) -> re.Pattern[str]:
    """What an allowance matches: its text in any case, a space also for an underscore or a new line."""
    return re.compile(BETWEEN.join(map(re.escape, allowed.split())), re.IGNORECASE)


def entries(table: str) -> list[str]:
    """The words of the table's second column."""
    rows = [row.split("|") for row in table.splitlines() if row.startswith("|")]
    return [word for row in rows[2:] for word in re.findall(r"`([^`]+)`", row[2])]


def files() -> Iterator[Path]:
    """Everything that people read."""
    for folder in FOLDERS:
        yield from sorted(
            path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES and path != Path(__file__)
        )
    yield from (ROOT / name for name in PAGES)


def test_no_word_is_used_that_the_table_replaces() -> None:
    text = TABLE.read_text(encoding="utf-8")
    words = [Word(entry) for entry in entries(text)]
    assert len(words) > 30
    found = []
    for path in files():
        text = path.read_text(encoding="utf-8")
        if path == TABLE:
            text = "\n".join("" if line.startswith("|") else line for line in text.split("\n"))
        found += [f"{path.relative_to(ROOT)}:{line}: {use!r}" for word in words for line, use in word.lines(text)]
    assert not found, "\n" + "\n".join(found)


def test_no_array_is_called_picture() -> None:
    """`image` is an array, `picture` a photo or its file."""
    array = re.compile(
        r"\bpictures?(: (npt\.|Tensor|FloatArray|ByteArray|Array\b)| = (np|torch|images\.read\(.*\.pixels))"
    )
    found = [path for path in sorted((ROOT / "src").rglob("*.py")) if array.search(path.read_text(encoding="utf-8"))]
    assert not found


def test_every_allowance_is_needed() -> None:
    words = [Word(entry) for entry in entries(TABLE.read_text(encoding="utf-8"))]
    texts = [path.read_text(encoding="utf-8") for path in files() if path != TABLE]
    for allowed in ALLOWED:
        assert any(word.pattern.search(allowed) for word in words), f"{allowed!r} has no word of the table"
        assert any(phrase(allowed).search(text) for text in texts), f"{allowed!r} is not used any more"


def test_a_use_is_found_with_its_line() -> None:
    fix, empty = map(Word, entries("| Write | Not |\n|---|---|\n| fix | `mend*`, `is no` |"))
    text = "recommended\nit is mended, and is\n    # no PNG; there is no other\n"
    assert fix.lines(text) == [(2, "mended")]
    assert [line for line, _ in empty.lines(text)] == [2]
