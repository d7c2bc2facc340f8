"""Runs exported weights: one call for every inference engine and device. Without torch, unless that is asked for.

A network here is `float32 [B, 3, H, W] in [0, 1], sRGB-encoded -> float32 [B, 1, H, W] in [-1, 1]`, any B, H, W >= 8.
"""

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import local
from typing import Any, Literal, Protocol

import numpy as np

from luxel.errors import LuxelError, MissingExtraError, WeightsError, missing_packages
from luxel.jobs.cores import usable_cores
from luxel.photometry import FloatArray

INPUT, OUTPUT = "image", "residual"
"""Names of the input and the output in the exported graph."""

MIN_SIDE = 8
"""Smallest height and width the exported graph takes."""

Backend = Literal["auto", "onnxruntime", "openvino", "torch"]

Device = Literal["cpu", "cuda", "coreml", "directml"]

PROVIDERS: dict[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""Device -> what ONNX Runtime calls it. Which of them there are depends on the package of ONNX Runtime."""


class Network(Protocol):
    """What every backend is once loaded. Calls from several threads at once are allowed."""

    backend: str

    def __call__(self, batch: FloatArray) -> FloatArray:
        """Residual maps [B, 1, H, W] of pictures [B, 3, H, W] in [0, 1]."""


class OnnxRuntimeNetwork:
    """Weights in ONNX Runtime."""

    backend = "onnxruntime"

    def __init__(self, path: Path, threads: int | None, device: Device = "cpu") -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it would report its use, and write a file into /tmp
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: one per physical core.
        # Measured on two cores, 256x256: the arena halves the time at large sizes; memory patterns only add resident
        # memory when sizes vary; threads that spin while they wait treble the time as soon as anything else runs.
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # Errors come back as exceptions; warnings would only clutter the terminal.
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=[PROVIDERS[device]])
        except Exception as error:  # The engine's errors share no narrower base class.
            raise _unreadable(path, error) from error
        _check_contract(
            path,
            [(i.name, i.type == "tensor(float)", i.shape) for i in self._session.get_inputs()],
            [(o.name, o.type == "tensor(float)", o.shape) for o in self._session.get_outputs()],
        )

    def __call__(self, batch: FloatArray) -> FloatArray:
        result: FloatArray = self._session.run([OUTPUT], {INPUT: batch})[0]
        return result


class OpenVinoNetwork:
    """Weights in OpenVINO, in float32, or in bfloat16 where the processor has AMX and the maps hold (`load`)."""

    backend = "openvino"

    def __init__(self, path: Path, threads: int | None, *, precision: Literal["f32", "bf16"] = "f32") -> None:
        import openvino

        core = openvino.Core()
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            model = core.read_model(path)
        except RuntimeError as error:
            raise _unreadable(path, error) from error
        inputs, outputs = (
            [
                (
                    port.any_name,
                    port.element_type == openvino.Type.f32,
                    [None if d.is_dynamic else d.get_length() for d in port.partial_shape],
                )
                for port in ports
            ]
            for ports in (model.inputs, model.outputs)
        )
        _check_contract(path, inputs, outputs)
        self._model = core.compile_model(model, "CPU", settings)
        self._requests = local()  # A request serves one call at a time, so each thread has its own.

    def __call__(self, batch: FloatArray) -> FloatArray:
        if not hasattr(self._requests, "mine"):
            self._requests.mine = self._model.create_infer_request()
        results = self._requests.mine.infer({INPUT: batch}, share_inputs=True)
        return np.array(results[OUTPUT], dtype=np.float32)


BACKENDS: dict[str, Callable[[Path, int | None], Network]] = {
    "onnxruntime": OnnxRuntimeNetwork,
    "openvino": OpenVinoNetwork,
}
"""Engine name (also its module's and its extra's) to class, best first: with equal speed per picture, ONNX Runtime
loads in 0.2 s against 2 s and needs half the memory."""


_TORCH = "luxel.model.inference"
"""Module of the engine that uses torch. By name, because it is above this one, and few installs have torch."""


def load(path: str | Path, *, backend: Backend = "auto", threads: int | None = None, device: Device = "cpu") -> Network:
    """A network ready to run.

    path: exported weights (.onnx). backend: an engine, or "auto": ONNX Runtime, or OpenVINO in bfloat16 where it is
    installed, the processor has AMX and the maps differ by less than `MAX_PRECISION_LOSS`. threads: processor
    threads for one call; None for one per usable core (`luxel.jobs.cores.usable_cores`).
    device: what computes; "auto" takes ONNX Runtime if its package knows the device, else torch for "cuda".
    Raises WeightsError if the file is missing, is not ONNX, or is not a residual network; MissingExtraError if the
    engine is not installed; LuxelError for an unknown engine or a thread count below 1.
    """
    if threads is not None and threads < 1:
        raise LuxelError(f"threads={threads}: give 1 or more, or None for one per core")
    if threads is None and (usable := usable_cores()) != os.cpu_count():
        threads = usable  # Engines count the machine's cores, not those that this process may use.
    if device not in PROVIDERS:
        raise LuxelError(f"device {device!r} is unknown; choose {', '.join(PROVIDERS)}")
    if backend == "torch" or device != "cpu":
        return _on_device(Path(path), backend, threads, device)
    installed = [name for name in BACKENDS if find_spec(name)]
    name = next(iter(installed), "onnxruntime") if backend == "auto" else backend
    if name not in BACKENDS:
        raise LuxelError(f"backend {name!r} is unknown; choose auto, {', '.join(BACKENDS)}, torch")
    if name not in installed:
        if name == "openvino":
            raise MissingExtraError("backend openvino", "openvino")
        raise LuxelError(f"{name} is not installed, though luxel depends on it: pip install {name}")
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file; give a path to .onnx weights")
    network = BACKENDS[name](path, threads)
    if backend == "auto" and "openvino" in installed and processor_has_amx():
        fast = OpenVinoNetwork(path, threads, precision="bf16")
        if mean_difference(fast, network) < MAX_PRECISION_LOSS:
            return fast
    return network


def _on_device(path: Path, backend: Backend, threads: int | None, device: Device) -> Network:
    """A network that does not run on the processor by ONNX Runtime or OpenVINO."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file; give a path to .onnx weights")
    if backend in ("auto", "onnxruntime"):
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        if PROVIDERS[device] in onnxruntime.get_available_providers():
            return OnnxRuntimeNetwork(path, threads, device)
        if backend == "onnxruntime" or device != "cuda":
            raise LuxelError(
                f"device {device}: this ONNX Runtime has no {PROVIDERS[device]}; install the package of it that has, "
                "or leave the device out"
            )
    elif backend == "openvino":
        raise LuxelError(f"device {device}: OpenVINO runs on the processor here; choose backend auto or onnxruntime")
    if missing_packages("torch"):
        raise MissingExtraError(f"device {device} with torch", "torch")
    network: Network = import_module(_TORCH).TorchNetwork(path, threads, device)
    return network


MAX_PRECISION_LOSS = 0.002
"""Mean difference of two maps up to which a faster, less precise engine is taken by itself."""


def processor_has_amx() -> bool:
    """Whether the processor has Intel AMX for bfloat16: there OpenVINO is several times faster than in float32."""
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and "amx_bf16" in flags.read_text()


def mean_difference(one: Network, other: Network) -> float:
    """Mean absolute difference of two networks' maps over a ramp with noise at three exposures."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 128, dtype=np.float32)
    scene = np.clip(ramp[:, None] * ramp[None] + 0.1 * rng.standard_normal((3, 128, 128), dtype=np.float32), 0, 1)
    batches = [np.ascontiguousarray(scene[None] ** np.float32(power)) for power in (0.4, 1.0, 3.0)]
    return float(np.mean([np.abs(one(batch) - other(batch)).mean() for batch in batches]))


def predict(network: Network, image: FloatArray) -> FloatArray:
    """Residual map of one picture, whole.

    image: [H, W, 3] float32, sRGB-encoded, in [0, 1]; sides below 8 are continued by their edge pixels for the network
    and cut again. Returns float32 [H, W]. Raises WeightsError if the network gives values that are not numbers.
    """
    residual: FloatArray = predict_batch(network, [image])[0]
    return residual


def predict_batch(network: Network, images: Sequence[FloatArray]) -> FloatArray:
    """Residual maps of images of one size, in one call of the network: float32 [B, H, W]; as `predict`."""
    height, width = images[0].shape[:2]
    short = [(0, max(0, MIN_SIDE - side)) for side in (height, width)]
    batch = np.pad(np.stack([image.transpose(2, 0, 1) for image in images]), [(0, 0), (0, 0), *short], mode="edge")
    residual: FloatArray = network(np.ascontiguousarray(batch))[:, 0, :height, :width]
    if not np.isfinite(residual).all():
        raise WeightsError("the network gave values that are not finite numbers; its weights are damaged or diverged")
    return residual


_Port = tuple[str, bool, list[int | str | None]]


def _check_contract(path: Path, inputs: list[_Port], outputs: list[_Port]) -> None:
    """Raises WeightsError unless the graph is one float32 [B, 3, H, W] `image` in, one [B, 1, H, W] `residual` out."""
    for role, ports, expected, channels in (("input", inputs, INPUT, 3), ("output", outputs, OUTPUT, 1)):
        names = ", ".join(name for name, _, _ in ports)
        if names != expected:
            raise WeightsError(f"{path}: {role} is named {names}, not {expected}; this is not a luxel network")
        _, is_float, shape = ports[0]
        if not is_float or len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != channels):
            raise WeightsError(f"{path}: {role} {expected} is {shape}, not float32 [B, {channels}, H, W]")
    fixed = [side for side in inputs[0][2][2:] if isinstance(side, int)]
    if fixed:
        raise WeightsError(f"{path}: takes one size only ({inputs[0][2]}); export it with free height and width")


def _unreadable(path: Path, error: Exception) -> WeightsError:
    return WeightsError(f"{path}: not a readable ONNX network ({str(error).strip().partition(chr(10))[0]})")
