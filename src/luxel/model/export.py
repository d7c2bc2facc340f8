"""The network as ONNX, for any batch and image size: writing it, reading its weights back into torch, the parity check.

One file serves inference engines and torch, to the bit: the exporter keeps most parameters under their names as
initialisers of the graph; those that it folds into others stand in the metadata, where no engine looks.
"""

import json
import warnings
from base64 import b64decode, b64encode
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from luxel.errors import MissingExtraError, WeightsError
from luxel.jobs.atomic import write_file
from luxel.model.network import MULTIPLE, PIEANet

OPSET = 18
MAX_DIFFERENCE = 1e-3
"""Largest difference of a map value that still counts as the same network in another format."""

ARCHITECTURE = "architecture"
"""Key of the metadata with what `luxel.model.network.build` needs, as JSON."""

_FOLDED = "folded_parameters"
"""Key of the metadata with what the graph does not hold: a JSON list of TensorProto in base 64."""


def export_onnx(network: PIEANet, path: Path, *, facts: dict[str, Any] | None = None) -> None:
    """Write the network as ONNX: input "image" [B, 3, H, W] in [0, 1], output "residual" [B, 1, H, W] in [-1, 1].

    path: of the file, which `read_onnx` reads back.
    facts: name, licence, architecture and so on, kept in the file's metadata.

    Raises WeightsError if the written file does not give the network's maps (within `MAX_DIFFERENCE`) on random images
    of several sizes.
    """
    import onnx

    network = network.eval()
    example = torch.rand(2, 3, 3 * MULTIPLE + 5, 2 * MULTIPLE + 9)
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height", min=8), 3: torch.export.Dim("width", min=8)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["image"],
            output_names=["residual"],
            dynamic_shapes={"image": sizes},
            opset_version=OPSET,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _forget_origin(model)
    _add_folded(model, network)
    for key, value in (facts or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)
    onnx.checker.check_model(model)
    write_file(path, model.SerializeToString(), error=WeightsError)
    difference = largest_difference(network, path)
    if difference > MAX_DIFFERENCE:
        raise WeightsError(f"{path}: ONNX and torch maps differ by {difference:.5f}; do not publish this file")


def read_onnx(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The state of the network in an ONNX file written by `export_onnx`, and the file's metadata.

    Returns parameters and buffers by name, equal to the exported ones to the bit; those that the file lacks are left
    out. Raises WeightsError for a file that is not ONNX, MissingExtraError where the package onnx is not installed.
    """
    if find_spec("onnx") is None:
        raise MissingExtraError("reading ONNX weights into torch", "torch")
    import onnx

    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's errors share no base class with onnx's
        message = f"{path}: not an ONNX file ({_first_line(error)}); give weights written by luxel export"
        raise WeightsError(message) from error
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    try:
        folded = [onnx.TensorProto.FromString(b64decode(text)) for text in json.loads(metadata.pop(_FOLDED, "[]"))]
        # Names of parameters have dots; those of the exporter's own constants have none.
        tensors = [*(tensor for tensor in model.graph.initializer if "." in tensor.name), *folded]
        state = {tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()) for tensor in tensors}
    except Exception as error:
        raise WeightsError(f"{path}: its parameters cannot be read ({_first_line(error)}); export it again") from error
    return state, metadata


def _add_folded(model: Any, network: PIEANet) -> None:
    """Add to the metadata what is in the network's state but not, under its name and bit for bit, in the graph."""
    import onnx

    present = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    folded = []
    for name, value in network.state_dict().items():
        array = value.detach().cpu().numpy()
        if name not in present or not _same_bits(present[name], array):
            tensor = onnx.numpy_helper.from_array(array, name)
            folded.append(b64encode(tensor.SerializeToString()).decode("ascii"))
    model.metadata_props.add(key=_FOLDED, value=json.dumps(folded))


def _same_bits(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    return (one.dtype, one.shape) == (other.dtype, other.shape) and one.tobytes() == other.tobytes()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _forget_origin(model: Any) -> None:
    """Drop what the exporter notes about each node (stack traces with paths of this machine), a fifth of the file."""
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        del graph.metadata_props[:]
        graph.doc_string = ""
        for part in (*graph.node, *graph.value_info):
            del part.metadata_props[:]
            part.doc_string = ""
    del model.metadata_props[:]


def largest_difference(network: PIEANet, path: Path) -> float:
    """Largest difference between the torch and ONNX maps on random pictures of several sizes and batches."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for shape in ((1, 3, 256, 256), (2, 3, 75, 131), (1, 3, 8, 9), (1, 3, 192, 320)):
        image = torch.rand(shape, generator=generator)
        with torch.inference_mode():
            expected = network(image).numpy()
        found = session.run(["residual"], {"image": image.numpy()})[0]
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst
