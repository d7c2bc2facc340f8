"""`dataset check` names every kind of damage."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from luxel import images
from luxel.dataset.check.check import check_dataset
from luxel.dataset.check.problems import difference_hash, near_duplicates
from luxel.dataset.folder import upkeep
from luxel.dataset.folder.manifest import write_json
from luxel.dataset.labels.layers import layer_folder
from luxel.jobs.atomic import hidden_name
from luxel.jobs.records import read_json
from luxel.residual import mean_residual_score
from luxel.residual_files import decode_residual, encode_residual
from stand_ins.built_datasets import kinds, make, rows_of
from stand_ins.dataset_scenes import write_source


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
