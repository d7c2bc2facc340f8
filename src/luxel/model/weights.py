"""Weights of the network: safetensors in and out, with the facts about them beside."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from luxel.assessment.weights import locate
from luxel.errors import WeightsError
from luxel.jobs.atomic import write_file
from luxel.model.lightness import LightnessModule
from luxel.model.network import LIGHTNESS_WIDTHS, STRUCTURE_WIDTHS, PIEANet, build
from luxel.model.structure import StructureModule


def save_weights(
    network: PIEANet, path: Path, *, wavelet: str, without: str, facts: dict[str, Any] | None = None
) -> None:
    """Writes a network's weights as safetensors; what `load_model` needs to build it goes into the file's metadata.

    network: whose weights they are.
    path: the file, .safetensors.
    wavelet: name of the wavelet it was built with.
    without: the ablation it was built as, "none" for the whole network.
    facts: what else the file says of itself, as JSON values.
    Raises WeightsError if the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(load_model(), Path(folder) / "copy.safetensors", wavelet="haar", without="none")
    ...     type(load_model(Path(folder) / "copy.safetensors")).__name__
    'PIEANet'
    """
    architecture = {
        "wavelet": wavelet,
        "without": without,
        "channels": network.channels,
        "structure_widths": _widths(network.structure),
        "lightness_widths": _widths(network.lightness),
        "prediction_width": network.prediction_width,
    }
    metadata = {"architecture": json.dumps(architecture), "facts": json.dumps(facts or {})}
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    write_file(path, save(tensors, metadata=metadata), error=WeightsError)


def load_into(network: PIEANet, path: Path | None = None) -> None:
    """Loads weights into a network of the same shape.

    network: built with the widths of the weights.
    path: a .safetensors file written by luxel; None for the shipped weights.
    Raises WeightsError if the file cannot be read or the weights do not fit.

    >>> network = build()
    >>> load_into(network)
    """
    path = locate(path, suffix=".safetensors")
    try:
        state = load_file(path)
        network.load_state_dict(state)
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{path}: weights of another network ({reason}); use the recipe they came with") from error


def load_model(weights: str | Path | None = None) -> PIEANet:
    """The torch network with weights, ready for inference: [B, 3, H, W] in [0, 1] to [B, 1, H, W] in [-1, 1].

    weights: a .safetensors file written by luxel, or None for the shipped ones.
    Raises WeightsError if the file cannot be read or is not luxel's.

    >>> import torch
    >>> with torch.inference_mode():
    ...     residual = load_model()(torch.full((1, 3, 64, 96), 0.1))
    >>> list(residual.shape), bool(residual.mean() > 0.1)
    ([1, 1, 64, 96], True)
    """
    path = locate(weights, suffix=".safetensors")
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error
    if "architecture" not in metadata:
        raise WeightsError(f"{path}: no luxel architecture in its metadata; use a file written by luxel")
    a = json.loads(metadata["architecture"])
    network = build(
        wavelet=a["wavelet"],
        without=a["without"],
        channels=a["channels"],
        structure_widths=tuple(a["structure_widths"] or STRUCTURE_WIDTHS),
        lightness_widths=tuple(a["lightness_widths"] or LIGHTNESS_WIDTHS),
        prediction_width=a["prediction_width"],
    )
    load_into(network, path)
    return network.eval()


def _widths(module: StructureModule | LightnessModule | None) -> tuple[int, ...] | None:
    return None if module is None else module.widths
