"""A scene and its reference."""

import numpy as np
import pytest

from luxel.dataset.reference.bracket import metered
from luxel.dataset.reference.reference import (
    HDR_CEILING,
    Reference,
    make_reference,
)
from luxel.samples.procedural import procedural_scene


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return metered(procedural_scene(np.random.default_rng(4), height=160, width=220))


@pytest.fixture(scope="module")
def reference(scene: np.ndarray) -> Reference:
    return make_reference(scene, ceiling=HDR_CEILING)
