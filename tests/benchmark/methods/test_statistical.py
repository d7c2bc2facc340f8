"""Statistical methods: laws of every method."""

import subprocess
import sys

import numpy as np
import pytest

from luxel.benchmark.methods.statistical import STATISTICAL
from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.errors import LuxelError
from luxel.photometry import as_unit_float
from luxel.samples.procedural import procedural_scene
from stand_ins.statistical_inputs import grey, noise, textured_bracket


@pytest.mark.parametrize("name", STATISTICAL)
@pytest.mark.parametrize("image", [noise((33, 48)), grey(np.zeros((16, 20))), grey(np.full((16, 20), 255))])
def test_numbers_are_finite_and_scores_in_range(name: str, image: np.ndarray) -> None:
    method, before = STATISTICAL[name], image.copy()
    assert type(method.statistic(image)) is float
    assert np.isfinite(method.statistic(image))
    if method.score is not None:
        assert 0.0 <= method.score(image) <= 10.0
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", STATISTICAL)
def test_turning_and_mirroring_the_picture_changes_nothing(name: str) -> None:
    image = as_unit_float(frame(procedural_scene(np.random.default_rng(1), height=64, width=64), 0))
    expected = STATISTICAL[name].statistic(image)
    for turned in (image[::-1], image[:, ::-1], image.transpose(1, 0, 2)):
        assert STATISTICAL[name].statistic(np.ascontiguousarray(turned)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", STATISTICAL)
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((16, 16), np.float32),
        np.zeros((16, 16, 3), np.uint8),
        np.zeros((0, 16, 3), np.float32),
        np.full((16, 16, 3), 1.5, np.float32),
        np.full((16, 16, 3), np.nan, np.float32),
    ],
)
def test_what_is_not_an_image_is_rejected(name: str, image: np.ndarray) -> None:
    with pytest.raises(LuxelError, match=r"give \[H, W, 3\] float in \[0, 1\]"):
        STATISTICAL[name].statistic(image)


def test_the_registry_says_whose_formula_and_what_is_ours() -> None:
    assert " ".join(STATISTICAL) == "datta liu torres hanmandlu rahman lu shim2014 shim2018 zhang kim efimov dong"
    for name, method in STATISTICAL.items():
        assert method.name == name
        assert all((method.title, method.reference, method.source, method.meaning))
    assert {name for name, method in STATISTICAL.items() if method.folded} == {"datta", "liu", "hanmandlu", "shim2018"}


def test_torch_stays_out() -> None:
    code = "import sys, luxel.benchmark.methods.statistical; print('torch' in sys.modules or 'scipy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["datta", "liu", "torres", "hanmandlu", "rahman", "efimov", "dong"])
def test_scores_fall_towards_both_ends_of_a_bracket(name: str) -> None:
    score = STATISTICAL[name].score
    assert score is not None
    scores = [score(image) for image in textured_bracket()]
    best = int(np.argmax(scores))
    assert abs(list(LEVELS.values())[best]) <= 2
    assert max(scores[0], scores[-1]) < 0.8 * scores[best]
