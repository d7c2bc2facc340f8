"""The published Q-Align: its arithmetic, and what it says where it cannot be loaded. The network itself never runs."""

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from luxel.benchmark.blocks.features import Features  # noqa: E402
from luxel.benchmark.methods import qalign_full  # noqa: E402
from luxel.benchmark.methods.qalign import LevelScore  # noqa: E402
from luxel.errors import LuxelError  # noqa: E402


def test_levels_stand_where_the_small_network_has_them() -> None:
    levels = np.arange(1.0, 6.0)  # bad, poor, fair, good, excellent
    found = qalign_full.score_of_levels(levels)

    class Promise:
        vector = 5

    score = LevelScore(Promise())  # type: ignore[arg-type]
    with torch.no_grad():
        score.linear.weight.copy_(1e3 * torch.eye(5))
        assert found.tolist() == score(Features((), torch.eye(5))).tolist() == [0.0, 2.5, 5.0, 7.5, 10.0]


def test_a_score_comes_from_the_networks_own_expectation() -> None:
    asked = []

    class StandIn:
        def score(self, pictures: list, *, task_: str, input_: str) -> object:
            asked.append(([picture.size for picture in pictures], task_, input_))
            return torch.tensor([1.0, 3.5], dtype=torch.float16)

    pictures = [np.zeros((4, 6, 3), np.uint8), np.zeros((5, 3, 3), np.uint8)]
    found = qalign_full.QAlignFull(StandIn())(pictures, aspect="aesthetics")
    assert found.tolist() == [0.0, 6.25]
    assert asked == [([(6, 4), (3, 5)], "aesthetics", "image")]


def test_without_transformers_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(LuxelError, match="pip install torch 'transformers==") as caught:
        qalign_full.load()
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_is_none_is_named(tmp_path: object) -> None:
    pytest.importorskip("transformers", reason="transformers is the extra luxel[segment]")
    with pytest.raises(LuxelError) as caught:
        qalign_full.load(str(tmp_path), device="cpu")
    assert str(caught.value).startswith(f"{tmp_path}: cannot be loaded on cpu: ")
    assert "\n" not in str(caught.value)
