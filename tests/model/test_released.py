"""The authors' released network: its count and shapes without data, its known outputs with `LUXEL_DATA`."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is not installed")

from luxel.errors import LuxelError, WeightsError  # noqa: E402
from luxel.model import released  # noqa: E402  (after the skip)


@pytest.fixture(scope="module")
def folder() -> Path:
    if not os.environ.get("LUXEL_DATA"):
        pytest.skip("LUXEL_DATA is unset: the authors' checkpoint is not at hand")
    return Path(os.environ["LUXEL_DATA"]) / "iea40k_release"


@pytest.fixture(scope="module")
def model(folder: Path) -> released.Released:
    return released.load_released(next(folder.glob("wavelet_epoch_2_*.pth")))


def their_name(name: str) -> str:
    """The inverse of `released.our_name`, written apart from it."""
    parts = name.split(".")
    rest = ".".join(parts[3:])
    match parts:
        case ["high_pass", "bands", index, *_]:
            return f"High_{int(index) + 1}.conv.{rest}"
        case ["high_pass", "paths", index, kind, *_]:
            return f"encoder.{kind}{index}.{'.'.join(parts[4:])}"
        case ["tail", *_]:
            return "fusion.tail_conv." + ".".join(parts[1:])
        case ["image_branch", "groups", index, *_]:
            return f"ffa_group.g{int(index) + 1}.{rest}"
        case ["image_branch", "group_weights", index, *_]:
            return f"ffa_group.ca.{int(index) + 1}.{rest}"
        case ["image_branch", ("pre" | "post_2") as layer, weight]:
            return f"ffa_group.{layer}.0.{weight}"
        case _:
            return "ffa_group." + ".".join(parts[1:])


def checkpoint() -> dict[str, "torch.Tensor"]:
    """A state dict with the names and shapes of the released one and weights of chance."""
    torch.manual_seed(0)
    state = {their_name(name): weight.clone() for name, weight in released.ReleasedNetwork().state_dict().items()}
    return state | {name: torch.zeros(shape) for name, shape in released.UNUSED.items()}


def test_parameter_count() -> None:
    with torch.device("meta"):
        network = released.ReleasedNetwork()
    used = sum(weight.numel() for weight in network.parameters())
    unused = sum(math.prod(shape) for shape in released.UNUSED.values())
    assert (used, unused, used + unused) == (624_112, 151, 624_263)


def test_output_shape() -> None:
    with torch.device("meta"):
        network = released.ReleasedNetwork().eval()
        output = network(torch.empty(3, 3, 256, 256))
    assert output.shape == (3, 1, 256, 256)


def test_gradient_is_centre_minus_neighbour() -> None:
    ramp = torch.arange(8.0)[:, None] * 10 + torch.arange(8.0)
    for row, column in released.GRADIENT_OFFSETS:
        difference = released._gradient(ramp[None, None], row, column)
        assert difference.shape == (1, 1, 8, 8)
        torch.testing.assert_close(difference, torch.full_like(difference, -10.0 * row - column))


def test_depends_on_its_batch_as_released() -> None:
    """The fault that keeps this network out of the product: a picture's map changes with its neighbour's."""
    torch.manual_seed(0)
    branch = released.ReleasedNetwork().high_pass.eval()
    images = torch.rand(2, 3, 256, 256) * torch.tensor([1.0, 0.3])[:, None, None, None]
    with torch.inference_mode():
        beside_itself, beside_another = branch(images[[0, 0]])[0], branch(images)[0]
    assert (beside_itself - beside_another).abs().max() > 1e-3


def test_pictures_predicted_together_are_each_alone() -> None:
    """What `predict` makes of a picture paired with itself, for any number of pictures at once."""
    torch.manual_seed(0)
    model = released.Released(released.ReleasedNetwork().eval(), ())
    pictures = np.random.default_rng(0).integers(0, 256, (4, 256, 256, 3)).astype(np.float32) / 255
    together = model.predict_alone(pictures)
    np.testing.assert_allclose(together[3], model.predict_alone(pictures[3:])[0], atol=1e-5)
    np.testing.assert_allclose(together[0], model.predict(pictures[0]), atol=1e-5)


def test_loads_every_weight_and_names_the_unused(tmp_path: Path) -> None:
    state = checkpoint()
    assert sum(weight.numel() for weight in state.values()) == 624_263
    torch.save(state, tmp_path / "weights.pth")
    model = released.load_released(tmp_path / "weights.pth")
    assert model.unused == tuple(released.UNUSED)
    assert not model.network.training
    for name, weight in model.network.state_dict().items():
        assert torch.equal(weight, state[their_name(name)]), name


def test_predicts_at_the_size_of_the_picture(tmp_path: Path) -> None:
    torch.save(checkpoint(), tmp_path / "weights.pth")
    model = released.load_released(tmp_path / "weights.pth")
    image = np.random.default_rng(0).uniform(size=(40, 61, 3)).astype(np.float32)
    residual = model.predict(image)
    assert residual.shape == (40, 61)
    assert residual.dtype == np.float32
    assert np.isfinite(residual).all()
    with pytest.raises(LuxelError, match="uint8"):
        model.predict((image * 255).astype(np.uint8))
    with pytest.raises(LuxelError, match=r"\(40, 61\)"):
        model.predict(image[..., 0])


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda state: state.pop("encoder.conv3.conv.bias"), "high_pass.paths.3.conv.conv.bias"),
        (lambda state: state.pop("Low.conv.bias"), "Low.conv.bias"),
        (lambda state: state.update({"Low.conv.bias": torch.zeros(4)}), "Low.conv.bias"),
        (lambda state: state.update({"surplus": torch.zeros(1)}), "surplus"),
        (lambda state: state.update({"ffa_group.pre.0.bias": torch.zeros(1)}), "image_branch.pre.bias"),
    ],
)
def test_rejects_other_weights(tmp_path: Path, harm, said: str) -> None:
    state = checkpoint()
    harm(state)
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=said) as error:
        released.load_released(tmp_path / "weights.pth")
    assert "\n" not in str(error.value)


def test_rejects_files_that_are_not_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        released.load_released(tmp_path / "missing.pth")
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(WeightsError, match=r"text\.pth"):
        released.load_released(tmp_path / "text.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds a list"):
        released.load_released(tmp_path / "list.pth")


@pytest.mark.parametrize(
    ("picture", "mean", "low", "high"),
    [("test1_high.jpg", -0.2450, -0.4877, 0.1535), ("test_low.jpg", 0.3335, 0.1381, 0.5259)],
)
def test_known_outputs(
    model: released.Released, folder: Path, picture: str, mean: float, low: float, high: float
) -> None:
    with Image.open(folder / picture) as opened:
        small = opened.convert("RGB").resize((256, 256), Image.Resampling.BILINEAR)
    residual = model.predict(np.asarray(small, dtype=np.float32) / 255.0)
    assert (residual.mean(), residual.min(), residual.max()) == pytest.approx((mean, low, high), abs=6e-5)
