"""The weights that come with luxel, held to figures on images of the repository: worse ones cannot land unseen."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs luxel[dataset]")
pytest.importorskip("skimage", reason="needs luxel[dataset]")

from luxel import images, metrics
from luxel.assessment.assessor import Assessor
from luxel.assessment.weights import locate
from luxel.dataset.develop import fit_short_side
from luxel.dataset.reference.bracket import LEVELS, frame, metered
from luxel.dataset.reference.reference import HDR_CEILING, PHOTO_CEILING, make_reference
from luxel.photometry import as_unit_float, lightness, to_linear
from luxel.samples.procedural import procedural_scene

EXAMPLE = Path(__file__).parents[2] / "docs/example/rocket.jpg"
MAX_ERRORS = (0.037, 0.049, 0.039, 0.0235)
"""Largest mean absolute error of the maps against our references, over the nine levels, by scene: about 8 % above that
of the weights that come with luxel. Whoever replaces them states the new figures here."""


@lru_cache(maxsize=1)
def scenes() -> list[tuple[np.ndarray, np.ndarray]]:
    made = []
    for seed in range(3):
        linear = metered(procedural_scene(np.random.default_rng(seed), height=256, width=320))
        made.append((linear, lightness(make_reference(linear, ceiling=HDR_CEILING).image)))
    photograph = fit_short_side(to_linear(as_unit_float(images.read(EXAMPLE).pixels)), 256)
    made.append((photograph, lightness(make_reference(photograph, ceiling=PHOTO_CEILING).image)))
    return made


@pytest.fixture(scope="module")
def assessor() -> Assessor:
    return Assessor()


def measured(number: int, assessor: Assessor) -> tuple[float, float, list[float]]:
    """Mean error, mean share of right signs, and the mean of each map from the darkest level to the brightest."""
    linear, reference = scenes()[number]
    errors, signs, means = [], [], []
    for ev in LEVELS.values():
        image = frame(linear, ev)
        truth, found = reference - lightness(image), assessor.assess(image).residual
        errors.append(metrics.mae(truth, found))
        signs.append(metrics.sign_agreement(truth, found))
        means.append(float(found.mean()))
    return float(np.mean(errors)), float(np.nanmean(signs)), means


@pytest.mark.parametrize("number", range(4))
def test_error_sign_and_order_over_the_nine_levels(number: int, assessor: Assessor) -> None:
    error, sign, means = measured(number, assessor)
    print(number, round(error, 4), round(sign, 4), np.round(means, 3))
    assert error <= MAX_ERRORS[number]
    assert sign >= 0.98
    assert means == sorted(means, reverse=True), "more light must never look darker to the network"


def test_slightly_worse_weights_are_found(tmp_path: Path) -> None:
    """Noise of 5 % of their spread on all weights goes beyond the limit."""
    onnx = pytest.importorskip("onnx", reason="needs luxel[train]")
    rng, model = np.random.default_rng(0), onnx.load(locate(None))
    for stored in model.graph.initializer:
        values = onnx.numpy_helper.to_array(stored)
        if values.dtype.kind == "f" and values.size >= 8:
            noisy = values + 0.05 * values.std() * rng.standard_normal(values.shape)
            stored.CopyFrom(onnx.numpy_helper.from_array(noisy.astype(values.dtype), stored.name))
    onnx.save(model, tmp_path / "noisy.onnx")
    photograph = len(MAX_ERRORS) - 1
    assert measured(photograph, Assessor(tmp_path / "noisy.onnx"))[0] > MAX_ERRORS[photograph]


def test_black_and_white_score_badly(assessor: Assessor) -> None:
    for level in (0, 255):
        score = assessor.assess(np.full((96, 128, 3), level, dtype=np.uint8)).score
        print(level, score)
        assert score < 3
