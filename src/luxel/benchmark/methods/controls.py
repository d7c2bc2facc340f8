"""Controls of the score task: what a head that contains the target's formula is worth, with P-IEANet and with MSLT.

All trained methods score by one rule (`luxel.benchmark.blocks.heads`). A control draws the method's map and scores that
map instead, as the paper does with fine-tuning (5.2). Where the target is `10 (1 - mean |r|)` such a head begins at the
answer, so the difference to the method's own row is the head's, not the network's.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luxel.benchmark.blocks.baseline import Baseline


@dataclass(frozen=True, slots=True)
class Control:
    """A method with its score taken of its map. method: of the registry. title: how tables call it."""

    method: str
    title: str


CONTROLS: dict[str, Control] = {
    "pieanet-map-score": Control("pieanet", "P-IEANet, score of its map"),
    "mslt-map-score": Control("mslt", "MSLT, score of its map"),
}
"""By the name commands use. They have the score task only."""


def controlled(module: ModuleType, *, tiny: bool = False) -> "Baseline":
    """The network of a control with random weights: [B, 3, H, W] in [0, 1] to scores [B].

    module: of the method it controls, with its facts, network and head.
    tiny: for tests.
    """
    from luxel.benchmark.blocks.baseline import Baseline
    from luxel.benchmark.blocks.score_of_map import ScoreOfMap

    network = module.network(tiny=tiny)
    return Baseline(module.FACTS, network, ScoreOfMap(module.head(network, "pixel")), "score")
