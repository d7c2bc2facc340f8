"""A table in every format, read back."""

import csv
import io
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from luxel.benchmark import registry
from luxel.benchmark.methods.statistical import STATISTICAL
from luxel.benchmark.protocol.results import write_row
from luxel.benchmark.tables.table import tables
from luxel.benchmark.tables.table_formats import FORMATS, csv_text, latex, markdown
from luxel.cli.benchmark import terminal_text
from stand_ins.benchmark_rows import row
from stand_ins.benchmark_tables import flat


def test_markdown_parses_back(folder: Path) -> None:
    found = tables(folder)
    for part, table in zip(markdown(found).split("## ")[1:], found, strict=True):
        lines = [line for line in part.splitlines() if line.startswith("|")]
        cells = [[c.strip().replace("\\", "") for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        assert tuple(cells[0]) == table.columns
        assert all(set(rule) <= set("-:") for rule in cells[1])
        assert tuple(map(tuple, cells[2:])) == table.rows
        notes = [line[2:].replace("\\", "") for line in part.splitlines() if line.startswith("- ")]
        assert tuple(notes) == table.notes


def test_latex_parses_back(folder: Path) -> None:
    names = {
        r"\textbar{}": "|",
        r"\textless{}": "<",
        r"$\pm$": "±",
        r"$^\dagger$": "†",
        r"\textquotedbl{}": '"',
        r"\_": "_",
        r"\%": "%",
    }

    def plain(text: str) -> str:
        for written, meant in names.items():
            text = text.replace(written, meant)
        assert not set(text) & set("\\$^{}"), text
        return text.strip()

    found = tables(folder)
    text = latex(found)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == len(found)
    for part, table in zip(text.split(r"\begin{tabular}")[1:], found, strict=True):
        assert re.match(rf"{{[lr]{{{len(table.columns)}}}}}\n", part)
        body = part.split(r"\end{tabular}")[0]
        lines = [line.removesuffix(r" \\") for line in body.splitlines() if line.endswith(r"\\")]
        cells = [tuple("-" if c == "--" else plain(c) for c in re.split(r"(?<!\\) & ?", line)) for line in lines]
        assert cells[0] == table.columns
        assert tuple(cells[1:]) == table.rows
        notes = [line.removesuffix(r"\par") for line in part.splitlines() if line.endswith(r"\par")]
        assert tuple(map(plain, notes)) == table.notes


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.notes: list[str] = []
        self.into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        self.into = {"th": self.rows[-1:] and self.rows[-1], "td": self.rows[-1:] and self.rows[-1]}.get(tag) or (
            self.notes if tag == "li" else self.rows[-1] if tag in ("th", "td") else None
        )
        if self.into is not None:
            self.into.append("")

    def handle_data(self, data: str) -> None:
        if self.into is not None:
            self.into[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.into = None


def test_html_parses_back(folder: Path) -> None:
    write_row(folder, row("<b>mine & yours</b>", mae=0.1))
    found = tables(folder)
    page = _Page()
    text = FORMATS["html"](found)
    page.feed(text)
    assert page.rows == [list(cells) for table in found for cells in (table.columns, *table.rows)]
    assert page.notes == [note for table in found for note in table.notes]
    assert "<b>" not in text
    assert "http:" not in text
    assert "https:" not in text


def test_csv_has_every_number_with_all_its_digits(folder: Path) -> None:
    found = tables(folder)
    read = list(csv.DictReader(io.StringIO(csv_text(found))))
    records = [record for table in found for record in table.records]
    assert len(read) == len(records)
    for cells, record in zip(read, records, strict=True):
        assert list(cells) == list(record)
        for key, value in record.items():
            assert cells[key] == ("" if value is None else str(value))


def test_csv_tells_what_is_recreated(tmp_path: Path) -> None:
    for name in ("mslt", "skf", "gsad"):
        write_row(tmp_path, row(name, mae=0.1))
    for name in ("rahman", "dong"):
        write_row(tmp_path, row(name, "score", srcc=0.1))
    rows = {line["method"]: line for line in csv.DictReader(io.StringIO(csv_text(tables(tmp_path))))}
    assert (rows["mslt"]["kind"], rows["mslt"]["note"]) == ("exact", "")
    assert (rows["skf"]["kind"], rows["skf"]["note"]) == ("re-creation", registry.facts("skf").note)
    assert (rows["gsad"]["kind"], rows["gsad"]["note"]) == ("denoiser", registry.facts("gsad").note)
    assert (rows["rahman"]["kind"], rows["rahman"]["note"]) == ("statistical", "")
    assert (rows["dong"]["kind"], rows["dong"]["note"]) == ("re-creation", STATISTICAL["dong"].note)
    assert int(rows["skf"]["macs"]) == registry.facts("skf").costs["pixel"].macs


def test_marks_tell_denoisers_and_recreations_apart(tmp_path: Path) -> None:
    for name in ("rahman", "liu", "torres", "efimov", "dong", "pydiff", "gsad", "smg", "mslt", "mslt-map-score"):
        write_row(tmp_path, row(name, "score", srcc=0.1))
    (score,) = tables(tmp_path)
    titles = [cells[0] for cells in score.rows]
    recreated = {title.split("(")[-1].rstrip(") †") for title in titles if title.endswith("†")}
    assert recreated == {"Liu", "Torres", "Efimov", "Dong", "SMG"}
    assert sorted(title for title in titles if title.endswith("‡")) == ["GSAD ‡", "PyDiff ‡"]
    assert any(note.startswith("‡ denoiser, GSAD: the U-Net of the diffusion") for note in score.notes)
    assert any(note.startswith("† re-creation, Block exposures (Dong): ") for note in score.notes)
    assert any(note.startswith("Score of its map: a control.") for note in score.notes)
    macs = score.columns.index("GMACs")
    assert {cells[0]: cells[macs] for cells in score.rows}["GSAD ‡"] == "63.2"


def test_the_terminal_table_says_the_same(folder: Path) -> None:
    found = tables(folder)
    text = terminal_text(found)
    lines = text.splitlines()
    for table in found:
        assert table.caption in text
        for cells in (table.columns, *table.rows):
            assert any(re.split(r"\s{2,}", line.strip()) == [c for c in cells if c] for line in lines), cells
        for note in table.notes:
            assert note in lines


@pytest.mark.parametrize("width", [60, 100])
def test_a_narrow_terminal_gets_the_columns_below_each_other(folder: Path, width: int) -> None:
    (table,) = tables(folder, "pixel")
    text = terminal_text([table], width=width)
    lines = text.split("Means over")[0].splitlines()
    assert max(map(len, lines)) <= width
    heads = [line for line in lines if line.strip().startswith("method")]
    assert len(heads) > 1
    titles = [title for head in heads for title in re.split(r"\s{2,}", head.strip())[1:]]
    assert ["method", *titles] == list(table.columns)
    zeros = [re.split(r"\s{2,}", line.strip())[1:] for line in lines if line.strip().startswith("zero map")]
    assert ["zero map", *itertools.chain(*zeros)] == [cell for cell in table.rows[0] if cell]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
def test_every_format_for_readers_has_footnotes_and_marks(folder: Path, name: str) -> None:
    text = flat(FORMATS[name](tables(folder)))
    assert "Holm for 3 comparisons" in text
    assert "mostly the size of a checkpoint file in MB" in text
    assert "P-IEANet " + ("$^\\dagger$" if name == "latex" else "†") in text
