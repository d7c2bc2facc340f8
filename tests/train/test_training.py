"""The whole training path on scenes it makes itself: learn, stop, resume, export."""

import gc
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs luxel[train]")
pytest.importorskip("lightning_fabric", reason="needs luxel[train]")

from luxel.enhance.recipe import load_enhance_recipe  # noqa: E402
from luxel.errors import LuxelError, RecipeError, WeightsError  # noqa: E402
from luxel.model.export import largest_difference  # noqa: E402
from luxel.model.weights import load_model  # noqa: E402
from luxel.train.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from luxel.train.data import open_stores, phase_of  # noqa: E402
from luxel.train.event_log import EventLog  # noqa: E402
from luxel.train.export import export_run, without_paths  # noqa: E402
from luxel.train.loop import learning_rate, train  # noqa: E402
from luxel.train.recipe import Recipe, load_any_recipe, load_recipe  # noqa: E402
from stand_ins.full_disk import Disk  # noqa: E402

RECIPES = Path(__file__).parents[2] / "recipes"
QUIET = {"report": lambda line: None}


def tiny(folder: Path, steps: int, *more: str) -> Recipe:
    changes = [f"output.folder={folder}", f"train.steps={steps}", "train.threads=1", "data.scenes=8", "train.warmup=5"]
    return load_recipe(
        RECIPES / "pieanet-tiny.toml",
        [*changes, "train.phases=[{share=1.0,crop=64,batch=4}]", "validate.pictures=18", "validate.every=1000", *more],
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_it_learns(tmp_path: Path, cache: Path) -> None:
    """A few steps bring the map well below "ideal everywhere" on validation scenes."""
    from luxel.samples.validation import validation_pictures

    recipe = tiny(tmp_path / "run", 60, "train.ema=0.9")
    progress = train(recipe, cache=cache, **QUIET)
    _, validation = open_stores(recipe.data, cache)
    zero = np.mean([np.abs(p.residual).mean() for p in validation_pictures(validation)])
    assert progress.best_mae < 0.7 * zero
    assert (tmp_path / "run" / "history.json").is_file()
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["train"]["steps"] == 60
    assert list((tmp_path / "run" / "log").glob("events*"))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_resuming_is_exact(tmp_path: Path, cache: Path, optimizer: str) -> None:
    straight, stopped = (tiny(tmp_path / name, 12, f"train.optimizer={optimizer}") for name in "ab")
    train(straight, cache=cache, **QUIET)
    assert train(stopped, cache=cache, stop_at=5, **QUIET).step == 5
    assert train(stopped, cache=cache, **QUIET).step == 12
    a, b = (load_checkpoint(tmp_path / name / "checkpoint.pt") for name in "ab")
    for part in ("network", "average"):
        assert all(torch.equal(a[part][k], b[part][k]) for k in a[part])


@pytest.mark.parametrize(("first", "second"), [("muon", "adamw"), ("adamw", "muon")])
def test_resuming_with_another_optimiser_says_what_to_do(tmp_path: Path, cache: Path, first: str, second: str) -> None:
    train(tiny(tmp_path / "run", 2, f"train.optimizer={first}"), cache=cache, stop_at=1, **QUIET)
    with pytest.raises(RecipeError, match=f"train.optimizer={second}: .*another optimiser; continue with that one"):
        train(tiny(tmp_path / "run", 2, f"train.optimizer={second}"), cache=cache, **QUIET)


def test_early_stopping(tmp_path: Path, cache: Path) -> None:
    recipe = tiny(tmp_path / "run", 40, "train.lr=1e-12", "validate.early_stop_after=2", "validate.every=3")
    assert train(recipe, cache=cache, **QUIET).step < 40


def test_exporting_writes_two_formats_of_one_network(tmp_path: Path, cache: Path) -> None:
    train(tiny(tmp_path / "run", 4), cache=cache, **QUIET)
    facts = export_run(tmp_path / "run", tmp_path / "out", name="tiny", licence="Apache-2.0", cache=cache, pictures=9)
    assert {"recipe", "commit", "data", "date", "licence", "validation", "sha256", "parameters"} <= set(facts)
    network, read = (load_model(tmp_path / "out" / name) for name in ("tiny.safetensors", "tiny.onnx"))
    assert all(torch.equal(value, read.state_dict()[key]) for key, value in network.state_dict().items())
    assert largest_difference(network, tmp_path / "out" / "tiny.onnx") < 1e-4
    from luxel.assessment.assessor import Assessor

    assert Assessor(tmp_path / "out" / "tiny.onnx").assess(np.zeros((40, 50, 3), np.uint8)).residual.shape == (40, 50)
    with pytest.raises(WeightsError, match=r"no checkpoint"):
        export_run(tmp_path, tmp_path / "out", name="x", licence="x", cache=cache)


def test_exporting_a_run_with_unknown_recipe_keys_names_the_key(tmp_path: Path) -> None:
    """A run of an earlier version may have keys that were renamed since."""
    (tmp_path / "checkpoint.pt").touch()
    text = tiny(tmp_path, 4).model_dump_json(by_alias=True)
    (tmp_path / "recipe.json").write_text(text.replace('"max_ev"', '"max_evs"'))
    with pytest.raises(RecipeError, match=r"recipe\.json: unknown key 'data\.max_evs'; did you mean 'max_ev'\?"):
        export_run(tmp_path, tmp_path / "out", name="x", licence="x", cache=tmp_path)


def test_facts_name_the_weights_a_run_began_from_and_no_folder(tmp_path: Path) -> None:
    recipe = tiny(tmp_path / "run", 4).model_dump(mode="json", by_alias=True)
    recipe["data"]["built"] = [str(tmp_path / "mine")]
    for start, expected in (
        ("random",) * 2,
        ("shipped",) * 2,
        (str(tmp_path / "before.safetensors"), "before.safetensors"),
    ):
        recipe["model"]["start"] = start
        facts = without_paths(recipe)
        assert facts["model"]["start"] == expected
        assert facts["train"] == recipe["train"]
        assert facts["data"]["built"] == ["mine"]
        assert str(tmp_path) not in json.dumps(facts)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    for room in (0, 100, 30_000):
        with Disk(room).used(), pytest.raises(LuxelError, match=r"pt: cannot be written: No space left on device;"):
            save_checkpoint(path, {"step": 2, "weights": np.zeros(10_000).tolist()})
    assert load_checkpoint(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LuxelError, match="delete it to start again"):
        load_checkpoint(path)


@pytest.mark.parametrize("room", [0, 20, 200])
def test_a_full_disk_under_the_log_is_one_line(room: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        log = EventLog(tmp_path / "log")
        for step in range(20):
            log.write(step, {"train/loss": 0.5})

    with Disk(room).used(), pytest.raises(LuxelError, match=r"tfevents\S+: cannot be written: No space left"):
        write()
    gc.collect()
    assert capfd.readouterr().err == "", "nothing is left for another thread to complain of"


def test_tensorboard_reads_the_log(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventLog(tmp_path)
    for step in (3, 9):
        log.write(step, {"train/loss": step / 4, "train/lr": 0.1})
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(3, 0.75), (9, 2.25)]
    assert sorted(events.Tags()["scalars"]) == ["train/loss", "train/lr"]


def test_a_loss_that_is_not_finite_keeps_the_last_checkpoint(tmp_path: Path, cache: Path) -> None:
    run = tmp_path / "run"
    train(tiny(run, 2), cache=cache, **QUIET)
    recipe = tiny(run, 40, "train.lr=1e30", "train.warmup=0", "train.clip_norm=1e30", "output.checkpoint_every=1")
    with pytest.raises(RecipeError, match=r"step \d+: the (loss|validation MAE) is (nan|inf); lower train\.lr"):
        train(recipe, cache=cache, **QUIET)
    stored = load_checkpoint(run / "checkpoint.pt")
    assert all(bool(torch.isfinite(value).all()) for value in stored["network"].values())


def test_compiling_without_a_compiler_says_what_to_do(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecipeError, match=r"none of g\+\+.* --set train\.compile=false"):
        train(tiny(tmp_path / "run", 2, "train.compile=true"), cache=cache, **QUIET)


def test_schedules() -> None:
    ours, paper = (load_recipe(RECIPES / f"{name}.toml") for name in ("pieanet", "paper"))
    rates = [learning_rate(step, ours) for step in range(ours.train.steps)]
    assert rates[0] < ours.train.lr / 10
    assert max(rates) <= ours.train.lr
    assert rates[-1] < 1e-3 * ours.train.lr
    decayed = [learning_rate(step, paper) for step in (0, 11109, 11110, 22220)]
    assert decayed == pytest.approx([3e-5, 3e-5, 3e-6, 3e-7])  # A.3: x0.1 every 10 epochs
    assert phase_of(0, paper).batch == 36
    phases = "train.phases=[{share=0.5,crop=64,batch=2},{share=0.3,crop=96,batch=2},{share=0.2,crop='whole',batch=1}]"
    three = load_recipe(RECIPES / "pieanet.toml", [phases, "train.steps=100"])
    assert [phase_of(step, three).crop for step in (0, 49, 50, 79, 80, 99)] == [64, 64, 96, 96, "whole", "whole"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.stepz=3", "did you mean 'steps'"),
        ("trian.steps=3", "did you mean 'train'"),
        ("train.steps=0", r"train\.steps"),
        ("train.loss=l3", r"train\.loss"),
        ("train.phases=[{share=1,crop=48,batch=1}]", r"train\.phases"),
        ("train.phases=[{share=1,crop='hole',batch=1}]", r"train\.phases"),
        ("steps=3", "section.key=value"),
    ],
)
def test_a_wrong_recipe_says_what_to_fix(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(RECIPES / "pieanet-tiny.toml", [override])


def test_every_recipe_is_valid() -> None:
    enhance = set(RECIPES.glob("enhance-*.toml"))
    assert enhance
    for path in RECIPES.glob("*.toml"):
        if path in enhance:
            load_enhance_recipe(path)
        else:
            load_any_recipe(path)


def test_missing_recipe_and_weights(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such recipe"):
        load_recipe(tmp_path / "none.toml")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_model(bad)
