"""The fine-tuned score without torch: the same head, its file, and where it is used."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from luxel.assessment.assessor import Assessor
from luxel.assessment.batch import Settings
from luxel.assessment.head import FEATURES, head_bytes, load_head, map_features
from luxel.cli import app
from luxel.errors import WeightsError
from luxel.residual import people_score
from stand_ins import onnx_files


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_files.grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")


def arrays(seed: int = 0, hidden: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {
        "hidden_weight": (hidden, FEATURES),
        "hidden_bias": (hidden,),
        "last_weight": (1, hidden),
        "last_bias": (1,),
    }
    return {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def written(path: Path, trained_on: str = "", **changes: np.ndarray) -> Path:
    path.write_bytes(head_bytes({**arrays(), **changes}, trained_on=trained_on))
    return path


@pytest.mark.parametrize("size", [(64, 80), (200, 256), (37, 91)])
def test_features_and_score_are_those_of_the_torch_head(tmp_path: Path, size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch", reason="needs luxel[train]")
    from luxel.model.holistic import HolisticHead
    from luxel.model.holistic import map_features as of_torch

    residual = np.random.default_rng(1).uniform(-1, 1, size).astype(np.float32)
    features = of_torch(torch.from_numpy(residual)[None, None])
    np.testing.assert_allclose(map_features(residual), features[0], atol=1e-4)
    trained = HolisticHead(5).eval()
    parts = arrays()
    for name, layer in (("hidden", trained.correct[0]), ("last", trained.correct[-1])):
        layer.weight.data, layer.bias.data = (torch.from_numpy(parts[f"{name}_{p}"]) for p in ("weight", "bias"))
    expected = float(np.clip(trained(features).detach(), 0, 10))
    assert load_head(written(tmp_path / "head.npz")).score(residual) == pytest.approx(expected, abs=1e-3)


def test_an_untrained_head_is_the_literal_score(tmp_path: Path) -> None:
    still = {name: np.zeros_like(value) for name, value in arrays().items()}
    residual = np.random.default_rng(2).uniform(-0.5, 0.5, (40, 60)).astype(np.float32)
    found = load_head(written(tmp_path / "head.npz", **still)).score(residual)
    assert found == pytest.approx(10 * (1 - float(np.abs(residual).mean())), abs=1e-4)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p.write_bytes(b"no head"),
        lambda p: p.write_bytes(p.read_bytes()[:200]),
        lambda p: written(p, hidden_bias=np.zeros(4, np.float32)),
        lambda p: written(p, last_bias=np.array([np.nan], np.float32)),
        lambda p: np.savez(p, facts=np.array(json.dumps({"format": 9, "trained_on": ""})), **arrays()),
        lambda p: p.unlink(),
    ],
)
def test_what_is_not_a_head_is_rejected_in_one_line(tmp_path: Path, spoil: object) -> None:
    path = written(tmp_path / "head.npz")
    spoil(path)  # type: ignore[operator]
    with pytest.raises(WeightsError, match=r"head\.npz: ") as caught:
        load_head(path)
    assert "\n" not in str(caught.value)


def test_the_assessor_scores_by_its_head_and_says_so(tmp_path: Path, weights: Path) -> None:
    image = np.random.default_rng(3).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    plain = Assessor(weights).assess(image)
    head = written(tmp_path / "head.npz", plain.weights.sha256)
    scored = Assessor(weights, head=head).assess(image)
    assert scored.score == pytest.approx(load_head(head).score(scored.residual))
    assert plain.score == pytest.approx(people_score(plain.residual), abs=1e-5)
    assert (plain.to_dict()["head"], scored.to_dict()["head"]["name"]) == (None, "head.npz")


def test_a_head_of_other_weights_is_warned_about(tmp_path: Path, weights: Path) -> None:
    with pytest.warns(UserWarning, match="trained on maps of other weights"):
        Assessor(weights, head=written(tmp_path / "head.npz", "another"))


def test_rows_depend_on_the_content_of_the_head(tmp_path: Path, weights: Path) -> None:
    path = written(tmp_path / "head.npz")
    first = Settings(weights, head=path).fingerprint("w")
    written(path, last_bias=np.array([2.0], np.float32))
    assert len({first, Settings(weights, head=path).fingerprint("w"), Settings(weights).fingerprint("w")}) == 3


def test_the_command_takes_a_head(tmp_path: Path, weights: Path) -> None:
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(tmp_path / "a.png")
    head = written(tmp_path / "head.npz", Assessor(weights).weights.sha256)
    shown = CliRunner().invoke(
        app, ["assess", str(tmp_path / "a.png"), "--weights", str(weights), "--head", str(head), "--json"]
    )
    assert shown.exit_code == 0, shown.output
    expected = Assessor(weights, head=head).assess(tmp_path / "a.png").score
    assert json.loads(shown.stdout)["score"] == pytest.approx(expected, abs=1e-6)
