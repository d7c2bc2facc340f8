"""What the ImageNet backbones share: how they start, how a user's own weights come in, and when they stay frozen.

The backbones themselves stand in `resnet`, `vgg`, `mobilenet` and `inception`. Their state-dict keys are those of the
published files (torchvision's; for Inception-ResNet-v2 the ones its PyTorch ports share), so a file loads as it is.
"""

from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from luxel.errors import WeightsError
from luxel.model.torch_files import read_torch

WRAPPERS = ("state_dict", "model")
"""Names under which training scripts file the weights inside a checkpoint."""

PREFIXES = ("module.", "encoder.")
"""What wrappers put before every key: data parallel training, and a backbone saved with its projector."""

CLASSIFIERS = ("fc.", "classifier.", "classif.", "last_linear.", "head.")
"""Keys of output layers, dropped where the backbone has none."""


class Backbone(nn.Module):
    """A convolutional backbone.

    freezes: whether it stops training once `load_backbone` has given it weights, as in methods that only train what
    follows. frozen: whether that has happened; its batch norms then keep their statistics in training mode too.
    """

    def __init__(self, *, freezes: bool = False) -> None:
        super().__init__()
        self.freezes = freezes
        self.frozen = False

    def freeze(self) -> None:
        """Keep every parameter and every statistic as it is from now on."""
        self.requires_grad_(False)
        self.frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        return super().train(mode and not self.frozen)


def find_backbones(network: nn.Module) -> dict[str, Backbone]:
    """The backbones inside a network by their name in it: what a user can give weights to."""
    return {name: module for name, module in network.named_modules() if isinstance(module, Backbone)}


def load_backbone(module: nn.Module, path: str | Path) -> None:
    """Give a backbone the weights of a file; freezes it if it is one that `freezes`.

    path: .safetensors, or a state dict saved by torch, bare or inside a checkpoint. Output layers the backbone does not
    have are dropped. Raises WeightsError naming the first key that is missing, of another shape, or unknown.
    """
    path = Path(path)
    state = _bare(_read(path))
    wanted = module.state_dict()
    kind = type(module).__name__
    for key, value in wanted.items():
        if key not in state:
            if key.endswith("num_batches_tracked"):  # files older than that counter lack it
                state[key] = value
                continue
            raise WeightsError(f"{path}: lacks {key}; give weights of this {kind}")
        if state[key].shape != value.shape:
            has, needs = tuple(state[key].shape), tuple(value.shape)
            raise WeightsError(f"{path}: {key} is {has}, not {needs}; give weights of this {kind}")
    for key in state:
        if key not in wanted and not key.startswith(CLASSIFIERS):
            raise WeightsError(f"{path}: has {key}, which this {kind} lacks; give weights of this {kind}")
    module.load_state_dict({key: state[key] for key in wanted})
    if isinstance(module, Backbone) and module.freezes:
        module.freeze()


def initialise(module: nn.Module) -> None:
    """Random weights for everything below: He's normal by fan-out for convolutions, N(0, 0.01) for linear layers."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=1e-2)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _read(path: Path) -> object:
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; give weights as .safetensors or .pth")
    if path.suffix != ".safetensors":
        return read_torch(path, remedy="give a state dict with tensors only")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error


def _bare(content: object) -> dict[str, torch.Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    state: dict[str, torch.Tensor] = {}
    for key, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, torch.Tensor):
            for prefix in PREFIXES:
                key = key.removeprefix(prefix)
            state[key] = value
    return state
