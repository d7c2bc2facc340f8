"""The paper's ablations as methods of the benchmark: Tables 3, 5 and 6, each one change to P-IEANet.

`luxel benchmark run --methods ablations` trains them all by the same protocol as everything else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from luxel.benchmark.facts import BenchmarkTask

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class AblationFacts:
    """One change to P-IEANet.

    title: how tables call it. table: of the paper. build: arguments of `luxel.model.network.build`. loss: "l1", "l2" or
    "smooth_l1" (Eq. 7 and Table 6), of maps. paper_mae to paper_acc: as printed, None where the table has no figure.
    """

    title: str
    table: str
    build: dict[str, Any] = field(default_factory=dict)
    loss: str = "l1"
    paper_mae: float | None = None
    paper_ssim: float | None = None
    paper_lcc: float | None = None
    paper_srcc: float | None = None
    paper_acc: float | None = None

    @property
    def tasks(self) -> tuple[BenchmarkTask, ...]:
        """Maps, and scores where the paper's table has scores."""
        return ("pixel", "score") if self.paper_srcc is not None else ("pixel",)


ABLATIONS: dict[str, AblationFacts] = {
    "pieanet-no-dwt": AblationFacts("without DWT", "Table 3", {"without": "dwt"}, "l1", 0.08, 0.43, 0.74, 0.72, 0.81),
    "pieanet-no-structure": AblationFacts(
        "without structure", "Table 3", {"without": "structure"}, "l1", 0.05, 0.54, 0.81, 0.78, 0.84
    ),
    "pieanet-no-lightness": AblationFacts(
        "without lightness", "Table 3", {"without": "lightness"}, "l1", 0.08, 0.42, 0.74, 0.71, 0.73
    ),
    "pieanet-db2": AblationFacts("Daubechies 2", "Table 5", {"wavelet": "db2"}, "l1", 0.07, 0.49),
    "pieanet-sym4": AblationFacts("Symlet 4", "Table 5", {"wavelet": "sym4"}, "l1", 0.08, 0.41),
    "pieanet-l2": AblationFacts("L2 loss", "Table 6", loss="l2", paper_ssim=0.62),
    "pieanet-smooth-l1": AblationFacts("smooth L1 loss", "Table 6", loss="smooth_l1", paper_ssim=0.67),
}
"""By the name commands use. The whole network with Haar and L1, every table's other row, is the method "pieanet". The
paper does not say which Daubechies and Symlet filters it took; these two are ours."""


def loss_of(name: str) -> "Callable[[Tensor, Tensor], Tensor]":
    """The loss a method is trained with: an ablation's own, L1 (Eq. 7) for every other name."""
    from luxel.model.losses import pixel_loss

    kind: Any = ABLATIONS[name].loss if name in ABLATIONS else "l1"
    return lambda prediction, residual: pixel_loss(prediction, residual, kind)


def ablated(name: str, task: BenchmarkTask) -> "nn.Module":
    """P-IEANet with the change of an ablation and random weights.

    [B, 3, H, W] in [0, 1] to maps [B, 1, H, W] in [-1, 1], or to scores [B].
    """
    from luxel.benchmark.blocks.baseline import Baseline
    from luxel.benchmark.methods.pieanet import FACTS, PIEANetMap, head
    from luxel.model.network import build

    network = PIEANetMap(build(**ABLATIONS[name].build))
    return Baseline(FACTS, network, head(network, task), task)
