"""Fig. 5: what the parts of P-IEANet make of a picture, read off by hooks on the network's named parts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from luxel.errors import LuxelError
from luxel.photometry import FloatArray, as_unit_float

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from luxel.model.network import PIEANet

LONG_RANGE, SHORT_RANGE = "structure.stages.0.long_range", "structure.stages.0.short_range"
PIXEL_ATTENTION = "lightness.stages.1.1.pixel"
CHANNEL_WEIGHTS = ("lightness.stages.1.1.channel.mlp", "lightness.stages.{last}.1.channel.mlp")


@dataclass(frozen=True, slots=True, eq=False)
class NetworkParts:
    """The parts of Fig. 5 for one picture.

    image: uint8 [H, W, 3], what the network saw.
    long_range, short_range: float32 [h, w], mean absolute feature of Z_l and Z_s, Eq. (3).
    pixel_attention: float32 [h, w], A_p of Eq. (6), in [0, 1].
    channel_weights: A_c of Eq. (5) of the first and the last stage that has it, float32 [C] each, in [0, 1].
    residual: float32 [H, W], the map.
    """

    image: npt.NDArray[np.uint8]
    long_range: FloatArray
    short_range: FloatArray
    pixel_attention: FloatArray
    channel_weights: tuple[FloatArray, FloatArray]
    residual: FloatArray


def features(network: "PIEANet", image: npt.NDArray[np.uint8]) -> NetworkParts:
    """What the named parts of a network give for a picture.

    network: P-IEANet with all of its modules, in evaluation mode.
    image: uint8 [H, W, 3], sRGB-encoded, at the size that the network is to see.
    Raises LuxelError for a network without its structure or lightness module.
    Source: Fig. 5; Eq. (3), (5), (6).
    """
    if network.structure is None or network.lightness is None:
        raise LuxelError("features: the network has no structure or lightness module; give complete weights")
    last = len(network.lightness.widths) - 1
    weights = tuple(name.format(last=last) for name in CHANNEL_WEIGHTS)
    named = dict(network.named_modules())
    found: dict[str, Tensor] = {}
    hooks = [
        named[name].register_forward_hook(_keep(found, name))
        for name in (LONG_RANGE, SHORT_RANGE, PIXEL_ATTENTION, *weights)
    ]
    try:
        with torch.inference_mode():
            residual = network(torch.from_numpy(as_unit_float(image)).permute(2, 0, 1)[None])
    finally:
        for hook in hooks:
            hook.remove()
    return NetworkParts(
        image,
        _numbers(found[LONG_RANGE][0].abs().mean(dim=0)),
        _numbers(found[SHORT_RANGE][0].abs().mean(dim=0)),
        _numbers(found[PIXEL_ATTENTION][0, 0]),
        (_numbers(found[weights[0]][0].flatten()), _numbers(found[weights[1]][0].flatten())),
        _numbers(residual[0, 0]),
    )


def draw_features(found: NetworkParts) -> "Figure":
    """Fig. 5 with the residual map beside it.

    found: what `features` gave.
    """
    from luxel.draw.heatmap import render
    from luxel.figures import sheet

    height, width = found.image.shape[:2]
    figure, axes = sheet.panels(2, 4, height=0.9 + 3.8 * height / width)
    sheet.show(axes[0, 0], found.image, "input")
    sheet.show(axes[0, 1], found.long_range, "(a) long range, Eq. (3)", cmap="viridis")
    sheet.show(axes[0, 2], found.short_range, "(b) short range, Eq. (3)", cmap="viridis")
    attention = sheet.show(
        axes[0, 3], found.pixel_attention, "(c) pixel attention, Eq. (6)", cmap="magma", vmin=0, vmax=1
    )
    figure.colorbar(attention, ax=axes[0, 3], shrink=0.7)
    sheet.show(axes[1, 0], render(found.residual), "residual map")
    for place, weights, title in zip(
        axes[1, 1:3], found.channel_weights, ("(d) channel weights, first", "(e) channel weights, last"), strict=True
    ):
        place.bar(np.arange(len(weights)), weights, width=1.0)
        place.set_ylim(0, 1)
        place.set_title(f"{title}, Eq. (5)", fontsize=sheet.TITLE)
        place.set_xlabel("channel")
    axes[1, 3].set_axis_off()
    return figure


def _keep(found: dict[str, Tensor], name: str) -> Any:
    def hook(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        found[name] = output

    return hook


def _numbers(values: Tensor) -> FloatArray:
    return np.asarray(values.numpy(), dtype=np.float32)
