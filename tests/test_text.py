"""Text for people: nothing in a name acts on a terminal or in a spreadsheet."""

import csv
import io
import os
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from luxel.text import csv_cell, csv_table, plain_cell, printable

ACTING = (
    "\x1b[31mred",
    "a\nb",
    "a\rb",
    "bell\a",
    "\x9b31m",
    "abc\u202egpj.exe",
    "\u2066x\u2069",
    "a\u2028b",
    "\ufeffa",
)


@given(st.text())
@example("\x1b]0;title\x07")
def test_printable_text_holds_nothing_that_acts(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert len(shown.splitlines()) <= 1
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
    assert printable(shown) == shown


@pytest.mark.parametrize("name", ["IMG 1.jpg", "ünïcödé.png", "日本　語.jpg", "क्‍ष.jpg", "👩‍🚀.png", "a\\nb"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize("name", ACTING)
def test_what_acts_is_an_escape(name: str) -> None:
    assert "\\" in printable(name)
    assert printable(name).isprintable()


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_bytes_that_are_not_text_are_escapes() -> None:
    assert printable(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"


@given(st.text() | st.sampled_from(["=1+1", " =1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "+1", "＝1"]))
def test_no_cell_begins_a_formula_and_it_comes_back(text: str) -> None:
    cell = csv_cell(text)
    try:
        float(text)
    except ValueError:
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) or cell == ""
    if not text.startswith("'"):
        assert plain_cell(cell) == text


@pytest.mark.parametrize("value", [0.25, -3, None, True, "-0.5", "+1e-3", "a.jpg", ""])
def test_numbers_and_plain_text_stay(value: object) -> None:
    assert csv_cell(value) is value


def test_a_table_is_read_back_with_one_line_per_row() -> None:
    rows = [{"file": "=a\n.jpg", "score": -0.1}, {"file": 'b,"c"'}]
    text = csv_table(("file", "score"), rows)
    assert list(csv.reader(io.StringIO(text))) == [["file", "score"], ["'=a\\n.jpg", "-0.1"], ['b,"c"', ""]]
    assert len(text.splitlines()) == 3
