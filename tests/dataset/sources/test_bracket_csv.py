"""`bracket.csv` as spreadsheets and people of any country write it."""

import math
from pathlib import Path

import pytest

from luxel.dataset.sources.bracket_csv import CsvFrame, frames_of_csv
from luxel.dataset.sources.csv_table import number_in
from luxel.dataset.sources.taxonomy import load_taxonomy, read_tags
from luxel.errors import DatasetError

PLAIN = "file,exposure_s,ev\na.jpg,0.5,-1.5\nB.jpg,1/60,2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "B.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.jpg").write_bytes(b"x")
    return tmp_path


def frames(folder: Path, content: str | bytes, said: list[str] | None = None) -> list[CsvFrame]:
    file = folder / "bracket.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    [found] = frames_of_csv(file, warn=(said if said is not None else []).append).values()
    return found


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";").replace(".5", ",5"),
        PLAIN.replace("0.5", '"0,5"'),
        PLAIN.replace(",", " , ").replace("\n", "  \r\n"),
        "\n\n" + PLAIN.replace("\n", "\n\n") + ",,\n",
        PLAIN.replace("file,exposure_s,ev", " File ,EXPOSURE S,Ev,,").replace("2\n", "2,,\n"),
        PLAIN.replace("-", "\u2212"),
        PLAIN.replace("-", "\u2013").replace(",", "\u00a0,\u00a0"),
        PLAIN.replace("a.jpg", "A.JPG").replace("B.jpg", "b.jpg"),
        PLAIN.replace("\n", "\r"),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
    ],
)
def test_one_table_in_many_hands(content: str | bytes, folder: Path) -> None:
    found = frames(folder, content)
    assert [(f.file.name, f.exposure_s, f.ev) for f in found] == [("a.jpg", 0.5, -1.5), ("B.jpg", 1 / 60, 2)]


@pytest.mark.parametrize("name", ["below/c.jpg", r"below\c.jpg", "Below/C.JPG", "./below/c.jpg"])
def test_paths_below_the_folder(name: str, folder: Path) -> None:
    assert frames(folder, f"file\n{name}\n")[0].file.name == "c.jpg"


def test_unknown_columns_are_named(folder: Path) -> None:
    said: list[str] = []
    frames(folder, "file,exposure,lens\na.jpg,1,x\n", said)
    assert len(said) == 1
    assert "'exposure', 'lens'; known are file, scene, exposure_s" in said[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file,exposure_s\na.jpg,0,5\n", "line 2: has 3 fields, the header has 2"),
        ('file,exposure_s\na.jpg,"1,250"\n', "exposure_s is '1,250'"),
        ("file,exposure_s\na.jpg,-1\n", "above 0"),
        ("file,ev\na.jpg,inf\n", "ev is 'inf'"),
        ("file,ev\na.jpg,one\n", "ev is 'one'"),
        ("file,iso\na.jpg,1/0\n", "iso is '1/0'"),
        ("file,ev,EV\na.jpg,1,2\n", "two columns 'ev'"),
        ("name\na.jpg\n", "no column 'file'; it has name"),
        ("", "no header"),
        ("file\n", "names no frame"),
        ("file\na.jpg\nA.jpg\n", "appears twice"),
        ("file\n../a.jpg\n", "leaves its folder"),
        ("file\n/etc/hostname\n", "not relative to its folder"),
        (b"file\n\xff\xfea.jpg\n", "save it as UTF-8"),
    ],
)
def test_tables_that_cannot_be_used(content: str | bytes, words: str, folder: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        frames(folder, content)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0,125", 0.125), ("12,5", 12.5), ("-0,333", -0.333), ("1,250", math.nan), ("1,2,3", math.nan), ("1e-3", 0.001)],
)
def test_decimal_commas_only_where_they_cannot_part_thousands(text: str, value: float) -> None:
    assert number_in(text) == pytest.approx(value, nan_ok=True)


def test_tables_of_tags_are_read_the_same_way(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_bytes("Name;Tone;Licence\na.jpg;dark;CC0, or so\n".encode("utf-16"))
    assert read_tags(file, load_taxonomy()) == {"a.jpg": {"tone": "dark", "licence": "CC0, or so"}}
