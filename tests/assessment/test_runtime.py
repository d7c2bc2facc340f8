"""Inference engines behind one call: the contract, agreement between engines, and every rejection."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from luxel.assessment import runtime
from luxel.errors import LuxelError, MissingExtraError, WeightsError
from luxel.photometry import lightness
from stand_ins import onnx_files


@pytest.fixture(params=list(runtime.BACKENDS))
def backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return onnx_files.grey_target(tmp_path / "box5.onnx", size=5)


def batch(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_the_map_is_what_the_graph_says(backend: str, tmp_path: Path) -> None:
    network = runtime.load(onnx_files.grey_target(tmp_path / "grey.onnx"), backend=backend)
    for shape in ((1, 3, 32, 48), (2, 3, 9, 101), (3, 3, 8, 8)):
        images = batch(*shape)
        expected = 0.5 - lightness(np.moveaxis(images, 1, -1))[:, None]
        result = network(images)
        assert result.dtype == np.float32
        assert network.backend == backend
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_a_map_does_not_depend_on_the_rest_of_its_batch(backend: str, weights: Path) -> None:
    network = runtime.load(weights, backend=backend)
    images = batch(4, 3, 20, 30)
    together = network(images)
    for i in range(4):
        np.testing.assert_allclose(network(images[i : i + 1])[0], together[i], atol=1e-6)


def test_results_are_kept_apart_across_calls_and_threads(backend: str, weights: Path) -> None:
    network = runtime.load(weights, backend=backend, threads=1)
    images = [batch(1, 3, 16 + 8 * (i % 3), 40, seed=i) for i in range(24)]
    alone = [network(image).copy() for image in images]
    kept = [network(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        parallel = list(pool.map(network, images))
    for one, two, three in zip(alone, kept, parallel, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_engines_agree(weights: Path) -> None:
    pytest.importorskip("openvino")
    images = batch(1, 3, 65, 33)
    one, two = (runtime.load(weights, backend=name)(images) for name in ("onnxruntime", "openvino"))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_auto_takes_the_best_installed_engine(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "processor_has_amx", lambda: False)
    assert runtime.load(weights).backend == "onnxruntime"
    pytest.importorskip("openvino")
    find_spec = runtime.find_spec
    monkeypatch.setattr(runtime, "find_spec", lambda name: None if name == "onnxruntime" else find_spec(name))
    assert runtime.load(weights).backend == "openvino"


def test_predict_takes_pictures_smaller_than_the_network_does(weights: Path) -> None:
    network = runtime.load(weights)
    for height, width in ((1, 64), (64, 1), (3, 40), (1, 5000)):
        image = batch(height, width, 3)
        result = runtime.predict(network, image)
        assert result.shape == (height, width)
        # Continued by edge pixels, the 5 x 5 means are those of the picture with edge padding.
        padded = np.pad(lightness(image), 2, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
        np.testing.assert_allclose(result, 0.5 - windows.mean(axis=(2, 3)), atol=1e-5)


def test_damaged_weights_are_not_passed_off_as_a_map(tmp_path: Path) -> None:
    network = runtime.load(onnx_files.not_a_number(tmp_path / "nan.onnx"))
    with pytest.raises(WeightsError, match="not finite numbers"):
        runtime.predict(network, batch(16, 16, 3))


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ({"outputs": ("residual", 1, ["B", 3, "H", "W"])}, "output residual is"),
        ({"inputs": ("image", 1, [1, 3, 64, 64])}, "takes one size only"),
        ({"inputs": ("image", 1, ["B", 3, "H", 64])}, "takes one size only"),
    ],
)
def test_graphs_outside_the_contract_are_rejected(backend: str, tmp_path: Path, ports: dict, message: str) -> None:
    identity = [onnx_files.helper.make_node("Identity", ["image"], ["residual"])]
    path = tmp_path / "other.onnx"
    if "outputs" in ports:
        onnx_files.save_graph(path, identity, {}, **ports)
    else:
        onnx_files.grey_target(path, **ports)
    with pytest.raises(WeightsError, match=message):
        runtime.load(path, backend=backend)


@pytest.mark.parametrize(("names", "wrong"), [(("picture", "residual"), "input"), (("image", "score"), "output")])
def test_wrong_names_are_rejected(backend: str, tmp_path: Path, names: tuple[str, str], wrong: str) -> None:
    shape = ["B", 3, "H", "W"]
    nodes = [onnx_files.helper.make_node("Identity", [names[0]], [names[1]])]
    path = onnx_files.save_graph(
        tmp_path / "named.onnx", nodes, {}, inputs=(names[0], 1, shape), outputs=(names[1], 1, shape)
    )
    with pytest.raises(WeightsError, match=rf"{wrong} is named .*not a luxel network"):
        runtime.load(path, backend=backend)


def test_missing_and_broken_files_are_rejected(backend: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.onnx: no such weights file"):
        runtime.load(tmp_path / "absent.onnx", backend=backend)
    with pytest.raises(WeightsError, match="no such weights file"):
        runtime.load(tmp_path, backend=backend)
    for content in (b"", b"not a network at all"):
        broken = tmp_path / "broken.onnx"
        broken.write_bytes(content)
        with pytest.raises(WeightsError, match=r"broken\.onnx: ") as caught:
            runtime.load(broken, backend=backend)
        assert "\n" not in str(caught.value)


def test_unknown_and_missing_engines_are_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LuxelError, match="backend 'tflite' is unknown; choose auto, onnxruntime, openvino"):
        runtime.load(weights, backend="tflite")
    with pytest.raises(LuxelError, match="threads=0"):
        runtime.load(weights, threads=0)
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install openvino"):
        runtime.load(weights, backend="openvino")
    with pytest.raises(LuxelError, match="onnxruntime is not installed"):
        runtime.load(weights)


def test_importing_the_product_path_loads_no_engine() -> None:
    code = (
        "import sys, luxel.assessment.assessor, luxel.assessment.runtime;"
        "print(*sorted({'torch', 'onnxruntime', 'openvino', 'scipy', 'cv2'} & sys.modules.keys()))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []


class Shifted:
    """A stand-in for an engine whose maps are off by a constant."""

    def __init__(self, network: runtime.Network, shift: float) -> None:
        self.network, self.shift, self.backend = network, shift, "shifted"

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return self.network(batch) + np.float32(self.shift)


@pytest.mark.parametrize(("amx", "shift", "taken"), [(True, 0.001, True), (True, 0.003, False), (False, 0.0, False)])
def test_bfloat16_is_taken_only_with_amx_and_where_the_maps_hold(
    weights: Path, monkeypatch: pytest.MonkeyPatch, amx: bool, shift: float, taken: bool
) -> None:
    plain = runtime.load(weights, backend="onnxruntime")
    monkeypatch.setattr(runtime, "find_spec", lambda name: name)
    monkeypatch.setattr(runtime, "processor_has_amx", lambda: amx)
    monkeypatch.setattr(runtime, "OpenVinoNetwork", lambda path, threads, precision: Shifted(plain, shift))
    assert (runtime.load(weights).backend == "shifted") == taken
    assert runtime.load(weights, backend="onnxruntime").backend == "onnxruntime"


def test_bfloat16_hint_still_gives_the_map(weights: Path) -> None:
    pytest.importorskip("openvino")
    images = batch(1, 3, 65, 33)
    fast = runtime.OpenVinoNetwork(weights, 1, precision="bf16")
    assert runtime.mean_difference(fast, runtime.load(weights, backend="onnxruntime")) < 0.01
    assert fast(images).shape == runtime.load(weights, backend="onnxruntime")(images).shape
