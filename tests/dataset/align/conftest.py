"""The light of a scene whose frames move."""

import numpy as np
import numpy.typing as npt
import pytest

from stand_ins.source_material import light_of


@pytest.fixture(scope="module")
def light() -> npt.NDArray[np.float32]:
    return light_of("astronaut") * 0.25  # two stops of headroom: a brighter frame does not lose the scene
