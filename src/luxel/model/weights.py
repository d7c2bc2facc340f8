"""Weights of the network in torch: read from ONNX or safetensors, written as safetensors."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from luxel.assessment.weights import locate
from luxel.errors import WeightsError
from luxel.jobs.atomic import write_file
from luxel.model.export import ARCHITECTURE, read_onnx
from luxel.model.lightness import LightnessModule
from luxel.model.network import LIGHTNESS_WIDTHS, STRUCTURE_WIDTHS, PIEANet, build
from luxel.model.structure import StructureModule

FORMATS = (".onnx", ".safetensors")
"""Endings of weights that torch can be given: the one that luxel contains, and the one that is common for torch."""


def architecture(network: PIEANet, *, wavelet: str, without: str) -> str:
    """What `load_model` needs to build a network again, as JSON for the metadata of a file.

    network: the network.
    wavelet: name of the wavelet it was built with.
    without: the ablation it was built as, "none" for the whole network.

    >>> architecture(build(), wavelet="haar", without="none")[:40]
    '{"wavelet": "haar", "without": "none", "'
    """
    return json.dumps(
        {
            "wavelet": wavelet,
            "without": without,
            "channels": network.channels,
            "structure_widths": _widths(network.structure),
            "lightness_widths": _widths(network.lightness),
            "prediction_width": network.prediction_width,
        }
    )


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
    from safetensors.torch import save

    metadata = {
        ARCHITECTURE: architecture(network, wavelet=wavelet, without=without),
        "facts": json.dumps(facts or {}),
    }
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    write_file(path, save(tensors, metadata=metadata), error=WeightsError)


def load_into(network: PIEANet, path: Path | None = None) -> None:
    """Loads weights into a network of the same shape.

    network: built with the widths of the weights.
    path: an .onnx or .safetensors file written by luxel; None for the shipped weights.
    Raises WeightsError if the file cannot be read or the weights do not fit.

    >>> network = build()
    >>> load_into(network)
    """
    path = locate(path, suffixes=FORMATS)
    _load(network, path, _read(path)[0])


def load_model(weights: str | Path | None = None) -> PIEANet:
    """The torch network with weights, ready for inference: [B, 3, H, W] in [0, 1] to [B, 1, H, W] in [-1, 1].

    weights: an .onnx or .safetensors file written by luxel, or None for the shipped ones.
    Raises WeightsError if the file cannot be read or is not luxel's.

    >>> import torch
    >>> with torch.inference_mode():
    ...     residual = load_model()(torch.full((1, 3, 64, 96), 0.1))
    >>> list(residual.shape), bool(residual.mean() > 0.1)
    ([1, 1, 64, 96], True)
    """
    path = locate(weights, suffixes=FORMATS)
    state, metadata = _read(path)
    if ARCHITECTURE not in metadata:
        raise WeightsError(f"{path}: no luxel architecture in its metadata; use a file written by luxel export")
    try:
        a = json.loads(metadata[ARCHITECTURE])
        network = build(
            wavelet=a["wavelet"],
            without=a["without"],
            channels=a["channels"],
            structure_widths=tuple(a["structure_widths"] or STRUCTURE_WIDTHS),
            lightness_widths=tuple(a["lightness_widths"] or LIGHTNESS_WIDTHS),
            prediction_width=a["prediction_width"],
        )
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{path}: its architecture is not one of luxel's ({error}); export it again") from error
    _load(network, path, state)
    return network.eval()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """State and metadata of a weights file of either format."""
    if path.suffix.lower() == ".onnx":
        return read_onnx(path)
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
        return load_file(path), metadata
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error


def _load(network: PIEANet, path: Path, state: dict[str, Tensor]) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{path}: weights of another network ({reason}); use the recipe they came with") from error


def _widths(module: StructureModule | LightnessModule | None) -> tuple[int, ...] | None:
    return None if module is None else module.widths
