"""Every method of the benchmark by name: its facts, and the network built for a task."""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from luxel.benchmark.facts import BenchmarkTask, Facts
from luxel.benchmark.methods.ablations import ABLATIONS, ablated
from luxel.benchmark.methods.controls import CONTROLS, controlled
from luxel.errors import LuxelError

if TYPE_CHECKING:
    from torch import nn

NETWORKS = (
    "fecnet",
    "mslt",
    "retinexformer",
    "pydiff",
    "smg",
    "skf",
    "gsad",
    "cliplit",
    "arniqa",
    "reiqa",
    "deiqt",
    "musiq",
    "nima",
    "alamp",
    "mlsp",
    "tanet",
    "eat",
    "qalign",
    "pieanet",
)
"""Methods that are trained, in the order of the paper's Table 2. Each is a module of `luxel.benchmark.methods` with
`FACTS`, `network(tiny)` and `head(network, task)`."""

TRAINED = (*NETWORKS, *ABLATIONS, *CONTROLS)
"""Every name that `build` knows: methods, ablations of P-IEANet, controls of the score task."""


def facts(name: str) -> Facts:
    """Facts of a trained method, an ablation or a control.

    name: one of `TRAINED`.
    Raises LuxelError for an unknown name.

    >>> facts("deiqt").size
    224
    """
    if name in CONTROLS:
        control = CONTROLS[name]
        own = facts(control.method)
        return Facts(
            name=name,
            title=control.title,
            family=own.family,
            tasks=("score",),
            kind=own.kind,
            reference=own.reference,
            licence=own.licence,
            note=own.note,
            size=own.size,
            multiple=own.multiple,
            values=own.values,
            lr=own.lr,
        )
    if name in ABLATIONS:
        change = ABLATIONS[name]
        return replace(
            facts("pieanet"),
            name=name,
            title=f"P-IEANet, {change.title}",
            tasks=change.tasks,
            paper_mae=change.paper_mae,
            paper_ssim=change.paper_ssim,
            paper_psnr=None,
            paper_lcc=change.paper_lcc,
            paper_srcc=change.paper_srcc,
            paper_acc=change.paper_acc,
        )
    found: Facts = method_module(name).FACTS
    return found


def build(
    name: str, task: BenchmarkTask = "pixel", *, tiny: bool = False, weights: Mapping[str, Path] | None = None
) -> "nn.Module":
    """A method's network with the head of a task; random weights, except for backbones that are given a file.

    name: one of `TRAINED`.
    task: "pixel" maps [B, 3, H, W] sRGB-encoded, in [0, 1], to a residual map [B, 1, H, W] in [-1, 1]; "score" maps it
        to [B], meant for 0 to 10.
    tiny: a small build of the same shape, for tests.
    weights: files of published weights by the name of the backbone in the network
        (`luxel.benchmark.blocks.backbones.find_backbones`).
    Raises LuxelError for an unknown method or backbone, or a task the method does not have, WeightsError for a file
    that does not fit.

    >>> import torch
    >>> build("mslt", "score")(torch.rand(2, 3, 64, 48)).shape
    torch.Size([2])
    """
    from luxel.benchmark.blocks.baseline import Baseline

    tasks = facts(name).tasks
    if task not in tasks:
        raise LuxelError(f"{name}: has no {task} task; it has {', '.join(tasks)}")
    if name in ABLATIONS:
        return ablated(name, task)
    if name in CONTROLS:
        return controlled(method_module(CONTROLS[name].method), tiny=tiny)
    module = method_module(name)
    network = module.network(tiny=tiny)
    if weights:
        from luxel.benchmark.blocks.backbones import find_backbones, load_backbone

        found = find_backbones(network)
        for backbone, path in weights.items():
            if backbone not in found:
                raise LuxelError(f"{name}: has no backbone {backbone!r}; it has {', '.join(found) or 'none'}")
            load_backbone(found[backbone], path)
    return Baseline(module.FACTS, network, module.head(network, task), task)


def method_module(name: str) -> ModuleType:
    """The module of a trained method, with `FACTS`, `network` and `head`. Raises LuxelError for an unknown name."""
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, TRAINED, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(NETWORKS)}"
        raise LuxelError(f"{name}: no such method; {hint}")
    return importlib.import_module(f"luxel.benchmark.methods.{name}")
