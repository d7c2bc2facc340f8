"""Enhancement networks as baselines: laws of every build, and published counts."""

import pytest

torch = pytest.importorskip("torch", reason="the benchmark needs the extra luxel[train]")

from torch import nn  # noqa: E402

from luxel.benchmark import registry  # noqa: E402
from luxel.benchmark.methods import skf, smg  # noqa: E402
from stand_ins.method_builds import built, count, images, scenes  # noqa: E402

NAMES = ("fecnet", "mslt", "retinexformer", "smg", "skf", "cliplit")
CASES = [(name, task) for name in NAMES for task in ("pixel", "score")]


# Laws of every build


@pytest.mark.parametrize("name", NAMES)
def test_maps_have_both_signs_and_reach_far(name: str) -> None:
    model = built(name, "pixel", seed=1).eval()
    last = model.head.convolution
    with torch.no_grad():
        for sign in (1, -1):
            nn.init.constant_(last.bias, 3.0 * sign)
            nn.init.zeros_(last.weight)
            assert (sign * model(images(1, 33, 40)) > 0.99).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_network_keeps_what_its_widths_promise(name: str) -> None:
    network = built(name, "score", seed=1).network.eval()
    with torch.no_grad():
        features = network(images(2, 128, 64))
    promised = [(2, w.channels, 128 // w.stride, 64 // w.stride) for w in network.widths]
    assert [tuple(m.shape) for m in features.maps] == promised
    assert (0 if features.vector is None else features.vector.shape[1]) == network.vector


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_gradient_reaches_every_parameter(name: str, task: str) -> None:
    model = built(name, task, seed=1).train()
    for seed in range(3):  # dropout and ReLUs hide some
        out = model(scenes(2, 61, 64, seed))
        weights = torch.tensor([1.0, -2.0]).view(-1, *[1] * (out.ndim - 1))
        (weights * out).sum().backward()
    assert all(p.requires_grad for p in model.parameters())
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_prediction_does_not_depend_on_its_batch(name: str, task: str) -> None:
    model = built(name, task, seed=1)
    with torch.no_grad():
        for p in model.head.parameters():  # predictions start close together
            p *= 30 if p.ndim == 2 else 3 if p.ndim == 4 else 1
    for dropout in (m for m in model.modules() if isinstance(m, nn.Dropout)):
        dropout.p = 0.0
    # only SKF's semantic encoder has batch norms, as the published one has; eval mode fixes their statistics
    for training in (False,) if name == "skf" else (False, True):
        model.train(training)
        batch = scenes(3, 65, 70)
        with torch.no_grad():
            together = model(batch)
            alone = torch.cat([model(image[None]) for image in batch])
        assert (together - alone).abs().max() < 0.01 * (together[0] - together[1]).abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_changes_little(name: str) -> None:
    model = built(name, "pixel", seed=1).eval()
    image = scenes(1, 64, 64)
    with torch.no_grad():
        exact = model(image)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = model(image).float()
    assert (mixed - exact).abs().mean() < 0.02


# Counts of the published networks


def test_counts_are_the_published_ones_or_differ_as_noted() -> None:
    with torch.device("meta"):
        parts = {name: registry.build(name, "pixel").network for name in NAMES}
        last = {
            "fecnet": nn.Conv2d(16, 3, 1),
            "mslt": nn.Identity(),
            "retinexformer": nn.Conv2d(40, 3, 3, bias=False),
            "cliplit": nn.Conv2d(32, 1, 3),
        }
        host = skf.SKF(nn.Identity(), (48, 96, 192))
        host_last = nn.Conv2d(64, 3, 3)
        never_used = {
            "fecnet": nn.Conv2d(3, 3, 1),
            "mslt": nn.ModuleList([nn.Linear(40, 40), nn.Linear(40, 40), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)]),
            "skf": nn.ModuleList(
                nn.ModuleList([nn.Conv2d(64, 170, 1, bias=False), nn.Conv2d(340, 340, 3, groups=340, bias=False)])
                for _ in range(3)
            ),
        }
    official = {name: registry.facts(name).official_params for name in NAMES}
    for name, layer in last.items():
        assert count(parts[name]) + count(layer) == official[name]
    assert official["fecnet"] + count(never_used["fecnet"]) == 151_977
    assert official["mslt"] + count(never_used["mslt"]) + 1 == 11_402  # and the slope of a PReLU
    assert official["retinexformer"] == 1_605_701
    assert official["cliplit"] == 278_790
    assert count(host) + count(host_last) == official["skf"]
    assert official["skf"] + count(never_used["skf"]) == 39_449_509
    assert official["smg"] is None


def test_counts_of_smg_parts() -> None:
    with torch.device("meta"):
        network = smg.network()
        guided_last = nn.Conv2d(16, 3, 1)
    assert count(network.appearance) + count(network.draw) == 1_144_643  # 1.145 M in the published code
    assert count(network.guided) + count(guided_last) == 459_011  # 0.459 M
    assert 5e6 < count(network.structure) < 8e6


@pytest.mark.parametrize("name", ["retinexformer", "smg", "skf"])
def test_the_full_network_draws_a_map_of_the_right_shape(name: str) -> None:
    with torch.device("meta"):
        assert registry.build(name, "pixel")(torch.empty(2, 3, 96, 70)).shape == (2, 1, 96, 70)
