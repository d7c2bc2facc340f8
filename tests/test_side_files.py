"""Side files that cannot be meant are one error in one line, whoever wrote them; a pipe or device never blocks."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from luxel import criteria
from luxel.assessment.journal import _parse
from luxel.errors import ImageError, LuxelError, RecipeError
from luxel.report import xmp
from luxel.residual_files import read_npy, read_saved_map
from luxel.train.recipe import load_any_recipe, load_recipe

BODY = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{xmp.RDF}"><rdf:Description rdf:about=""/>%s'
    "</rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("<acdsee:caption>x</acdsee:caption>", "prefix 'acdsee'"),
        ('<rdf:li lr:a="1"/>', "namespaces"),
        ('<a xmlns:p="u" xmlns:q="u" p:x="1" q:x="2"/>', "namespaces"),
        ("<a>" * 1500 + "</a>" * 1500, "200 elements"),
        ("<a>" * 100_000, "200 elements"),
    ],
)
def test_sidecars_that_are_not_read(inside: str, reason: str) -> None:
    data = (BODY % inside).encode()
    for work in (lambda: xmp.read(data), lambda: xmp.with_rating(data, 3, ours=True)):
        with pytest.raises(xmp.SidecarError, match=reason):
            work()


def test_pipes_do_not_block(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    readers: list[Callable[[], object]] = [
        lambda: xmp.load(pipe),
        lambda: load_any_recipe(pipe),
        lambda: criteria.load(str(pipe)),
        lambda: read_npy(pipe),
        lambda: xmp.load(Path("/dev/zero")),
    ]
    for read in readers:
        with pytest.raises(LuxelError):
            read()


@pytest.mark.parametrize("text", [b"\xff\xfea", b"a = " + b"[" * 5000, b"a = " + b"9" * 5000, b"train = 5\n"])
def test_recipes_that_cannot_be_read(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_bytes(text)
    with pytest.raises(RecipeError, match=r"train|r\.toml"):
        load_recipe(tmp_path / "r.toml", ["train.lr=1"])


@pytest.mark.parametrize("nest", ["(" * 5000 + "{}" + ")" * 5000, "not " * 5000 + "{}", "(" * 51 + "{}" + ")" * 51])
def test_conditions_nested_too_deeply(nest: str, tmp_path: Path) -> None:
    shipped = sorted((Path(criteria.__file__).parent / "shipped").glob("*.toml"))[0].read_text()
    before, when, after = shipped.partition('when = "')
    condition, quote, rest = after.partition('"')
    (tmp_path / "c.toml").write_text(before + when + nest.format(condition) + quote + rest)
    with pytest.raises(LuxelError, match="inside each other") as error:
        criteria.load(str(tmp_path / "c.toml"))
    assert "\n" not in str(error.value)


def test_criteria_of_deep_arrays_and_long_numbers(tmp_path: Path) -> None:
    for text in ("scale = " + "[" * 5000, "scale = " + "9" * 5000):
        (tmp_path / "c.toml").write_text(text)
        with pytest.raises(LuxelError, match=r"c\.toml"):
            criteria.load(str(tmp_path / "c.toml"))


@pytest.mark.parametrize(
    "line", [b'{"score": NaN, "luxel": {}}', b'{"a": Infinity}', b"[" * 5000, b"\xff", b"5", b"null", b'{"luxel": 5}']
)
def test_lines_of_results_that_no_run_wrote(line: bytes) -> None:
    assert _parse(line) is None


HEADERS = {
    "overflow": "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
    "huge": "{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 100000), }",
    "negative": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 8), }",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }",
    "deep": "{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 3000 + ")" * 3000 + ", }",
    "code": "__import__('os').getcwd()",
    "cut": "{'descr': '<f4', 'fortran",
}


@pytest.mark.parametrize("case", HEADERS)
def test_arrays_whose_header_cannot_be_meant(case: str, tmp_path: Path) -> None:
    header = HEADERS[case].encode() + b"\n"
    place = tmp_path / "m.npy"
    place.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 64)
    for read in (read_npy, read_saved_map):
        with pytest.raises(ImageError, match="cannot be read as a NumPy array") as error:
            read(place)
        assert "\n" not in str(error.value)


def test_arrays_that_are_read(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    for array in (values, np.asfortranarray(values), values.astype(">f8")):
        np.save(tmp_path / "m.npy", array)
        np.testing.assert_array_equal(read_npy(tmp_path / "m.npy"), array)
    np.save(tmp_path / "empty.npy", np.zeros((0, 4)))
    with pytest.raises(ImageError):
        read_saved_map(tmp_path / "empty.npy")
