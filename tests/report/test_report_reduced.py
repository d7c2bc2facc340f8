"""Large pictures in a report are decoded at reduced size; what the page shows stays the same."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luxel.assessment.assessor import Assessor
from luxel.assessment.batch import Settings
from luxel.jobs.file_list import Found
from luxel.report import Look
from luxel.report.entry import Entry
from stand_ins.onnx_files import grey_target
from stand_ins.picture_files import photo


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(grey_target(tmp_path / "grey.onnx"), "onnxruntime")


def entry(path: Path, settings: Settings, preview: int, calls: list[bool], monkeypatch: pytest.MonkeyPatch) -> Entry:
    assess = Assessor.assess

    def noted(self: Assessor, image: Path, *, full_size: bool = True) -> object:
        calls.append(full_size)
        return assess(self, image, full_size=full_size)

    monkeypatch.setattr(Assessor, "assess", noted)
    made = Look(folder=path.parent, settings=settings, preview_side=preview).worker(1)(Found(path, path.stem))
    monkeypatch.undo()
    return made


def test_a_large_jpeg_is_read_reduced_where_the_preview_allows(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.fromarray(photo(150, 225)).resize((2400, 1600), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "a.jpg", quality=92)
    calls: list[bool] = []
    reduced = entry(tmp_path / "a.jpg", settings, 800, calls, monkeypatch)
    full = entry(tmp_path / "a.jpg", settings, 2000, calls, monkeypatch)
    assert calls == [False, True]
    assert (reduced.facts["width"], reduced.facts["height"]) == (2400, 1600)
    assert reduced.facts["score"] == pytest.approx(full.facts["score"], abs=0.02)
    assert reduced.facts["under"] == pytest.approx(full.facts["under"], abs=0.01)
    assert Image.open(io.BytesIO(reduced.preview)).size == (800, 533)
    np.testing.assert_allclose(reduced.facts["zones"], full.facts["zones"], atol=0.02)


def test_small_and_unreadable_pictures_take_the_full_path(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(photo(60, 80)).save(tmp_path / "small.png")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8nothing")
    calls: list[bool] = []
    assert "error" not in entry(tmp_path / "small.png", settings, 800, calls, monkeypatch).facts
    assert "error" in entry(tmp_path / "bad.jpg", settings, 800, calls, monkeypatch).facts
    assert calls == [True, True]
