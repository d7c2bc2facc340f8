"""Torch as an engine, devices, and several images in one call of the network."""

from pathlib import Path

import numpy as np
import pytest

from luxel.assessment import runtime
from luxel.assessment.assessor import Assessor
from luxel.assessment.weights import locate
from luxel.errors import ImageError, LuxelError


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_batch_gives_what_each_image_gives_alone() -> None:
    assessor = Assessor(backend="onnxruntime")
    images = [noise(64, 96), noise(96, 64), b"no picture", noise(64, 96, 1), noise(300, 450), noise(9, 9)]
    for full_size in (True, False):
        together = assessor.assess_batch(images, full_size=full_size)
        assert isinstance(together[2], ImageError)
        for image, found in zip(images, together, strict=True):
            if not isinstance(image, bytes):
                alone = assessor.assess(image, full_size=full_size)
                np.testing.assert_allclose(found.residual, alone.residual, atol=1e-5)
                assert found.to_row() == pytest.approx(alone.to_row(), abs=1e-4)
    assert assessor.assess_batch([]) == []


def test_one_working_size_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assessor = Assessor(backend="onnxruntime")
    sizes = []

    def counted(batch: np.ndarray) -> np.ndarray:
        sizes.append(batch.shape)
        return np.zeros((len(batch), 1, *batch.shape[2:]), np.float32)

    monkeypatch.setattr(assessor, "_network", counted)
    assessor.assess_batch([noise(64, 96), noise(96, 64), noise(64, 96)])
    assert sorted(sizes) == [(1, 3, 96, 64), (2, 3, 64, 96)]


def test_torch_gives_the_maps_of_the_other_engines() -> None:
    pytest.importorskip("torch", reason="needs luxel[torch]")
    pytest.importorskip("onnx", reason="needs luxel[torch]")
    network = runtime.load(locate(), backend="torch", threads=1)
    assert network.backend == "torch"
    assert runtime.mean_difference(network, runtime.load(locate(), backend="onnxruntime")) < 1e-5


def test_devices_that_are_not_there(tmp_path: Path) -> None:
    for options, words in (
        ({"device": "directml"}, "device directml: this ONNX Runtime has no DmlExecutionProvider"),
        ({"device": "coreml", "backend": "torch"}, "device coreml: torch runs on cpu or cuda"),
        ({"device": "cuda", "backend": "openvino"}, "device cuda: OpenVINO runs on the processor"),
        ({"device": "tpu"}, "device 'tpu' is unknown; choose cpu, cuda, coreml, directml"),
    ):
        with pytest.raises(LuxelError, match=words):
            runtime.load(locate(), **options)


def test_cuda_is_used_or_named() -> None:
    torch = pytest.importorskip("torch", reason="needs luxel[torch]")
    if torch.cuda.is_available():
        exact, fast = runtime.load(locate()), runtime.load(locate(), device="cuda")
        assert runtime.mean_difference(exact, fast) < runtime.MAX_PRECISION_LOSS
        return
    with pytest.raises(LuxelError, match=r"device cuda: (torch finds no graphics processor|this ONNX Runtime)"):
        Assessor(device="cuda")
