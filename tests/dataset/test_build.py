"""Building: resume after a kill, one bad scene, changed settings and sources, expert layers, and what check finds."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.dataset.build import SceneOutcome, build_dataset
from luxel.dataset.check.check import check_dataset
from luxel.dataset.check.problems import difference_hash, near_duplicates
from luxel.dataset.folder import upkeep
from luxel.dataset.folder.manifest import FrameRow, read_manifest, write_json
from luxel.dataset.folder.scene_files import read_blocks
from luxel.dataset.folder.upkeep import BuildSettings, decide, relabel, rereference, resplit
from luxel.dataset.iea40k.convert_released import export_released
from luxel.dataset.iea40k.layout import read_frame
from luxel.dataset.labels.label import Flag, LabelRules
from luxel.dataset.labels.layers import Layer, blocks_fingerprint, layer_folder, write_layer
from luxel.dataset.reference.reference import apply_zones
from luxel.dataset.sources.scan import SceneSource
from luxel.errors import DatasetError, ImageError
from luxel.jobs.atomic import hidden_name
from luxel.jobs.lock import locked
from luxel.jobs.records import read_json
from luxel.photometry import lightness
from luxel.residual import mean_residual_score
from luxel.residual_files import decode_residual, encode_residual
from stand_ins.dataset_scenes import prepare, write_source

SMALL = BuildSettings(short_side=48)
NOW = "2026-11-23T12:00:00+00:00"


def make(out: Path, sources: list[SceneSource], **more: object) -> list[SceneOutcome]:
    return build_dataset(sources, out, settings=SMALL, prepare=prepare, **more)  # type: ignore[arg-type]


def sources_of(folder: Path, n: int, kind: str = "scene") -> list[SceneSource]:
    return [write_source(folder, f"{kind}{i:02}", i) for i in range(n)]


def rows_of(out: Path) -> list[FrameRow]:
    return read_manifest(out / "manifest.parquet")


def kinds(out: Path) -> Counter[str]:
    return Counter(problem.kind for problem in check_dataset(out).problems)


def times(out: Path) -> dict[str, int]:
    """When each scene was written."""
    return {place.parent.name: place.stat().st_mtime_ns for place in out.glob("scenes/*/scene.json")}


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound dataset of three scenes; copied by tests that spoil it."""
    folder = tmp_path_factory.mktemp("pristine")
    make(folder / "data", sources_of(folder / "in", 3))
    return folder / "data"


@pytest.fixture
def dataset(pristine: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(pristine, tmp_path / "data"))


def test_a_dataset_is_whole_and_sound(pristine: Path) -> None:
    result = check_dataset(pristine)
    assert result.problems == []
    assert (result.layout, result.scenes, result.frames) == ("luxel", 3, 9)
    for name in ("README.md", "croissant.json", "coverage.html", "report.json", "dataset.json", "manifest.parquet"):
        assert (pristine / name).stat().st_size > 0


def test_a_stored_label_is_reference_minus_image_where_no_rule_says_otherwise(pristine: Path) -> None:
    for row in rows_of(pristine):
        image, residual, confidence = read_frame(pristine, row)
        reference = images.read(pristine / row.reference).pixels
        flags = images.read(pristine / str(row.flags)).pixels[..., 0]
        plain = (flags & (Flag.SEVERE | Flag.CLEANED)) == 0
        np.testing.assert_allclose(residual[plain], (lightness(reference) - lightness(image))[plain], atol=1.6e-5)
        assert row.score == pytest.approx(mean_residual_score(residual), abs=1e-6)
        assert confidence.mean() == pytest.approx(row.confidence_mean, abs=1e-6)
        assert np.all(flags[:2, :2] & Flag.MOVING)


def test_darker_frames_read_as_underexposed(pristine: Path) -> None:
    rows = {row.name: row for row in rows_of(pristine)}
    for scene in ("scene00", "scene01", "scene02"):
        assert rows[f"{scene}/N2"].under > rows[f"{scene}/P2"].under
        assert rows[f"{scene}/P2"].over > rows[f"{scene}/N2"].over


def test_facts_of_the_source_reach_the_rows(pristine: Path) -> None:
    row = rows_of(pristine)[0]
    assert (row.device, row.licence, row.tone, row.iso) == ("Test camera", "CC0-1.0", "dark", 100.0)
    assert row.exposure_s == pytest.approx(1 / 240)


def test_a_reference_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(fused: np.ndarray, *more: object) -> np.ndarray:
        made.append(fused.shape)
        return apply_zones(fused, *more)  # type: ignore[arg-type]

    monkeypatch.setattr("luxel.dataset.reference.reference.apply_zones", counted)
    make(tmp_path / "out", sources_of(tmp_path / "in", 2))
    assert len(made) == 2


def test_building_again_does_nothing_twice(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 2)
    make(tmp_path / "out", sources)
    before, manifest = times(tmp_path / "out"), (tmp_path / "out/manifest.parquet").read_bytes()
    outcomes = make(tmp_path / "out", sources)
    assert [outcome.state for outcome in outcomes] == ["kept", "kept"]
    assert times(tmp_path / "out") == before
    assert (tmp_path / "out/manifest.parquet").read_bytes() == manifest


def test_a_later_build_adds_scenes_and_removes_none(tmp_path: Path) -> None:
    first, second = sources_of(tmp_path / "in", 2)
    make(tmp_path / "out", [first])
    make(tmp_path / "out", [second])
    assert {row.scene_id for row in rows_of(tmp_path / "out")} == {"scene00", "scene01"}


def test_a_changed_source_is_built_again_and_only_that(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 2)
    make(tmp_path / "out", sources)
    before = times(tmp_path / "out")
    sources[1] = write_source(tmp_path / "in", "scene01", 77)
    assert [outcome.state for outcome in make(tmp_path / "out", sources)] == ["kept", "built"]
    after = times(tmp_path / "out")
    assert (before["scene00"] == after["scene00"], before["scene01"] == after["scene01"]) == (True, False)
    assert check_dataset(tmp_path / "out").problems == []


def test_a_lost_file_is_made_again(dataset: Path, pristine: Path) -> None:
    (dataset / rows_of(dataset)[0].residual).unlink()
    sources = sources_of(pristine.parent / "in", 3)
    assert [outcome.state for outcome in make(dataset, sources)] == ["built", "kept", "kept"]
    assert check_dataset(dataset).problems == []


def test_one_bad_scene_is_a_row_with_the_reason(tmp_path: Path) -> None:
    sources = [
        write_source(tmp_path / "in", name, 1 + i) for i, name in enumerate(("good", "broken", "bug", "dropped"))
    ]
    outcomes = {outcome.scene_id: outcome for outcome in make(tmp_path / "out", sources)}
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "good": "built",
        "broken": "failed",
        "bug": "failed",
        "dropped": "built",
    }
    assert "truncated HDR" in outcomes["broken"].reason
    assert "ZeroDivisionError" in outcomes["bug"].reason
    report = read_json(tmp_path / "out/report.json")["outcomes"]
    assert report == json.loads(json.dumps([asdict(outcomes[source.scene_id]) for source in sources]))
    page = (tmp_path / "out/coverage.html").read_text()
    assert "truncated HDR" in page
    assert "SSIM 0.21" in page
    assert str(tmp_path) not in page + (tmp_path / "out/report.json").read_text(), "a machine's path is published"
    assert check_dataset(tmp_path / "out").problems == []


def test_a_failed_scene_is_tried_again(tmp_path: Path) -> None:
    sources = [write_source(tmp_path / "in", "broken", 1)]
    assert make(tmp_path / "out", sources)[0].state == "failed"
    calls = []

    def prepare_with_fix(source: SceneSource, **settings: object) -> object:
        calls.append(source)
        return prepare(replace(source, frames=(replace(source.frames[0], file=other),)), **settings)  # type: ignore[arg-type]

    other = tmp_path / "in" / "fixed.hdr"
    other.write_text("1")
    outcome = build_dataset(sources, tmp_path / "out", settings=SMALL, prepare=prepare_with_fix)[0]  # type: ignore[arg-type]
    assert (outcome.state, len(calls)) == ("built", 1)


def test_processes_give_the_same_bytes_and_lose_only_bad_scenes(tmp_path: Path) -> None:
    """One process dies over its scene, another exceeds the time limit."""
    sources = sources_of(tmp_path / "in", 2)
    crash, stuck = (write_source(tmp_path / "in", name, 1) for name in ("crash", "stuck"))
    make(tmp_path / "one", sources)
    outcomes = make(tmp_path / "two", [crash, *sources, stuck], jobs=2, timeout=4.0)
    assert [outcome.state for outcome in outcomes] == ["failed", "built", "built", "failed"]
    assert "was killed" in outcomes[0].reason
    assert "took longer than 4 s" in outcomes[3].reason
    files = sorted(place.relative_to(tmp_path / "one") for place in (tmp_path / "one/scenes").rglob("*.*"))
    assert len(files) == 2 * (3 * 4 + 6)
    for file in [*files, Path("manifest.parquet")]:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


KILLED = """
import sys
from pathlib import Path
from stand_ins.dataset_scenes import prepare, write_source
from luxel.dataset.build import BuildSettings, build_dataset

if __name__ == "__main__":
    sources = [write_source(Path(sys.argv[1]), f"slow{i:02}", i) for i in range(6)]
    build_dataset(sources, Path(sys.argv[2]), settings=BuildSettings(short_side=48), prepare=prepare, jobs=2,
          progress=lambda outcome: print(outcome.scene_id, outcome.state, flush=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_and_run_again_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, str(script), str(tmp_path / "in"), str(tmp_path / "out")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    finished = [process.stdout.readline().split()[0] for _ in range(2)]
    time.sleep(0.2)  # into the middle of the next scenes
    process.send_signal(signal.SIGKILL)
    process.wait()
    standing = times(tmp_path / "out")
    assert set(finished) <= standing.keys()

    # The processes end with their parent, and the lock is free at once.
    sources = [write_source(tmp_path / "in", f"slow{i:02}", i) for i in range(6)]
    outcomes = make(tmp_path / "out", sources)
    states = {outcome.scene_id: outcome.state for outcome in outcomes}
    assert set(states.values()) <= {"built", "kept"}
    for scene in finished:
        assert states[scene] == "kept"
        assert times(tmp_path / "out")[scene] == standing[scene]
    assert len(rows_of(tmp_path / "out")) == 6 * 3
    assert check_dataset(tmp_path / "out").problems == []
    assert not list((tmp_path / "out/scenes").glob(".*"))


def test_half_a_scene_is_never_taken_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("luxel.dataset.folder.scene_files.save_rows", stop)  # the last thing written
    sources = sources_of(tmp_path / "in", 1)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", sources)
    monkeypatch.undo()
    assert times(tmp_path / "out") == {}
    assert make(tmp_path / "out", sources)[0].state == "built"


def test_a_full_disk_stops_the_build_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = images.write
    full = {"now": False}

    def write(path: Path, pixels: np.ndarray) -> None:
        if full["now"] and "residual" in path.name:
            raise ImageError(f"{path}: cannot be written: No space left on device") from OSError(errno.ENOSPC, "full")
        written(path, pixels)

    monkeypatch.setattr(images, "write", write)
    sources = sources_of(tmp_path / "in", 3)

    def fill(outcome: SceneOutcome) -> None:
        full["now"] = True

    with pytest.raises(DatasetError, match=r"No space left.*free some space and run the same build again"):
        make(tmp_path / "out", sources, progress=fill)
    assert times(tmp_path / "out").keys() == {"scene00"}
    assert not list((tmp_path / "out/scenes").glob(".*"))
    full["now"] = False
    monkeypatch.undo()
    assert [outcome.state for outcome in make(tmp_path / "out", sources)] == ["kept", "built", "built"]


def test_other_settings_are_rejected_or_rebuilt_never_mixed(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 2)
    make(tmp_path / "out", sources)
    other = replace(SMALL, rules=LabelRules(severe=-0.8))
    with pytest.raises(DatasetError, match=r"severe -0\.9 instead of -0\.8.*--rebuild"):
        build_dataset(sources, tmp_path / "out", settings=other, prepare=prepare)
    # A rebuild that reached one scene only: check says so, and the next build does the rest.
    build_dataset(sources[:1], tmp_path / "out", settings=other, prepare=prepare, rebuild=True)
    assert "settings" in kinds(tmp_path / "out")
    outcomes = build_dataset(sources, tmp_path / "out", settings=other, prepare=prepare)
    assert [outcome.state for outcome in outcomes] == ["kept", "built"]
    assert check_dataset(tmp_path / "out").problems == []


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(DatasetError, match=r"holiday\.jpg"):
        make(tmp_path, [])
    assert [place.name for place in tmp_path.iterdir()] == ["holiday.jpg"]


def test_two_builds_do_not_work_in_one_folder(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from luxel.jobs.lock import locked
with locked(Path({str(tmp_path / "out")!r})):
    print("held", flush=True)
    input()
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(DatasetError, match="another luxel"):
        make(tmp_path / "out", [])
    process.kill()
    process.wait()
    with locked(tmp_path / "out"):
        pass


def test_two_sources_of_one_name_are_rejected(tmp_path: Path) -> None:
    source = write_source(tmp_path / "in", "a", 1)
    with pytest.raises(DatasetError, match="called 'a'"):
        make(tmp_path / "out", [source, source])


def a_layer(dataset: Path, scene: str, expert: str, amount: float, blocks: tuple[int, ...] = (0, 1)) -> Layer:
    labels = read_blocks(dataset / "scenes" / scene, (48, 72))
    return Layer(
        id=f"{expert}-{abs(amount)}".replace(".", "-"),
        expert=expert,
        made=NOW,
        mode="set",
        amount=amount,
        where=blocks,
        blocks_sha256=blocks_fingerprint(labels),
    )


def test_experts_layers_are_merged_and_taken_back(dataset: Path) -> None:
    before = {row.name: row for row in rows_of(dataset)}
    folder = layer_folder(dataset, "scene00", "P0")
    for expert, amount in (("anna", -0.9), ("ben", -0.7), ("cleo", 0.3)):
        write_layer(folder, a_layer(dataset, "scene00", expert, amount))
    assert "label" in kinds(dataset)  # laid down, not merged yet
    assert relabel(dataset) == (1, [])
    rows = {row.name: row for row in rows_of(dataset)}
    row = rows["scene00/P0"]
    _, residual, confidence = read_frame(dataset, row)
    touched = read_blocks(dataset / "scenes/scene00", (48, 72)) <= 1
    np.testing.assert_allclose(residual[touched], -0.7, atol=1.6e-5)
    assert np.all(confidence[touched] == 1)
    assert row.experts == "anna;ben;cleo"
    assert {name for name in rows if rows[name] != before[name]} == {"scene00/P0"}
    assert check_dataset(dataset).problems == []
    assert relabel(dataset) == (0, [])
    for place in folder.iterdir():
        place.unlink()
    folder.rmdir()
    assert relabel(dataset, ["scene00"]) == (1, [])
    assert rows_of(dataset) == list(before.values())
    assert check_dataset(dataset).problems == []


def test_layers_outlive_a_rebuild_or_are_named(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 1)
    make(tmp_path / "out", sources)
    folder = layer_folder(tmp_path / "out", "scene00", "P0")
    mask = np.zeros((48, 72), dtype=bool)
    mask[:10] = True
    write_layer(folder, Layer(id="mask", expert="anna", made=NOW, mode="set", amount=0.5, where=mask))
    write_layer(folder, a_layer(tmp_path / "out", "scene00", "ben", 0.1))
    sources[0] = write_source(tmp_path / "in", "scene00", 99)  # another picture: its blocks are others
    outcome = make(tmp_path / "out", sources)[0]
    assert "other blocks" in outcome.notes[0]
    assert rows_of(tmp_path / "out")[1].experts == "anna"
    problems = check_dataset(tmp_path / "out").problems
    assert [(problem.kind, problem.place) for problem in problems] == [("layer", "scene00/P0")]


def test_a_person_decides_a_block_and_everything_follows(dataset: Path) -> None:
    before = {row.name: row for row in rows_of(dataset)}
    reference = images.read(dataset / "scenes/scene00/reference.png").pixels
    assert rereference(dataset) == (0, [])  # no decision changed, no byte changes
    assert rows_of(dataset) == list(before.values())
    decide(dataset, "scene00", {0: 1.0}, by="anna")
    assert "reference" in kinds(dataset)  # decided, not applied yet
    assert rereference(dataset, ["scene00"]) == (3, [])
    block = read_blocks(dataset / "scenes/scene00", (48, 72)) == 0
    darker = lightness(reference) - lightness(images.read(dataset / "scenes/scene00/reference.png").pixels)
    assert darker[block].mean() > 0.1
    assert {name for name, row in before.items() if row not in rows_of(dataset)} == {
        "scene00/N2",
        "scene00/P0",
        "scene00/P2",
    }
    assert check_dataset(dataset).problems == []
    decisions = read_json(dataset / "scenes/scene00/zones.json")["decisions"]
    assert [d["decided_by"] for d in decisions][:2] == ["anna", "rules"]
    with pytest.raises(DatasetError, match="no block 999"):
        decide(dataset, "scene00", {999: 5.0}, by="anna")
    with pytest.raises(DatasetError, match="name of the person"):
        decide(dataset, "scene00", {0: 5.0}, by="")


def test_decisions_of_people_outlive_a_rebuild_or_are_kept_aside(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "in", 1)
    make(tmp_path / "out", sources)
    decide(tmp_path / "out", "scene00", {0: 1.0}, by="anna")
    zones = tmp_path / "out/scenes/scene00/zones.json"
    sources[0] = replace(sources[0], tags={"scene": "street", "light": "", "tone": ""})  # built again, same blocks
    assert make(tmp_path / "out", sources)[0].state == "built"
    assert read_json(zones)["decisions"][0]["decided_by"] == "anna"
    assert check_dataset(tmp_path / "out").problems == []
    sources[0] = write_source(tmp_path / "in", "scene00", 99)  # another picture: other blocks
    assert "1 zone decisions by people" in make(tmp_path / "out", sources)[0].notes[-1]
    assert read_json(tmp_path / "out/outdated/scene00.zones.json")["decisions"][0]["decided_by"] == "anna"
    assert {d["decided_by"] for d in read_json(zones)["decisions"]} == {"rules"}


def test_long_stages_tell_every_scene_that_is_done(dataset: Path, tmp_path: Path) -> None:
    scenes = sorted(place.parent.name for place in dataset.glob("scenes/*/scene.json"))
    for stage in (relabel, rereference):
        reported: list[str] = []
        stage(dataset, progress=reported.append)
        assert reported == scenes
    reported = []
    export_released(dataset, tmp_path / "there", progress=reported.append)
    assert sorted(reported) == scenes


def test_broken_decisions_are_named(dataset: Path) -> None:
    zones = dataset / "scenes/scene00/zones.json"
    record = read_json(zones)
    write_json(zones, {**record, "decisions": record["decisions"][1:]})
    changed, notes = rereference(dataset)
    assert changed == 0
    assert "zones.json" in notes[0]
    assert "one for each" in notes[0]
    assert any("zones.json" in str(problem) for problem in check_dataset(dataset).problems)


def test_a_scene_whose_replacement_was_killed_is_put_back(dataset: Path, pristine: Path) -> None:
    (dataset / "scenes/scene00").rename(dataset / "scenes" / hidden_name("scene00"))
    (dataset / "scenes" / hidden_name()).mkdir()
    sources = sources_of(pristine.parent / "in", 3)
    assert [outcome.state for outcome in make(dataset, sources)] == ["kept"] * 3
    assert check_dataset(dataset).problems == []
    assert not list((dataset / "scenes").glob(".*"))


def test_splits_can_be_made_again(dataset: Path) -> None:
    rows = resplit(dataset, seed=7, shares=(0.5, 0.5, 0))
    assert {row.split for row in rows} <= {"train", "val"}
    assert read_json(dataset / "dataset.json")["split"] == {"seed": 7, "shares": [0.5, 0.5, 0]}
    assert check_dataset(dataset).problems == []
    with pytest.raises(DatasetError, match="sum to 1"):
        resplit(dataset, shares=(1, 1, 1))
    with pytest.raises(DatasetError, match="no scene 'nowhere'"):
        relabel(dataset, ["nowhere"])
    with pytest.raises(DatasetError, match="no luxel dataset"):
        relabel(dataset / "scenes")


def spoil_json(dataset: Path, change: Callable[[dict[str, object]], None]) -> None:
    place = dataset / "scenes/scene00/scene.json"
    record = read_json(place)
    change(record)
    write_json(place, record)


def rewrite_residual(dataset: Path, change: Callable[[np.ndarray], np.ndarray], *, honest: bool) -> None:
    """A changed map; honest: with the checksum, score and shares it now has."""
    place = dataset / "scenes/scene00/P0.residual.png"
    residual = change(decode_residual(images.read(place).pixels[..., 0]))
    images.write(place, encode_residual(residual))
    if not honest:
        return

    def update(record: dict[str, object]) -> None:
        from luxel.dataset.folder.manifest import sha256_of

        for row in record["rows"]:  # type: ignore[attr-defined]
            if row["level"] == "P0":
                row["residual_sha256"] = sha256_of(place)
                row["score"] = mean_residual_score(residual)

    spoil_json(dataset, update)
    upkeep.finish(dataset)


def shift_part(residual: np.ndarray) -> np.ndarray:
    changed = residual.copy()
    part = changed[10:20, 10:20]
    part += np.where(part >= 0, 0.2, -0.2)  # away from 0, so that the score changes whatever the map says
    return np.clip(changed, -1, 1)


SPOILED: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "image gone": (lambda d: (d / "scenes/scene00/P0.png").unlink(), {"missing"}),
    "map gone": (lambda d: (d / "scenes/scene00/P0.residual.png").unlink(), {"missing"}),
    "reference gone": (lambda d: (d / "scenes/scene00/reference.png").unlink(), {"missing"}),
    "image cut short": (
        lambda d: (d / "scenes/scene00/P0.png").write_bytes((d / "scenes/scene00/P0.png").read_bytes()[:900]),
        {"checksum", "unreadable"},
    ),
    "other picture": (
        lambda d: images.write(d / "scenes/scene00/P0.png", np.full((48, 72, 3), 9, np.uint8)),
        {"checksum", "label"},
    ),
    "other size": (
        lambda d: images.write(d / "scenes/scene00/P0.png", np.full((48, 70, 3), 9, np.uint8)),
        {"checksum", "size"},
    ),
    "8-bit map": (
        lambda d: images.write(d / "scenes/scene00/P0.residual.png", np.full((48, 72), 9, np.uint8)),
        {"checksum", "unreadable"},
    ),
    "code 0": (
        lambda d: images.write(d / "scenes/scene00/P0.residual.png", np.zeros((48, 72), np.uint16)),
        {"checksum", "range", "score", "label"},
    ),
    "map touched up": (lambda d: rewrite_residual(d, shift_part, honest=False), {"checksum", "score", "label"}),
    "map touched up, checksums fixed": (lambda d: rewrite_residual(d, shift_part, honest=True), {"label"}),
    "negated map, checksums fixed": (lambda d: rewrite_residual(d, np.negative, honest=True), {"label"}),
    "score by hand": (
        lambda d: (
            spoil_json(d, lambda r: r["rows"][0].update(score=3.0)),  # type: ignore[index]
            upkeep.finish(d),
        ),
        {"score"},
    ),
    "stale manifest": (lambda d: spoil_json(d, lambda r: r["rows"][0].update(light="dusk")), {"manifest"}),  # type: ignore[index]
    "scene not in the manifest": (
        lambda d: __import__("shutil").copytree(d / "scenes/scene00", d / "scenes/extra"),
        {"manifest"},
    ),
    "scene removed": (lambda d: __import__("shutil").rmtree(d / "scenes/scene00"), {"missing"}),
    "scene.json broken": (lambda d: (d / "scenes/scene00/scene.json").write_text("{"), {"scene"}),
    "no manifest": (lambda d: (d / "manifest.parquet").unlink(), {"manifest"}),
    "no dataset.json": (lambda d: (d / "dataset.json").unlink(), {"dataset", "settings"}),
    "no card": (lambda d: (d / "README.md").unlink(), {"missing"}),
    "no metadata": (lambda d: (d / "croissant.json").unlink(), {"missing"}),
    "layer of nobody": (
        lambda d: (layer_folder(d, "ghost", "P0").mkdir(parents=True), (d / "layers/ghost/P0/x.json").write_text("{}")),
        {"layer"},
    ),
    "layer broken": (
        lambda d: (
            layer_folder(d, "scene00", "P0").mkdir(parents=True),
            (d / "layers/scene00/P0/x.json").write_text("{"),
        ),
        {"layer"},
    ),
    "half a scene": (lambda d: (d / "scenes" / hidden_name()).mkdir(), {"leftover"}),
}


@pytest.mark.parametrize("case", SPOILED)
def test_check_names_every_kind_of_damage(dataset: Path, case: str) -> None:
    spoil, expected = SPOILED[case]
    spoil(dataset)
    found = kinds(dataset)
    if case == "no dataset.json":
        assert "dataset" in found
    else:
        assert found.keys() == expected, [str(problem) for problem in check_dataset(dataset).problems]


def test_check_names_all_problems_not_the_first(dataset: Path) -> None:
    (dataset / "scenes/scene00/P0.png").unlink()
    (dataset / "scenes/scene01/N2.residual.png").write_bytes(b"")
    (dataset / "scenes/scene02/reference.png").unlink()
    text = "\n".join(map(str, check_dataset(dataset, jobs=2).problems))
    for place in ("scene00/P0.png", "scene01/N2.residual.png", "scene02/reference.png"):
        assert place in text


def test_check_finds_a_scene_in_two_splits(dataset: Path) -> None:
    from luxel.dataset.folder.manifest import write_manifest

    rows = rows_of(dataset)
    other = next(name for name in ("train", "val", "test") if name != rows[0].split_2)
    write_manifest(dataset / "manifest.parquet", [replace(rows[0], split_2=other), *rows[1:]])
    found = [problem for problem in check_dataset(dataset).problems if problem.kind == "split-leak"]
    assert {problem.place for problem in found} == {"scene scene00", "group scene00"}
    assert "split_2" in found[0].message


def test_check_finds_one_picture_under_two_names(tmp_path: Path) -> None:
    sources = [write_source(tmp_path / "in", name, 5) for name in ("one", "two")]
    make(tmp_path / "out", sources)
    problems = check_dataset(tmp_path / "out").problems
    assert [problem.kind for problem in problems] == ["duplicate"]
    assert "two" in str(problems[0])


def test_near_duplicates_are_distinguished_from_other_pictures() -> None:
    rng = np.random.default_rng(0)
    from luxel.dataset.reference.bracket import frame
    from luxel.samples.procedural import procedural_scene

    lights = [procedural_scene(rng, height=96, width=128) for _ in range(12)]
    hashes = {f"s{i}": difference_hash(frame(light, 0)) for i, light in enumerate(lights)}
    assert list(near_duplicates(hashes)) == []
    noisy = np.clip(frame(lights[3], 0).astype(int) + rng.integers(-3, 4, (96, 128, 3)), 0, 255).astype(np.uint8)
    hashes["again"] = difference_hash(noisy)
    hashes["flat"] = hashes["flat too"] = difference_hash(np.full((96, 128, 3), 90, np.uint8))
    assert [(a, b) for a, b, _ in near_duplicates(hashes)] == [("again", "s3")]
