"""The fixed validation list is whole, and what the data folder gives is that list."""

import csv
import os
from pathlib import Path

import pytest

from luxel.samples import validation
from luxel.samples.scenes import list_sources

ROWS = list(csv.DictReader(Path(validation.__file__).with_name("validation.csv").open(newline="")))


def test_the_list_holds_142_different_scenes() -> None:
    names = validation.fixed_scenes()
    assert len(names) == len(set(names)) == 142
    assert sum(row["kind"] == "panorama" for row in ROWS) == 40


def test_another_list_is_distinguished() -> None:
    class Store:
        names = validation.fixed_scenes()[:-1]

    assert not validation.is_fixed_list(Store())  # type: ignore[arg-type]
    Store.names = validation.fixed_scenes()
    assert validation.is_fixed_list(Store())  # type: ignore[arg-type]


@pytest.mark.skipif(not os.environ.get("LUXEL_DATA"), reason="needs the pictures: set LUXEL_DATA")
def test_the_data_folder_gives_the_list() -> None:
    sources = list_sources(Path(os.environ["LUXEL_DATA"]), "val", views=8, seed=0)
    assert [(s.kind, s.file, str(s.seed)) for s in sources] == [(r["kind"], r["file"], r["seed"]) for r in ROWS]
