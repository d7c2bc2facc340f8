"""Checking and continuing a dataset in IEA40K's layout."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from luxel.dataset.check.check import check_dataset
from luxel.dataset.folder.manifest import read_manifest
from luxel.dataset.folder.upkeep import relabel
from luxel.dataset.iea40k.convert_released import export_released, import_released
from luxel.dataset.iea40k.layout import read_frame
from luxel.dataset.labels.layers import Layer, layer_folder, write_layer
from luxel.errors import DatasetError


def test_an_import_that_was_stopped_resumes(released: Path, tmp_path: Path) -> None:
    lost = released / "label/exposure_condition/a0002-dgw_005_P0.npy"
    kept = lost.read_bytes()
    lost.unlink()
    with pytest.raises(DatasetError, match=r"a0002-dgw_005_P0\.npy"):
        import_released(released, tmp_path / "luxel")
    first = (tmp_path / "luxel/scenes/a0001-jmac_DSC1459/scene.json").stat().st_mtime_ns
    lost.write_bytes(kept)
    assert len(import_released(released, tmp_path / "luxel")) == 12
    assert (tmp_path / "luxel/scenes/a0001-jmac_DSC1459/scene.json").stat().st_mtime_ns == first
    assert check_dataset(tmp_path / "luxel").problems == []


def test_experts_can_continue_from_released_labels(released: Path, tmp_path: Path) -> None:
    out = tmp_path / "luxel"
    before = {row.name: row for row in import_released(released, out)}
    mask = np.zeros((256, 256), dtype=bool)
    mask[100:120, 100:120] = True
    folder = layer_folder(out, "a0002-dgw_005", "P0")
    write_layer(folder, Layer(id="l", expert="anna", made="2026-11-23T12:00:00Z", mode="add", amount=0.25, where=mask))
    for _ in range(2):  # the second time starts from the label as it came, not from the merged one
        relabel(out)
        row = {row.name: row for row in read_manifest(out / "manifest.parquet")}["a0002-dgw_005/P0"]
        _, residual, _ = read_frame(out, row)
        np.testing.assert_allclose(residual[mask], 0.25, atol=4e-5)
        assert (row.score, row.experts) == (7.25, "anna")
    assert check_dataset(out).problems == []
    (folder / "l.json").unlink()
    relabel(out)
    assert {row.name: row for row in read_manifest(out / "manifest.parquet")} == before


def damage(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        place = folder / "label/exposure_condition/a0001-jmac_DSC1459_N4.npy"
        np.save(place, change(np.load(place)))

    return spoil


def append(name: str, line: str) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write(line + "\n")

    return spoil


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "image gone": (lambda d: (d / "IEA_img/a0001-jmac_DSC1459_N4.png").unlink(), "missing"),
    "map gone": (lambda d: (d / "label/exposure_condition/a0001-jmac_DSC1459_N4.npy").unlink(), "missing"),
    "reference gone": (lambda d: (d / "label/global_best/a0001-jmac_DSC1459.png").unlink(), "missing"),
    "image broken": (lambda d: (d / "IEA_img/a0001-jmac_DSC1459_N4.png").write_bytes(b"\x89PNG"), "unreadable"),
    "map broken": (
        lambda d: (d / "label/exposure_condition/a0001-jmac_DSC1459_N4.npy").write_bytes(b"\x93NUMPY"),
        "unreadable",
    ),
    "map of objects": (damage(lambda m: np.array([[None]])), "unreadable"),
    "map out of range": (damage(lambda m: m * 3), "range"),
    "map not a number": (damage(lambda m: m * np.nan), "range"),
    "map without signs": (damage(lambda m: np.abs(m).astype(np.uint8)), "range"),
    "map of three dimensions": (damage(lambda m: m[None]), "range"),
    "map of another size": (damage(lambda m: m[:100]), "size"),
    "map negated": (damage(np.negative), "label"),
    "score out of range": (append("train_256.csv", "a0001-jmac_DSC1459_N4.png,a0001-jmac_DSC1459.png,11"), "score"),
    "score no number": (append("train_256.csv", "x_N4.png,x.png,good"), "manifest"),
    "a path, no name": (append("train_256.csv", "../../x_N4.png,x.png,3"), "manifest"),
    "two scores": (append("train_256_2ev.csv", ""), "manifest"),
    "scene in two lists": (
        append("valid_256_2ev.csv", "a0001-jmac_DSC1459_N4.png,a0001-jmac_DSC1459.png,1.14"),
        "split-leak",
    ),
    "line twice": (append("train_256.csv", "a0001-jmac_DSC1459_N4.png,a0001-jmac_DSC1459.png,1.14"), "manifest"),
    "scene twice": (
        lambda d: shutil.copy(
            d / "label/global_best/a0001-jmac_DSC1459.png", d / "label/global_best/a0002-dgw_005.png"
        ),
        "duplicate",
    ),
}


@pytest.mark.parametrize("case", SPOILED)
def test_check_names_damage(released: Path, case: str) -> None:
    spoil, kind = SPOILED[case]
    spoil(released)
    problems = check_dataset(released).problems
    assert kind in {problem.kind for problem in problems}, [str(problem) for problem in problems]


def test_check_proves_maps_and_scores_that_luxel_wrote(built: Path, tmp_path: Path) -> None:
    export_released(built, tmp_path / "out")
    place = next(iter(sorted((tmp_path / "out/label/exposure_condition").iterdir())))
    residual = np.load(place)
    residual[10:20, 10:20] += 20
    np.save(place, residual)
    kinds = {problem.kind for problem in check_dataset(tmp_path / "out").problems}
    assert kinds == {"label", "score"}
