"""Sizes in the facts are those of what is trained; ablations lose the band of the module they lose."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402

from luxel.benchmark.blocks.score_of_map import ScoreOfMap  # noqa: E402
from luxel.benchmark.facts import BenchmarkTask  # noqa: E402
from luxel.benchmark.listing import cost, counted  # noqa: E402
from luxel.benchmark.methods.controls import CONTROLS  # noqa: E402
from luxel.benchmark.protocol.footprint import multiply_adds, parameters  # noqa: E402
from luxel.benchmark.registry import NETWORKS, build, facts  # noqa: E402
from luxel.errors import LuxelError  # noqa: E402
from luxel.model.wavelet import Wavelet  # noqa: E402

CASES = [(name, task) for name in NETWORKS if name != "pieanet" for task in facts(name).tasks]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_facts_state_the_parameters_that_are_trained(name: str, task: BenchmarkTask) -> None:
    if task == facts(name).tasks[0]:  # counted once for this test and the next
        found = counted(name, task).params
    else:
        with torch.device("meta"):
            found = parameters(build(name, task))
    assert facts(name).costs[task].params == found


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "pieanet"])
def test_the_facts_state_the_multiply_adds(name: str) -> None:
    task = facts(name).tasks[0]  # the heads of the other task are a small part
    assert facts(name).costs[task].macs == counted(name, task).macs


def test_a_count_is_that_of_real_parameters() -> None:
    for name in ("pieanet", "mslt-map-score", "pieanet-no-structure"):
        assert cost(name, "score").params == parameters(build(name, "score"))


def test_counting_asks_for_a_task_the_method_has() -> None:
    with pytest.raises(LuxelError, match="has no score task"):
        cost("pieanet-l2", "score")


def test_multiply_adds_written_out() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(8 * 25, 4))
    assert multiply_adds(model, side=10) == 25 * 8 * 3 * 9 + 8 * 25 * 4


def test_an_ablation_costs_no_more_than_the_whole() -> None:
    whole = cost("pieanet", "pixel")
    for name in ("pieanet-no-structure", "pieanet-no-lightness"):
        part = cost(name, "pixel")
        assert part.params < whole.params
        assert part.macs < whole.macs
    for name in ("pieanet-l2", "pieanet-smooth-l1"):
        assert cost(name, "pixel") == whole


def mapped(name: str, image: Tensor) -> Tensor:
    torch.manual_seed(1)
    model = build(name).eval()
    for parameter in model.network.network.predict.parameters():  # the first map is nearly zero whatever the image
        nn.init.normal_(parameter, std=0.3)
    with torch.inference_mode():
        return model(image)


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize(
    ("name", "sees_low", "sees_high"),
    [("pieanet", True, True), ("pieanet-no-structure", True, False), ("pieanet-no-lightness", False, True)],
)
def test_an_ablation_removes_the_band_of_its_module(name: str, sees_low: bool, sees_high: bool, level: int) -> None:
    torch.manual_seed(0)
    wavelet, image = Wavelet(), torch.rand(1, 3, 64, 96) * 0.5 + 0.25
    low, high_1 = wavelet.split(image)
    coarse, high_2 = wavelet.split(low)
    if level == 1:
        other_high = wavelet.merge(low, high_1 + 0.1 * torch.randn_like(high_1))
    else:
        other_high = wavelet.merge(wavelet.merge(coarse, high_2 + 0.1 * torch.randn_like(high_2)), high_1)
    other_low = wavelet.merge(wavelet.merge(coarse + 0.2 * torch.randn_like(coarse), high_2), high_1)
    before = mapped(name, image)
    for other, sees in ((other_high, sees_high), (other_low, sees_low)):
        assert (other - image).abs().max() > 0.05
        change = (mapped(name, other) - before).abs().max()
        assert change > 1e-3 if sees else change < 1e-4


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_is_the_formula_without_its_correction(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, "score", tiny=True).eval()
    nn.init.zeros_(model.head.layers[-1].weight)
    nn.init.zeros_(model.head.layers[-1].bias)
    image = torch.rand(2, 3, 40, 56)
    with torch.inference_mode():
        drawn = model.head.draw(model.features(image))
        assert torch.allclose(model(image), 10 * (1 - drawn.abs().mean((1, 2, 3))))


@pytest.mark.parametrize("name", NETWORKS)
def test_no_method_but_a_control_scores_its_map(name: str) -> None:
    with torch.device("meta"):
        head = build(name, "score", tiny=True).head
    assert not any(isinstance(module, ScoreOfMap) for module in head.modules())
