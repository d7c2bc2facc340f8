"""The development scenes: agreement with people's scores and with our references."""

import csv
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from PIL import Image
from skimage import data

from luxel.benchmark.evaluate import on_development
from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.dataset.reference.reference import PHOTO_CEILING, make_reference
from luxel.errors import DatasetError
from luxel.photometry import as_unit_float, lightness, to_linear
from luxel.residual import mean_residual_score


def write_scene(folder: Path, picture: np.ndarray, scores: dict[str, float]) -> None:
    Image.fromarray(picture).save(folder / "a.png")
    with (folder / "labels.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, ["file", *LEVELS])
        writer.writeheader()
        writer.writerow({"file": "a.png", **scores})


def test_the_true_map_has_no_error_and_the_scores_it_was_given(tmp_path: Path) -> None:
    picture = np.asarray(Image.fromarray(data.astronaut()).resize((256, 256), Image.Resampling.LANCZOS))
    light = to_linear(as_unit_float(picture))
    reference = lightness(make_reference(light, ceiling=PHOTO_CEILING).image)
    maps = {level: reference - lightness(frame(light, ev)) for level, ev in LEVELS.items()}
    write_scene(tmp_path, picture, {level: mean_residual_score(residual) for level, residual in maps.items()})
    found = on_development(
        {
            "true": lambda image: reference - lightness(image),
            "zero": lambda image: np.zeros(image.shape[:2], np.float32),
            "against": lambda image: np.full(image.shape[:2], 1 - np.abs(reference - lightness(image)).mean()),
        },
        tmp_path,
    )
    assert found["true"].mae < 1e-6
    assert (found["true"].srcc, found["true"].lcc) == pytest.approx((1, 1))
    assert np.isnan(found["zero"].srcc)
    assert found["zero"].mae == pytest.approx(np.mean([np.abs(m).mean() for m in maps.values()]), rel=1e-5)
    assert found["against"].srcc == pytest.approx(-1)


def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"labels\.csv: no such file"):
        on_development({}, tmp_path)
