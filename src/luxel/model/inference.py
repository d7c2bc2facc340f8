"""Weights in torch as an inference engine: for graphics processors, with batches of equal shape."""

from pathlib import Path

import torch

from luxel.assessment.runtime import MAX_PRECISION_LOSS, mean_difference
from luxel.errors import LuxelError
from luxel.model.weights import load_model
from luxel.photometry import FloatArray


class TorchNetwork:
    """Weights in torch; on a graphics processor in float16 where the maps hold (`MAX_PRECISION_LOSS`).

    path: .onnx weights. threads: processor threads; None leaves the number to torch. device: "cpu" or "cuda".
    Raises LuxelError where there is no such device, WeightsError for weights that cannot be read.
    """

    backend = "torch"

    def __init__(self, path: Path, threads: int | None, device: str) -> None:
        if device not in ("cpu", "cuda"):
            raise LuxelError(f"device {device}: torch runs on cpu or cuda here; choose backend onnxruntime for it")
        if device == "cuda" and not torch.cuda.is_available():
            raise LuxelError(
                "device cuda: torch finds no graphics processor; check the driver, or leave the device out"
            )
        if threads is not None and device == "cpu":
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._network = load_model(path).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._half = False
        if device == "cuda":
            exact = _Half(self, False)
            self._half = mean_difference(_Half(self, True), exact) < MAX_PRECISION_LOSS

    @property
    def precision(self) -> str:
        """Name of the number format that the network computes in."""
        return "float16" if self._half else "float32"

    def __call__(self, batch: FloatArray) -> FloatArray:
        return self._run(batch, self._half)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Residual maps [B, 1, H, W], on the device, of images [B, 3, H, W] in [0, 1] there, sRGB-encoded."""
        return self._maps(images, self._half)

    def _maps(self, images: torch.Tensor, half: bool) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast(self._device.type, torch.float16, enabled=half):
            residual: torch.Tensor = self._network(images.contiguous(memory_format=torch.channels_last))
        return residual.float()

    def _run(self, batch: FloatArray, half: bool) -> FloatArray:
        residual: FloatArray = self._maps(torch.from_numpy(batch).to(self._device), half).cpu().numpy()
        return residual


class _Half:
    """The same network with the precision fixed, for the comparison."""

    backend = "torch"

    def __init__(self, network: TorchNetwork, half: bool) -> None:
        self._network, self._precision = network, half

    def __call__(self, batch: FloatArray) -> FloatArray:
        return self._network._run(batch, self._precision)
