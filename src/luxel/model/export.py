"""ONNX export of the network, any batch and picture size, and the parity check between the two formats."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from luxel.errors import WeightsError
from luxel.jobs.atomic import write_file
from luxel.model.network import MULTIPLE, PIEANet

OPSET = 18
MAX_DIFFERENCE = 1e-3
"""Largest difference of a map value that still counts as the same network in another format."""


def export_onnx(network: PIEANet, path: Path, *, facts: dict[str, Any] | None = None) -> None:
    """Write the network as ONNX: input "image" [B, 3, H, W] in [0, 1], output "residual" [B, 1, H, W] in [-1, 1].

    facts: name, licence and so on, kept in the file's metadata. Raises WeightsError if the written file does not give
    the network's maps (within `MAX_DIFFERENCE`) on random pictures of several sizes.
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
    for key, value in (facts or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)
    onnx.checker.check_model(model)
    write_file(path, model.SerializeToString(), error=WeightsError)
    difference = largest_difference(network, path)
    if difference > MAX_DIFFERENCE:
        raise WeightsError(f"{path}: ONNX and torch maps differ by {difference:.5f}; do not publish this file")


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
