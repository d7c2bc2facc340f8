"""Strokes and replay: coverage, modes, exactness of rounding, undo."""

import numpy as np
import pytest

from luxel.annotate.editing.exposure_table import MAX_THIRDS, exposure_table, grey_codes
from luxel.annotate.editing.maps import NOT_JUDGED, TOUCHED, UNTOUCHED, blank_map, map_from, pack, unpack
from luxel.annotate.editing.operations import (
    BrushStroke,
    FillSegments,
    History,
    OperationError,
    SetSegments,
    Undo,
    check_operation,
    counted,
    read_operation,
)
from luxel.annotate.editing.replay import Material, replay
from luxel.annotate.editing.segments import segment, unpack_segments
from luxel.annotate.editing.strokes import Brush, coverage, smoothed, window_of
from luxel.dataset.reference.superpixels import blocks
from luxel.photometry import expose, lightness, to_linear, to_srgb
from luxel.residual_files import SCALE
from luxel.samples.procedural import procedural_scene


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return to_srgb(procedural_scene(np.random.default_rng(3), height=60, width=90))


@pytest.fixture(scope="module")
def material(scene: np.ndarray) -> Material:
    grey = grey_codes(np.rint(scene * 255).astype(np.uint8))
    sources = {"model": np.full((60, 90), 3000, np.int16)}
    return Material(segment(scene, blocks(scene, count=30), coarse=8, fine=100), grey, sources)


def stroke(mode: str = "set", **more: object) -> BrushStroke:
    facts = {"kind": "brush", "mode": mode, "points": [[80, 80], [200, 120]], "radius": 8, "value": 10_000, **more}
    return BrushStroke.model_validate(facts)


def test_segments_are_nested_and_cover_everything(material: Material) -> None:
    segmentation = material.segmentation
    counts = segmentation.counts
    assert counts["coarse"] <= counts["medium"] <= counts["fine"]
    for granularity in counts:
        labels = segmentation.labels(granularity)
        assert set(np.unique(labels)) == set(range(counts[granularity]))
    for finer, coarser in (("fine", "medium"), ("medium", "coarse")):
        pairs = {*zip(segmentation.labels(finer).flat, segmentation.labels(coarser).flat, strict=True)}
        assert len(pairs) == counts[finer]
    again = unpack_segments(*segmentation.packed(), (60, 90))
    assert all(np.array_equal(getattr(again, n), getattr(segmentation, n)) for n in ("fine", "medium", "coarse"))


def test_coverage_is_whole_inside_and_falls_to_the_rim() -> None:
    points = np.array([[80, 80]])
    window = window_of(points, 10, (60, 90))
    weight = coverage(points, Brush(10, 50, 100), window)
    y, x = np.mgrid[window.top : window.bottom, window.left : window.right] + 0.5
    distance = np.hypot(x - 20, y - 20)
    assert (weight[distance <= 5] == 1).all()
    assert (weight[distance >= 10] == 0).all()
    np.testing.assert_allclose(
        weight[(distance > 5) & (distance < 10)], (10 - distance[(distance > 5) & (distance < 10)]) / 5
    )
    assert coverage(points, Brush(10, 50, 40), window).max() == 0.4


def test_a_stroke_that_crosses_itself_counts_once(material: Material) -> None:
    start = blank_map((60, 90))
    there = [[80, 80], [200, 120], [80, 80], [200, 120]]
    once = replay(start, [stroke("add", opacity=30)], material)
    twice = replay(start, [stroke("add", opacity=30, points=there)], material)
    assert once.sha256 == twice.sha256
    assert once.codes.max() == 3000


def test_modes(material: Material) -> None:
    start = map_from(np.linspace(-0.5, 0.5, 60 * 90).reshape(60, 90))
    centre = (25, 35)
    done = {mode: replay(start, [stroke(mode)], material) for mode in ("set", "add", "smooth", "start", "not_judged")}
    assert done["set"].codes[centre] == 10_000
    assert done["add"].codes[centre] == start.codes[centre] + 10_000
    assert abs(int(done["smooth"].codes[centre]) - int(start.codes[centre])) < 400
    assert done["not_judged"].status[centre] == NOT_JUDGED
    assert np.array_equal(done["not_judged"].codes, start.codes)
    assert done["set"].status[centre] == TOUCHED
    assert done["set"].status[0, 0] == UNTOUCHED
    undone = replay(start, [stroke("set"), stroke("start", radius=30)], material)
    assert undone.sha256 == start.sha256
    far = replay(start, [stroke("add", value=SCALE), stroke("add", value=SCALE)], material)
    assert far.codes.max() == SCALE


def test_a_stroke_outside_of_the_image_changes_nothing(material: Material) -> None:
    start = blank_map((60, 90))
    for points in ([[-400, -400]], [[4000, 100]], [[100, 9000]]):
        assert replay(start, [stroke(points=points)], material).sha256 == start.sha256


def test_stops_change_a_pixel_as_an_exposure_does(material: Material, scene: np.ndarray) -> None:
    made = replay(blank_map((60, 90)), [stroke(stops=3, hardness=100)], material)
    grey = np.rint(lightness(scene) * 255) / 255
    expected = to_srgb(expose(to_linear(grey), 1.0)) - grey
    where = made.status == TOUCHED
    assert where.sum() > 100
    np.testing.assert_allclose(made.values[where], expected[where], atol=1.1 / 255)
    table = exposure_table()
    assert (table[MAX_THIRDS] == 0).all()
    assert (np.diff(table.astype(int), axis=0) >= 0).all()


def test_fills_reach_their_segments_only(material: Material) -> None:
    segmentation = material.segmentation
    fill = {"kind": "fill", "granularity": "medium", "segments": [3, 5], "mode": "set"}
    made = replay(blank_map((60, 90)), [FillSegments.model_validate({**fill, "source": "model"})], material)
    inside = np.isin(segmentation.labels("medium"), [3, 5])
    assert (made.codes[inside] == 3000).all()
    assert (made.codes[~inside] == 0).all()
    unknown = replay(blank_map((60, 90)), [FillSegments.model_validate({**fill, "source": "rules"})], material)
    assert not unknown.status.any()


def test_smoothing_is_the_mean_around() -> None:
    codes = np.random.default_rng(0).integers(-SCALE, SCALE, (20, 30)).astype(np.int16)
    window = window_of(np.array([[40, 40]]), 40, (20, 30))
    means = smoothed(codes, window, 2)
    assert means[0, 0] == np.floor(codes[:3, :3].mean() + 0.5)
    assert means[10, 10] == np.floor(codes[8:13, 8:13].mean() + 0.5)


def test_undo_and_redo_keep_their_order() -> None:
    log = [(1, stroke()), (2, stroke("add")), (3, Undo(kind="undo", target=2))]
    assert counted(log) == [log[0][1]]
    log.append((4, read_operation({"kind": "redo", "target": 2})))
    assert len(counted(log)) == 2
    history = History()
    history.append(1, stroke())
    with pytest.raises(OperationError, match="another"):
        history.append(2, Undo(kind="undo", target=7))
    history.append(2, Undo(kind="undo", target=1))
    history.append(3, stroke())
    with pytest.raises(OperationError, match="redo of 1"):
        history.append(4, read_operation({"kind": "redo", "target": 1}))


@pytest.mark.parametrize(
    "payload",
    [
        {"kind": "brush", "mode": "set", "points": [[0, 0]], "radius": 0},
        {"kind": "brush", "mode": "set", "points": [[0.5, 0]], "radius": 3},
        {"kind": "brush", "mode": "set", "points": [[0, 10**9]], "radius": 3},
        {"kind": "brush", "mode": "erase", "points": [[0, 0]], "radius": 3},
        {"kind": "brush", "mode": "set", "points": [], "radius": 3},
        {"kind": "brush", "mode": "set", "points": [[0, 0]], "radius": 3, "value": 40_000},
        {"kind": "brush", "mode": "set", "points": [[0, 0]], "radius": 3, "path": "/etc/passwd"},
        {"kind": "set_segments", "granularity": "fine", "segments": [1], "values": [float("nan")]},
        {"kind": "nothing"},
    ],
)
def test_what_is_not_an_operation_is_rejected(payload: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        read_operation(payload)


def test_operations_fit_their_task() -> None:
    counts = {"coarse": 2, "medium": 4, "fine": 8}
    setting = SetSegments(kind="set_segments", granularity="medium", segments=[4], values=[1])
    with pytest.raises(OperationError, match="end at 3"):
        check_operation(setting, "reference", counts)
    with pytest.raises(OperationError, match="no operation"):
        check_operation(setting, "residual", counts)
    with pytest.raises(OperationError, match="twice"):
        check_operation(setting.model_copy(update={"segments": [1, 1]}), "reference", counts)


def test_packed_maps_come_back_and_have_one_hash(material: Material) -> None:
    made = replay(blank_map((60, 90)), [stroke(), stroke("not_judged", points=[[10, 10]])], material)
    again = unpack(pack(made), (60, 90))
    assert again.sha256 == made.sha256 != blank_map((60, 90)).sha256
    with pytest.raises(ValueError, match="cells"):
        unpack(pack(made), (60, 91))
