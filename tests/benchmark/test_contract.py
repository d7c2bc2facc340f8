"""What every trained method of the benchmark keeps to, whatever it is made of."""

import copy
import importlib
from functools import cache

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import Tensor, nn  # noqa: E402

from luxel.benchmark.facts import BenchmarkTask  # noqa: E402
from luxel.benchmark.methods.ablations import ABLATIONS  # noqa: E402
from luxel.benchmark.registry import NETWORKS, build, facts  # noqa: E402
from luxel.errors import LuxelError  # noqa: E402

CASES = [(name, task) for name in NETWORKS for task in facts(name).tasks]


def pictures(batch: int, height: int, width: int) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


@cache
def drawn(name: str, task: BenchmarkTask) -> nn.Module:
    torch.manual_seed(0)
    return build(name, task, tiny=True)


def built(name: str, task: BenchmarkTask) -> nn.Module:
    """The tiny form of a method: a copy, since most methods take longer to draw than to run."""
    return copy.deepcopy(drawn(name, task))


@pytest.mark.parametrize(("name", "task"), CASES)
@pytest.mark.parametrize("size", [(32, 40), (64, 64), (97, 131), (203, 65)])
def test_shape_and_range(name: str, task: BenchmarkTask, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        out = built(name, task).eval()(pictures(2, *size))
    if task == "pixel":
        assert out.shape == (2, 1, *size)
        assert out.abs().max() <= 1
    else:
        assert out.shape == (2,)
        assert ((out > 0) & (out < 11)).all()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_pictures_may_lie_in_memory_as_the_protocol_lays_them_out(name: str, task: BenchmarkTask) -> None:
    model = built(name, task).eval()
    image = torch.rand(1, 64, 72, 3, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        assert torch.allclose(model(image), model(image.contiguous()), atol=1e-4)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_odd_sizes_alone_are_as_in_a_batch(name: str, task: BenchmarkTask) -> None:
    model = built(name, task).eval()
    with torch.no_grad():
        for parameter in model.head.parameters():  # predictions start close together
            parameter *= 30 if parameter.ndim == 2 else 3 if parameter.ndim == 4 else 1
    for size in ((49, 97), (65, 70)):
        batch = pictures(2, *size)
        with torch.inference_mode():
            together, alone = model(batch), torch.cat([model(image[None]) for image in batch])
        assert torch.allclose(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(97, 131), (64, 64), (203, 65)])
def test_fecnet_at_its_full_width_is_the_same_in_any_batch(size: tuple[int, int]) -> None:
    torch.manual_seed(2)
    model = build("fecnet").eval()
    torch.nn.init.normal_(model.head.convolution.weight, std=0.3)
    batch = pictures(3, *size)
    with torch.inference_mode():
        together, alone = model(batch), torch.cat([model(image[None]) for image in batch])
    assert together.std() > 0.01
    assert torch.allclose(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "task"), CASES)
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_constant_picture_has_finite_gradients(name: str, task: BenchmarkTask, value: float) -> None:
    model = built(name, task).train()
    image = torch.full((2, 3, 80, 96), value, requires_grad=True)
    model(image).abs().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert image.grad is not None
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("name", [name for name, task in CASES if task == "pixel"])
def test_the_first_map_says_nearly_ideal(name: str) -> None:
    with torch.inference_mode():
        assert built(name, "pixel").eval()(pictures(1, 64, 64)).abs().mean() < 0.25


@pytest.mark.parametrize("name", [name for name in NETWORKS if facts(name).kind == "re-creation"])
def test_a_recreation_says_so(name: str) -> None:
    module = importlib.import_module(f"luxel.benchmark.methods.{name}")
    assert module.__doc__ is not None
    assert "re-creat" in module.__doc__
    assert facts(name).note


# What the paper prints, row by row as it stands there; "-" where a method is not in the table

PIXEL = "fecnet mslt retinexformer pydiff smg skf gsad cliplit arniqa reiqa deiqt musiq pieanet"
SCORE = "fecnet mslt retinexformer pydiff smg skf gsad cliplit arniqa reiqa deiqt musiq nima alamp mlsp tanet eat "
SCORE += "qalign pieanet"
TABLE_3 = "pieanet-no-dwt pieanet-no-structure pieanet-no-lightness"
TABLE_5, TABLE_6 = "pieanet pieanet-db2 pieanet-sym4", "pieanet pieanet-l2 pieanet-smooth-l1"
PRINTED = [
    ("params", SCORE, "9M 8M 5M 374M 575M 22M 67M 146M 106M 560M 363.5M 298M 56M 99M 24M 40M 87M 7B 2.7M"),
    ("mae", PIXEL, "0.08 0.10 0.10 0.07 0.09 0.07 0.08 0.05 0.11 0.08 0.08 0.15 0.03"),
    ("ssim", PIXEL, "0.35 0.33 0.42 0.50 0.46 0.44 0.41 0.60 0.50 0.37 0.39 0.24 0.75"),
    ("psnr", PIXEL, "23.22 21.02 23.8 - 24.17 21.68 19.37 23.51 - - - - 28.04"),
    ("lcc", SCORE, "0.74 0.75 0.71 0.70 0.69 0.68 0.71 0.72 0.70 0.71 0.63 0.64 0.63 0.67 0.71 0.75 0.74 0.75 0.78"),
    ("srcc", SCORE, "0.69 0.70 0.67 0.68 0.67 0.66 0.68 0.69 0.68 0.65 0.54 0.60 0.60 0.64 0.68 0.69 0.71 0.70 0.73"),
    ("mae", TABLE_3, "0.08 0.05 0.08"),
    ("ssim", TABLE_3, "0.43 0.54 0.42"),
    ("acc", TABLE_3, "0.81 0.84 0.73"),
    ("lcc", TABLE_3, "0.74 0.81 0.74"),
    ("srcc", TABLE_3, "0.72 0.78 0.71"),
    ("mae", TABLE_5, "0.03 0.07 0.08"),
    ("ssim", TABLE_5, "0.75 0.49 0.41"),
    ("ssim", TABLE_6, "0.75 0.62 0.67"),
]


@pytest.mark.parametrize(("figure", "names", "values"), PRINTED)
def test_printed_figures_are_those_of_the_paper(figure: str, names: str, values: str) -> None:
    for name, value in zip(names.split(), values.split(), strict=True):
        known = getattr(facts(name), f"paper_{figure}")
        assert known == (value if figure == "params" else None if value == "-" else float(value)), name


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_builds_for_the_tasks_of_its_table(name: str) -> None:
    image = pictures(2, 37, 50)
    with torch.inference_mode():
        assert build(name, "pixel").eval()(image).shape == (2, 1, 37, 50)
        if "score" in facts(name).tasks:
            assert build(name, "score").eval()(image).shape == (2,)
        else:
            with pytest.raises(LuxelError, match="has no score task; it has pixel"):
                build(name, "score")
