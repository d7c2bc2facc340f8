"""Heat maps: which colour means what, symmetry around white, the legend, sizes."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from skimage import color

from luxel import images
from luxel.assessment.assessor import Assessment
from luxel.draw import heatmap
from luxel.residual import DEFAULT_THRESHOLD

PALETTES = sorted(heatmap.PALETTES)


@pytest.mark.parametrize("palette", PALETTES)
def test_ideal_is_white_and_the_two_arms_have_one_lightness(palette: str) -> None:
    table = heatmap.colours(palette)
    assert table.shape == (1025, 3)
    assert table[512].tolist() == [255, 255, 255]
    # Independent implementation of CIELAB; 8-bit rounding moves L* by less than a third of a unit.
    lightness = color.rgb2lab(table[None] / 255.0)[0, :, 0]
    assert np.abs(lightness - lightness[::-1]).max() < 0.35
    assert np.all(np.diff(lightness[:513]) > -0.15), "lightness must rise towards white"
    assert lightness[0] == pytest.approx(31.0, abs=0.35)


@pytest.mark.parametrize("palette", PALETTES)
def test_no_two_neighbours_jump(palette: str) -> None:
    steps = np.abs(np.diff(heatmap.colours(palette).astype(int), axis=0))
    assert steps.max() <= 3


def test_red_is_over_and_blue_is_under() -> None:
    over, ideal, under = heatmap.render([[-0.8, 0.0, 0.8]])[0].astype(int)
    assert over[0] > over[1] + 60
    assert over[0] > over[2] + 60
    assert under[2] > under[0] + 60
    assert ideal.tolist() == [255, 255, 255]


def test_orange_purple_stays_apart_for_each_kind_of_colour_blindness() -> None:
    # Linear-light simulation of Vienot, Brettel, Mollon (1999) for protanopia and deuteranopia.
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    protan = np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]])
    deutan = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    table = heatmap.colours("orange-purple") / 255.0
    linear = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    for matrix in (protan, deutan):
        seen = np.clip(linear @ (np.linalg.inv(to_lms) @ matrix @ to_lms).T, 0, 1)
        encoded = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
        lab = color.rgb2lab(encoded[None])[0]
        for level in (256, 128, 0):  # |r| = 0.5, 0.75, 1
            assert np.linalg.norm(lab[level] - lab[1024 - level]) > 40


def test_small_residuals_are_exact_table_entries_and_large_ones_keep_the_end_colour() -> None:
    table = heatmap.colours()
    values = np.array([[-1.0, -0.5, -1 / 512, 0.0, 1 / 512, 0.25, 1.0]], dtype=np.float32)
    expected = [0, 256, 511, 512, 513, 640, 1024]
    assert np.array_equal(heatmap.render(values, limit=1.0)[0], table[expected])
    assert np.array_equal(heatmap.render(values, limit=0.25)[0], table[[0, 0, 508, 512, 516, 1024, 1024]])


def test_strips_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    residual = rng.uniform(-1, 1, (57, 41)).astype(np.float32)
    image = rng.integers(0, 256, (57, 41, 3), dtype=np.uint8)
    whole = heatmap.render(residual), heatmap.overlay(image, residual)
    monkeypatch.setattr(heatmap, "_STRIP_PIXELS", 100)
    assert np.array_equal(heatmap.render(residual), whole[0])
    assert np.array_equal(heatmap.overlay(image, residual), whole[1])


def test_overlay_leaves_ideal_pixels_untouched_and_tints_the_rest() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.array_equal(heatmap.overlay(image, np.zeros((20, 30))), image)
    assert np.array_equal(heatmap.overlay(image, np.ones((20, 30)), strength=0.0), image)
    grey = np.full((1, 2, 3), 128, dtype=np.uint8)
    over, under = heatmap.overlay(grey, [[-0.6, 0.6]])[0].astype(int)
    assert over[0] > over[2] + 40
    assert under[2] > under[0] + 40


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_overlay_takes_every_picture_type(dtype: type) -> None:
    image = np.random.default_rng(2).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    other = (image.astype(np.uint16) * 257) if dtype is np.uint16 else (image / 255).astype(dtype)
    residual = np.linspace(-1, 1, 99, dtype=np.float32).reshape(9, 11)
    assert np.array_equal(heatmap.overlay(other, residual), heatmap.overlay(image, residual))


@pytest.mark.parametrize("shape", [(600, 800), (800, 200), (40, 60), (120, 1500)])
def test_legend_is_below_and_the_picture_unchanged(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).integers(0, 200, (*shape, 3), dtype=np.uint8)
    page = heatmap.with_legend(picture)
    height, width = shape
    left = (page.shape[1] - width) // 2
    assert np.array_equal(page[:height, left : left + width], picture)
    legend = page[height:]
    assert legend.shape[0] >= 40
    table = heatmap.colours().astype(int)
    # The bar shows the table from end to end: some row of the legend holds both end colours and white.
    rows = [{tuple(c) for c in row} for row in legend.astype(int).tolist()]
    assert any({tuple(table[0]), tuple(table[512]), tuple(table[1024])} <= row for row in rows)


@given(
    limit=st.floats(0.05, 1.0),
    palette=st.sampled_from(PALETTES),
    residual=arrays(np.float32, (4, 5), elements=st.floats(-1, 1, width=32)),
)
def test_beyond_the_limit_every_pixel_has_the_full_colour(
    limit: float, palette: str, residual: npt.NDArray[np.float32]
) -> None:
    drawn = heatmap.render(residual, palette=palette, limit=limit)
    ends = heatmap.colours(palette)[[0, -1]]
    assert np.all(drawn[residual <= -limit] == ends[0])
    assert np.all(drawn[residual >= limit] == ends[1])


def test_the_scale_is_a_half_by_default_everywhere() -> None:
    assert heatmap.HEATMAP_LIMIT == 0.5
    residual = np.linspace(-1, 1, 300, dtype=np.float32).reshape(12, 25)
    image = np.full((12, 25, 3), 128, dtype=np.uint8)
    assert np.array_equal(heatmap.render(residual), heatmap.render(residual, limit=0.5))
    assert np.array_equal(heatmap.overlay(image, residual), heatmap.overlay(image, residual, limit=0.5))
    assert np.array_equal(heatmap.with_legend(image), heatmap.with_legend(image, limit=0.5))
    assert np.array_equal(heatmap.side_by_side(image, residual), heatmap.side_by_side(image, residual, limit=0.5))
    for method in (Assessment.heatmap, Assessment.save):
        assert inspect.signature(method).parameters["limit"].default == heatmap.HEATMAP_LIMIT


@pytest.mark.parametrize("palette", PALETTES)
def test_small_residuals_stay_near_white(palette: str) -> None:
    drawn = heatmap.render([[-0.05, -0.02, 0.02, 0.05]], palette=palette)
    lightness, a, b = np.moveaxis(color.rgb2lab(drawn[0] / 255.0), -1, 0)
    assert lightness.min() > 95
    assert np.hypot(a, b).max() < 10


@given(
    threshold=st.floats(0.0, 1.0),
    limit=st.floats(0.05, 1.0),
    residual=arrays(np.float32, (6, 7), elements=st.floats(-1, 1, width=32)),
    seed=st.integers(0, 1000),
)
def test_overlay_leaves_every_pixel_within_the_threshold_unchanged(
    threshold: float, limit: float, residual: npt.NDArray[np.float32], seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    drawn = heatmap.overlay(image, residual, limit=limit, threshold=threshold)
    within = np.abs(residual) <= np.float32(threshold)
    assert np.array_equal(drawn[within], image[within])


def test_overlay_tints_every_pixel_beyond_the_default_threshold() -> None:
    beyond = np.nextafter(np.float32(DEFAULT_THRESHOLD), np.float32(1))
    grey = np.full((1, 4, 3), 128, dtype=np.uint8)
    residual = [[-beyond, -DEFAULT_THRESHOLD, DEFAULT_THRESHOLD, beyond]]
    drawn = heatmap.overlay(grey, residual)[0].astype(int)
    assert drawn[1:3].tolist() == [[128] * 3] * 2
    assert drawn[0, 0] > drawn[0, 2] + 30
    assert drawn[3, 2] > drawn[3, 0] + 30


@pytest.mark.parametrize("limit", [0.5, 0.4, 1.0])
@pytest.mark.parametrize("threshold", [0.01, 0.2, 0.25, 0.4])
def test_legend_prints_the_limit_and_the_threshold(
    limit: float, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []
    boxes: list[tuple[float, float, float, float]] = []
    write = ImageDraw.ImageDraw.text

    def spy(self: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, **options: Any) -> None:
        printed.append(text)
        boxes.append(self.textbbox(xy, text, font=options["font"], anchor=options["anchor"]))
        write(self, xy, text, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", spy)
    page = heatmap.with_legend(np.zeros((300, 400, 3), np.uint8), limit=limit, threshold=threshold)
    wanted = {f"{-limit:+.3g}", "0", f"{limit:+.3g}", f"{-threshold:+.3g}", f"{threshold:+.3g}"}
    assert wanted <= set(printed)
    assert {"overexposed", "ideal", "underexposed"} <= set(printed)
    for n, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= page.shape[1]
        assert 300 <= top + 300 < bottom + 300 <= page.shape[0]
        for other in boxes[:n]:
            apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
            assert apart, "two labels overlap"


def test_legend_marks_the_threshold_where_its_colour_is() -> None:
    plain = np.zeros((300, 400, 3), np.uint8)
    page = heatmap.with_legend(plain, limit=0.5, threshold=0.2)[300:]
    ends = [tuple(c) for c in heatmap.colours()[[0, -1]].tolist()]
    row = next([tuple(c) for c in line] for line in page.tolist() if {*ends} <= {tuple(c) for c in line})
    first, last = row.index(ends[0]), len(row) - 1 - row[::-1].index(ends[1])
    dark = [x for x in range(first + 3, last - 2) if row[x] == (38, 38, 38)]
    middle = (first + last) / 2
    shares = [(x - middle) / (last - first) * 2 for x in dark]
    assert shares == pytest.approx([-0.4, 0.4], abs=0.02)


def test_legend_text_grows_with_the_picture_and_says_the_limit() -> None:
    small, large = (heatmap.with_legend(np.zeros((side, side, 3), np.uint8)).shape[0] - side for side in (500, 2000))
    assert 3.0 < large / small < 5.0
    picture = np.zeros((500, 500, 3), np.uint8)
    assert not np.array_equal(heatmap.with_legend(picture, limit=0.5), heatmap.with_legend(picture, limit=1.0))


@pytest.mark.parametrize(("shape", "stacked"), [((300, 400), False), ((400, 300), False), ((100, 400), True)])
def test_side_by_side_shows_the_three_panels(shape: tuple[int, int], stacked: bool) -> None:
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    residual = rng.uniform(-1, 1, shape).astype(np.float32)
    page = heatmap.side_by_side(image, residual, caption="score 5.0")
    height, width = shape
    assert (page.shape[0] > 3 * height) is stacked
    assert (page.shape[1] > 3 * width) is not stacked
    for panel in (image, heatmap.render(residual), heatmap.overlay(image, residual)):
        starts = np.argwhere((page == panel[0, 0]).all(axis=-1))
        fits = [
            (y, x)
            for y, x in starts
            if y + height <= page.shape[0]
            and x + width <= page.shape[1]
            and np.array_equal(page[y : y + height, x : x + width], panel)
        ]
        assert len(fits) == 1


def test_side_by_side_is_bounded_and_can_be_full_size() -> None:
    image, residual = np.zeros((600, 2000, 3), np.uint16), np.zeros((600, 2000), np.float32)
    bounded = heatmap.side_by_side(image, residual)
    assert heatmap.PANEL_LONG_SIDE <= bounded.shape[1] < heatmap.PANEL_LONG_SIDE + 100
    assert heatmap.side_by_side(image, residual, long_side=None).shape[1] >= 2000


def test_fit_averages_and_never_enlarges() -> None:
    residual = np.random.default_rng(5).uniform(-1, 1, (90, 120)).astype(np.float32)
    reduced = heatmap.fit(residual, 40)
    assert reduced.shape == (30, 40)
    assert reduced == pytest.approx(residual.reshape(30, 3, 40, 3).mean(axis=(1, 3)), abs=1e-6)
    assert heatmap.fit(residual, 120) is residual
    assert heatmap.fit(residual, None) is residual
    assert heatmap.fit(np.zeros((50, 100, 3), np.float32), 10).shape == (5, 10, 3)
    assert heatmap.fit(np.zeros((1, 5000), np.float32), 100).shape == (1, 100)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: heatmap.render(np.zeros((2, 2, 3))), "give \\[H, W\\]"),
        (lambda: heatmap.render([[np.nan]]), "not numbers"),
        (lambda: heatmap.render([[0.0]], palette="rainbow"), "choose one of"),
        (lambda: heatmap.render([[0.0]], limit=0.0), "limit 0.0"),
        (lambda: heatmap.overlay(np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2))), "one size"),
        (lambda: heatmap.overlay(np.zeros((2, 2, 3), np.int64), np.zeros((2, 2))), "int64"),
        (lambda: heatmap.overlay(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), strength=1.1), "strength"),
        (lambda: heatmap.overlay(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), threshold=-0.1), "threshold -0.1"),
        (lambda: heatmap.with_legend(np.zeros((2, 2, 3), np.uint8), limit=1.5), "limit 1.5"),
        (lambda: heatmap.with_legend(np.zeros((2, 2, 3), np.uint8), threshold=2.0), "threshold 2.0"),
        (lambda: heatmap.with_legend(np.zeros((2, 2), np.uint8)), "uint8 \\[H, W, 3\\]"),
    ],
)
def test_wrong_input_is_named(call: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        call()


def test_a_written_heat_map_reads_back_in_its_colours(tmp_path: Path) -> None:
    # JPEG, as the command line writes it, must not move a colour far enough to be read as another residual.
    residual = np.repeat(np.linspace(-1, 1, 256, dtype=np.float32)[None], 64, axis=0)
    path = tmp_path / "map.jpg"
    images.write(path, heatmap.render(residual))
    shown = np.asarray(Image.open(path)).astype(int)
    assert np.abs(shown - heatmap.render(residual).astype(int)).mean() < 1.5
