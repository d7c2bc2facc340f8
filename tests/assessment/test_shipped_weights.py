"""The shipped weights held to figures on pictures the repository may hold, so that worse ones cannot land unseen."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel import images, metrics
from luxel.assessment.assessor import Assessor
from luxel.dataset.develop import fit_short_side
from luxel.dataset.reference.bracket import LEVELS, frame, metered
from luxel.dataset.reference.reference import HDR_CEILING, PHOTO_CEILING, make_reference
from luxel.photometry import as_unit_float, lightness, to_linear
from luxel.samples.procedural import procedural_scene

EXAMPLE = Path(__file__).parents[2] / "docs/example/rocket.jpg"
MAX_ERROR = {"procedural": 0.06, "photograph": 0.05}
"""Largest mean absolute error of the maps against our references, over the nine levels."""


@lru_cache(maxsize=1)
def scenes() -> list[tuple[str, np.ndarray, np.ndarray]]:
    made = []
    for seed in range(3):
        linear = metered(procedural_scene(np.random.default_rng(seed), height=256, width=320))
        made.append(("procedural", linear, lightness(make_reference(linear, ceiling=HDR_CEILING).image)))
    photograph = fit_short_side(to_linear(as_unit_float(images.read(EXAMPLE).pixels)), 256)
    made.append(("photograph", photograph, lightness(make_reference(photograph, ceiling=PHOTO_CEILING).image)))
    return made


@pytest.fixture(scope="module")
def assessor() -> Assessor:
    return Assessor()


@pytest.mark.parametrize("number", range(4))
def test_error_sign_and_order_over_the_nine_levels(number: int, assessor: Assessor) -> None:
    kind, linear, reference = scenes()[number]
    errors, signs, means = [], [], []
    for ev in LEVELS.values():
        image = frame(linear, ev)
        truth, found = reference - lightness(image), assessor.assess(image).residual
        errors.append(metrics.mae(truth, found))
        signs.append(metrics.sign_agreement(truth, found))
        means.append(float(found.mean()))
    print(kind, np.round(errors, 4), np.round(signs, 4), np.round(means, 3))
    assert np.mean(errors) <= MAX_ERROR[kind]
    assert np.nanmean(signs) >= 0.98
    assert means == sorted(means, reverse=True), "more light must never look darker to the network"


def test_black_and_white_score_badly(assessor: Assessor) -> None:
    for level in (0, 255):
        score = assessor.assess(np.full((96, 128, 3), level, dtype=np.uint8)).score
        print(level, score)
        assert score < 3
