"""The benchmark's protocol: one set of frames, one budget, one row per job, and a run that goes on where it stopped."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from luxel.benchmark import run as protocol
from luxel.benchmark.data import Frames, open_frames, prepare_frames, to_square
from luxel.benchmark.footprint import footprint, parameters
from luxel.benchmark.registry import NETWORKS, build, facts
from luxel.benchmark.results import Row, read_row, write_row
from luxel.benchmark.training import Budget, train_method
from luxel.errors import LuxelError
from luxel.photometry import lightness
from luxel.residual import holistic_score


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_frames("procedural", 48, tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def frames(place: Path) -> Frames:
    return open_frames(place)


def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize("split", range(5))
def test_no_scene_is_in_two_parts(frames: Frames, split: int) -> None:
    groups = [{frames.entries[i].group for i in frames.indices(split, name)} for name in ("train", "val", "test")]
    assert all(groups)
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]


def test_scores_are_those_of_the_maps(frames: Frames) -> None:
    for i in range(0, len(frames.entries), 37):
        stored = np.asarray(frames.residuals[i], np.float32)
        assert frames.scores[i] == pytest.approx(holistic_score(stored), abs=0.01)


def test_frames_are_made_once(place: Path) -> None:
    before = (place / "images.npy").stat().st_mtime_ns
    assert prepare_frames("procedural", 48, place.parent) == place
    assert (place / "images.npy").stat().st_mtime_ns == before


def test_squaring_keeps_the_mean_of_picture_and_map() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)
    residual = rng.uniform(-1, 1, (60, 90)).astype(np.float32)
    picture, stretched = to_square(image, residual, 30)
    assert picture.shape == (30, 30, 3)
    assert stretched.shape == (30, 30)
    assert lightness(picture).mean() == pytest.approx(lightness(image).mean(), abs=2e-3)
    assert np.float32(stretched).mean() == pytest.approx(residual.mean(), abs=1e-3)


@pytest.mark.parametrize(
    ("text", "seconds", "images"), [("90s", 90, None), ("2m", 120, None), ("1.5h", 5400, None), ("20000", None, 20000)]
)
def test_a_budget_is_time_or_images(text: str, seconds: float | None, images: int | None) -> None:
    assert Budget.parse(text) == Budget(seconds, images)


@pytest.mark.parametrize("text", ["", "2 days", "-3m", "0", "1.5"])
def test_a_wrong_budget_is_named(text: str) -> None:
    with pytest.raises(LuxelError, match="such as 90s, 2m or 1h"):
        Budget.parse(text)


def _trained(frames: Frames, seed: int, images: int = 96) -> tuple[torch.nn.Module, float, int]:
    torch.manual_seed(0)
    model = build("pieanet", tiny=True)
    spent = train_method(
        fabric(),
        model,
        frames,
        frames.indices(0, "train"),
        task="pixel",
        lr=2e-3,
        budget=Budget(images=images),
        batch=8,
        seed=seed,
    )
    return model, spent.loss, spent.images


def test_training_lowers_the_loss_and_keeps_to_the_budget(frames: Frames) -> None:
    _, early, images = _trained(frames, 0, images=16)
    _, late, _ = _trained(frames, 0, images=800)
    assert images == 16
    assert late < 0.8 * early


def test_the_same_seed_gives_the_same_network(frames: Frames) -> None:
    first, second, other = (_trained(frames, seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


def test_a_loss_that_is_no_number_is_named(frames: Frames) -> None:
    model = build("pieanet", tiny=True)
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(LuxelError, match="step 0: loss is nan"):
        train_method(
            fabric(),
            model,
            frames,
            frames.indices(0, "train"),
            task="pixel",
            lr=1e-3,
            budget=Budget(images=8),
            batch=4,
            seed=0,
        )


def test_a_footprint_counts_what_the_network_has() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 1, 1))
    measured = footprint(network, torch.device("cpu"))
    assert measured.params == parameters(network) == 3 * 4 * 9 + 4 + 4 + 1
    assert measured.latency_ms > 0
    assert measured.memory_mb >= measured.params * 4 / 2**20


def test_every_choice_of_methods_comes_with_the_trivial_rows() -> None:
    chosen = protocol.choose_methods(["pieanet"], "pixel")
    assert {"zero", "constant_050", "mid_grey", "local_mid_grey", "shipped"} < set(chosen)
    assert chosen[-1] == "pieanet"
    assert "pieanet-no-dwt" in protocol.choose_methods(["ablations"], "pixel")
    with pytest.raises(LuxelError, match="did you mean mslt"):
        protocol.choose_methods(["mstl"], "pixel")


def test_untrained_rows_are_made_once_per_split() -> None:
    jobs = protocol.plan(["zero", "pieanet"], "pixel", splits=2, seeds=3)
    assert [job.method for job in jobs].count("zero") == 2
    assert [job.method for job in jobs].count("pieanet") == 6
    assert [job.split for job in jobs] == sorted(job.split for job in jobs)


@pytest.fixture
def settings(place: Path, tmp_path: Path) -> protocol.Settings:
    return protocol.Settings(
        frames=place, out=tmp_path, budget=Budget(images=16), batch=4, tiny=True, accelerator="cpu"
    )


def test_a_run_writes_its_rows_and_goes_on_where_it_stopped(settings: protocol.Settings) -> None:
    jobs = [protocol.Job("zero", "pixel", 0, 0), protocol.Job("pieanet", "score", 0, 0)]
    lines: list[str] = []
    first = protocol.run(jobs[:1], settings, report=lines.append)
    again = protocol.run(jobs, settings, report=lines.append)
    assert [row.method for row in first] == ["zero"]
    assert [row.method for row in again] == ["pieanet"]
    assert len(lines) == 2
    row = read_row(settings.out, "pieanet", "score", 0, 0)
    assert row.status == "ok"
    assert row.images_seen == 16
    assert row.params == parameters(build("pieanet", "score", tiny=True))
    frames = open_frames(settings.frames)
    zero = read_row(settings.out, "zero", "pixel", 0, 0)
    true = np.abs(np.asarray(frames.residuals[frames.indices(0, "test")], np.float32)).mean((1, 2))
    assert zero.mae == pytest.approx(float(true.mean()), rel=1e-4)  # the zero map's error is the map


def test_a_method_that_fails_is_a_row_with_the_reason(settings: protocol.Settings, tmp_path: Path) -> None:
    job = protocol.Job("released", "pixel", 0, 0)
    made = protocol.run([job], settings, report=lambda line: None)
    assert made[0].status == "failed"
    assert "--released" in (made[0].reason or "")
    assert protocol.run([job], settings, report=lambda line: None) == []
    again = protocol.run([job], settings, report=lambda line: None, retry_failed=True)
    assert [row.status for row in again] == ["failed"]


def test_rows_of_another_budget_do_not_mix(settings: protocol.Settings) -> None:
    spent = Row(
        method="pieanet",
        task="pixel",
        split=0,
        seed=0,
        budget="8 images",
        status="ok",
        version="0",
        mae=0.1,
        images_seen=8,
    )
    write_row(settings.out, spent)
    with pytest.raises(LuxelError, match="this run has 16 images on procedural, 48 px; give another --out"):
        protocol.run([protocol.Job("zero", "pixel", 0, 0)], settings)


def test_a_trunk_starts_from_the_users_weights(tmp_path: Path) -> None:
    given = build("nima", "score", tiny=True)
    torch.save(given.network.trunk.state_dict(), tmp_path / "trunk.pth")
    parsed = protocol.TrunkWeights.parse(f"nima:trunk={tmp_path / 'trunk.pth'}")
    started = build("nima", "score", tiny=True, weights={parsed.trunk: parsed.file})
    theirs, ours = given.network.trunk.state_dict(), started.network.trunk.state_dict()
    assert all(torch.equal(theirs[key], ours[key]) for key in theirs)
    with pytest.raises(LuxelError, match="no trunk 'vgg'; it has trunk"):
        build("nima", "score", tiny=True, weights={"vgg": parsed.file})
    with pytest.raises(LuxelError, match="METHOD:TRUNK=FILE"):
        protocol.TrunkWeights.parse("nima=trunk.pth")


def test_two_processes_train_one_row(settings: protocol.Settings) -> None:
    job = protocol.Job("pieanet", "pixel", 0, 0)
    made = protocol.run([job], replace(settings, devices=2), report=lambda line: None)
    assert made[0].status == "ok", made[0].reason
    assert made[0].images_seen == 16


def test_every_method_names_its_facts() -> None:
    for name in NETWORKS:
        known = facts(name)
        assert known.name == name
        assert known.reference
        assert known.licence
        assert known.tasks


def test_the_registry_and_the_statistics_are_at_hand_without_torch() -> None:
    modules = "luxel.benchmark, luxel.benchmark.statistical"
    code = f"import sys, {modules}; print(callable(luxel.benchmark.build), 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "False"]
