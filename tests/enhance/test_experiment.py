"""Training: the same batches with and without the loss, exact resuming, the weight by the rule, rows and table."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")

from typer.testing import CliRunner  # noqa: E402

from luxel.cli import app  # noqa: E402
from luxel.enhance import training  # noqa: E402
from luxel.enhance.batches import make_batch  # noqa: E402
from luxel.enhance.experiment import (  # noqa: E402
    Watching,
    exposure_weight,
    make_enhancer,
    open_device,
    train_experiment,
    training_pairs,
)
from luxel.enhance.measuring import measure  # noqa: E402
from luxel.enhance.recipe import EnhanceRecipe, EnhanceRun, ExposureSection, load_enhance_recipe, plan  # noqa: E402
from luxel.enhance.rows import EnhancementRow, read_rows, write_row  # noqa: E402
from luxel.enhance.table import enhancement_table  # noqa: E402
from luxel.enhance.training import Training, learning_rate, ramp, train_run  # noqa: E402
from luxel.errors import LuxelError, RecipeError  # noqa: E402
from luxel.train.checkpoint import load_checkpoint  # noqa: E402
from stand_ins.low_light import dataset, pair  # noqa: E402

RECIPES = Path(__file__).parents[2] / "recipes"
CPU = torch.device("cpu")
SMALL = ["data.crop=16", "data.batch=2", "train.steps=4", "train.seeds=[0]", "exposure.multiples=[0, 1]"]
SMALL_GSAD = ["gsad.width=8", "gsad.multipliers=[1, 2]", "gsad.blocks=1", "gsad.groups=4", "gsad.uncertainty_steps=2"]
SMALL_GSAD += ["gsad.sampling={steps=2, first=1e-3, last=0.9}"]


def recipe(folder: Path, *more: str, method: str = "retinexformer") -> EnhanceRecipe:
    data = folder / "pairs"
    if not data.exists():
        dataset(data, test=2)
    extra = SMALL_GSAD if method == "gsad" else ["retinexformer.width=4"]
    places = [f"data.folder={data}", f"output.folder={folder / 'run'}", "output.log_every=2", "exposure.begin=0"]
    return load_enhance_recipe(RECIPES / f"enhance-{method}-short.toml", [*SMALL, *extra, *places, *more])


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(folder / "checkpoint.pt")["enhancer"])


def once(one: EnhanceRecipe, run: EnhanceRun, folder: Path, **options: object) -> None:
    pairs = training_pairs(one, report=print, warn=print)
    settings = Training(recipe=one, run=run, folder=folder, steps=4, device=CPU, **options)  # type: ignore[arg-type]
    train_run(make_enhancer(one, run), pairs, settings)


def test_the_loss_changes_neither_batches_nor_starting_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, seen = recipe(tmp_path), {0.0: [], 0.5: []}
    for weight, batches in seen.items():

        def kept(*arguments: object, batches: list[object] = batches) -> object:
            batches.append(make_batch(*arguments))  # type: ignore[arg-type]
            return batches[-1]

        monkeypatch.setattr(training, "make_batch", kept)
        once(one, EnhanceRun(3, multiple=weight), tmp_path / f"x{weight}", weight=weight)
    assert len(seen[0.0]) == 4
    for without, with_loss in zip(*seen.values(), strict=True):
        assert torch.equal(without.low, with_loss.low)
        assert torch.equal(without.high, with_loss.high)
    starts = [make_enhancer(one, EnhanceRun(3, multiple)).state_dict() for multiple in (0.0, 1.0)]
    assert all(torch.equal(starts[0][key], starts[1][key]) for key in starts[0])
    trained = [weights_of(tmp_path / f"x{weight}") for weight in seen]
    assert any(not torch.equal(trained[0][key], trained[1][key]) for key in trained[0])


def test_one_step_changes_every_weight(tmp_path: Path) -> None:
    one = recipe(tmp_path)
    before = make_enhancer(one, EnhanceRun(0)).state_dict()
    once(one, EnhanceRun(0), tmp_path / "a", stop_at=1)
    after = weights_of(tmp_path / "a")
    assert [key for key in before if torch.equal(before[key], after[key])] == []


def test_resuming_is_exact(tmp_path: Path) -> None:
    one, weight = recipe(tmp_path), 0.5
    once(one, EnhanceRun(0), tmp_path / "straight", weight=weight)
    once(one, EnhanceRun(0), tmp_path / "stopped", weight=weight, stop_at=2)
    once(one, EnhanceRun(0), tmp_path / "stopped", weight=weight)
    straight, stopped = (weights_of(tmp_path / name) for name in ("straight", "stopped"))
    assert all(torch.equal(straight[key], stopped[key]) for key in straight)
    histories = [(tmp_path / name / "history.json").read_text() for name in ("straight", "stopped")]
    assert histories[0] == histories[1]


def test_windows_of_both_sides_belong_together(tmp_path: Path) -> None:
    """A dark side that is the ground truth itself stays equal to it through cutting, turning and mixing."""
    one = recipe(tmp_path, "data.mixup=0.5")
    same = [type(pair(1))(p.name, p.high, p.high) for p in (pair(1), pair(2, 12, 60))]
    batches = [make_batch(same, one.data, 0, step) for step in range(8)]
    assert all(torch.equal(batch.low, batch.high) for batch in batches)
    assert {batch.mixed for batch in batches} == {True, False}
    assert batches[0].low.shape == (2, 3, 16, 16)


def test_learning_rates_follow_the_cycles() -> None:
    published = load_enhance_recipe(RECIPES / "enhance-retinexformer.toml").train
    rates = [learning_rate(step / 150_000, published) for step in (0, 45_999, 46_001, 149_999)]
    assert rates == pytest.approx([2e-4, 3e-4, 2e-4, 1e-6], rel=1e-3)


def test_the_loss_comes_in_late() -> None:
    section = ExposureSection(begin=0.1, full=0.3)
    assert [ramp(done, section) for done in (0.0, 0.09, 0.2, 0.3, 1.0)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert ramp(0.1, ExposureSection(begin=0.1, full=0.1)) == 1.0


@pytest.mark.parametrize("method", ["retinexformer", "gsad"])
def test_train_evaluate_table(tmp_path: Path, method: str) -> None:
    """The three commands on one experiment: weight by the rule, rows, resuming, differences to the control."""
    one = recipe(tmp_path, method=method)
    done = train_experiment(one, device=CPU, watching=Watching())
    assert [run.name for run in plan(one)] == list(done)
    weight = json.loads((tmp_path / "run" / "exposure_weight.json").read_text())["weight"]
    assert 0 < weight < math.inf
    run = CliRunner().invoke(app, ["enhance", "evaluate", str(tmp_path / "run"), "--images", str(tmp_path / "out")])
    assert run.exit_code == 0, run.output
    rows = {row.name: row for row in read_rows(tmp_path / "run")}
    assert rows["exposure-x1.seed0"].weight == pytest.approx(weight)
    assert rows["control.seed0"].images == ("101", "102")
    assert rows["lookup"].shared_scenes == 0
    assert (tmp_path / "out" / "control.seed0" / "101.png").is_file()
    again = CliRunner().invoke(app, ["enhance", "evaluate", str(tmp_path / "run"), "--run", "control.seed0"])
    assert again.exit_code == 0, again.output
    assert {row.name: row for row in read_rows(tmp_path / "run")} == rows
    shown = CliRunner().invoke(app, ["enhance", "table", str(tmp_path / "run"), "--format", "markdown"])
    assert shown.exit_code == 0, shown.output
    for text in ("| input |", "| control |", "| exposure x1 |", "exposure x1 minus control, 1 seed"):
        assert text in shown.stdout


def test_a_table_has_rows_of_one_set_of_images(tmp_path: Path) -> None:
    for name, images in (("a", ("1", "2")), ("b", ("1",))):
        found = measure(pair(1).high / np.float32(255), pair(1).high)
        row = EnhancementRow(
            name=name, arm=name, method="trivial", version="0", images=images, measures=(found,) * len(images)
        )
        write_row(tmp_path, row)
    assert read_rows(tmp_path)[0].mean("psnr") == math.inf
    with pytest.raises(LuxelError, match="b and a were measured on different images"):
        enhancement_table(tmp_path)


def test_devices_that_are_not_here() -> None:
    for name in ("nonsense", "meta", "cuda:99"):
        with pytest.raises(LuxelError, match=f"--device {name}: cannot be used"):
            open_device(name)
    assert open_device("cpu") == CPU


def test_a_fresh_control_makes_a_new_weight(tmp_path: Path) -> None:
    one, stored = recipe(tmp_path), tmp_path / "run" / "exposure_weight.json"
    train_experiment(one, only=["control.seed0"], device=CPU, watching=Watching())
    stored.write_text(json.dumps({"weight": 1.5}))
    train_experiment(one, only=["control.seed0"], device=CPU, watching=Watching())
    assert stored.exists()
    train_experiment(one, only=["control.seed0"], fresh=True, device=CPU, watching=Watching())
    assert not stored.exists()


def test_scene_clean_training(tmp_path: Path) -> None:
    one = recipe(tmp_path, "data.scene_clean=true")
    folder = tmp_path / "pairs"
    from luxel.images import write

    write(folder / "eval15" / "high" / "101.png", np.asarray(pair(2).high * 0.8, dtype=np.uint8))
    lines: list[str] = []
    assert [p.name for p in training_pairs(one, report=lines.append, warn=print)] == ["1", "3"]
    assert "1 of 3" in lines[-1]


def test_what_an_experiment_rejects(tmp_path: Path) -> None:
    one = recipe(tmp_path)
    pairs = training_pairs(one, report=print, warn=print)
    with pytest.raises(RecipeError, match=r"control\.seed0: must be trained before"):
        exposure_weight(one, pairs, CPU, lambda line: None)
    with pytest.raises(RecipeError, match=r"--run x\.seed0: not a run"):
        train_experiment(one, only=["x.seed0"], device=CPU, watching=Watching())
    train_experiment(one, only=["control.seed0"], device=CPU, watching=Watching())
    with pytest.raises(RecipeError, match=r"another data\.crop"):
        train_experiment(recipe(tmp_path, "data.crop=20"), device=CPU, watching=Watching())
    cycle = "train.cycles=[{share=1.0, first=1e-3, last=1e-6, lenght=1}]"
    with pytest.raises(RecipeError, match="known keys: share, first, last"):
        load_enhance_recipe(RECIPES / "enhance-retinexformer-short.toml", [cycle])
    with pytest.raises(RecipeError, match=r"one section of \[retinexformer\] and \[gsad\]"):
        recipe(tmp_path, "gsad.width=32")
    with pytest.raises(LuxelError, match="has no rows"):
        read_rows(tmp_path / "run")


@pytest.mark.parametrize("command", ["train", "evaluate", "table"])
def test_the_page_lists_exactly_the_options(command: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    found = re.search(rf"^## luxel enhance {command}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    assert found
    shown = CliRunner().invoke(app, ["enhance", command, "--help"], env={"COLUMNS": "200"}).stdout
    options = set(re.findall(r"^ +(--[a-z-]+)", shown, re.MULTILINE)) - {"--help"}
    assert set(re.findall(r"^\| `(--[a-z-]+)", found[1], re.MULTILINE)) == options
