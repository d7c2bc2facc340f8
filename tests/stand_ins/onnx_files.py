"""Small honest networks for tests, in the form of exported weights: local, computable by hand, no training.

Each writes an ONNX graph with the contract of `luxel.assessment.runtime`: image [B, 3, H, W] in, residual [B, 1, H, W]
out.
"""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the stand-in networks are built with onnx, part of luxel[train]")
helper = pytest.importorskip("onnx.helper")
FLOAT = 1

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def save_graph(
    path: Path,
    nodes: list,
    constants: dict[str, np.ndarray],
    *,
    inputs: tuple = ("image", FLOAT, ["B", 3, "H", "W"]),
    outputs: tuple = ("residual", FLOAT, ["B", 1, "H", "W"]),
) -> Path:
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(*inputs)],
        [helper.make_tensor_value_info(*outputs)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def grey_target(path: Path, *, size: int = 1, **ports: tuple) -> Path:
    """r = 0.5 - mean of Y' over a size x size window: looks (size - 1) / 2 pixels to each side."""
    reach = size // 2
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "bias"], ["low"]),
        helper.make_node("Pad", ["low", "pads"], ["padded"], mode="edge"),
        helper.make_node("AveragePool", ["padded"], ["rows"], kernel_shape=[size, 1]),
        helper.make_node("AveragePool", ["rows"], ["residual"], kernel_shape=[1, size]),
    ]
    constants = {
        "kernel": -LUMA[None, :, None, None],
        "bias": np.array([0.5], dtype=np.float32),
        "pads": np.array([0, 0, reach, reach] * 2, dtype=np.int64),
    }
    return save_graph(path, nodes, constants, **ports)


def blocks(path: Path, *, size: int) -> Path:
    """r = 0.5 - mean of Y' over blocks of a fixed size x size grid; only for sides that are multiples of size."""
    nodes = [
        helper.make_node("AveragePool", ["image"], ["means"], kernel_shape=[size, size], strides=[size, size]),
        helper.make_node("Conv", ["means", "kernel", "bias"], ["low"]),
        helper.make_node("Resize", ["low", "", "scales"], ["residual"], mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric"),
    ]  # fmt: skip
    constants = {
        "kernel": -LUMA[None, :, None, None],
        "bias": np.array([0.5], dtype=np.float32),
        "scales": np.array([1, 1, size, size], dtype=np.float32),
    }
    return save_graph(path, nodes, constants)


def global_mean(path: Path) -> Path:
    """r = mean of Y' over the whole input - Y': looks at everything, as global attention does."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["lightness"]),
        helper.make_node("ReduceMean", ["lightness", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["mean", "lightness"], ["residual"]),
    ]
    constants = {"kernel": LUMA[None, :, None, None], "axes": np.array([2, 3], dtype=np.int64)}
    return save_graph(path, nodes, constants)


def not_a_number(path: Path) -> Path:
    """Gives NaN everywhere, as diverged weights do."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["lightness"]),
        helper.make_node("Mul", ["lightness", "nan"], ["residual"]),
    ]
    return save_graph(path, nodes, {"kernel": LUMA[None, :, None, None], "nan": np.array(np.nan, dtype=np.float32)})


def stops(path: Path, gain: float) -> Path:
    """r = Y' after a linear-light gain - Y', for encoded values above 0.05 (the power part of the sRGB curve)."""
    nodes = [
        helper.make_node("Add", ["image", "a"], ["n1"]),
        helper.make_node("Div", ["n1", "scale"], ["n2"]),
        helper.make_node("Pow", ["n2", "decode"], ["linear"]),
        helper.make_node("Mul", ["linear", "gain"], ["n3"]),
        helper.make_node("Pow", ["n3", "encode"], ["n4"]),
        helper.make_node("Mul", ["n4", "scale"], ["n5"]),
        helper.make_node("Sub", ["n5", "a"], ["n6"]),
        helper.make_node("Clip", ["n6", "zero", "one"], ["exposed"]),
        helper.make_node("Sub", ["exposed", "image"], ["change"]),
        helper.make_node("Conv", ["change", "kernel"], ["residual"]),
    ]
    numbers = {"a": 0.055, "scale": 1.055, "decode": 2.4, "encode": 1 / 2.4, "gain": gain, "zero": 0.0, "one": 1.0}
    constants = {name: np.array(value, dtype=np.float32) for name, value in numbers.items()}
    return save_graph(path, nodes, constants | {"kernel": LUMA[None, :, None, None]})
