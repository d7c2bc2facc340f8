"""A made photograph with a real fault: someone at a bright window, exposed for neither the room nor the view.

Everything is rendered in linear light, in units where 1.0 is the brightest the camera can record at the chosen
exposure; the view outside lies well above, the room far below. No data needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from luxel.filters.gaussian import blur
from luxel.photometry import FloatArray, to_srgb

Points = Sequence[tuple[float, float]]

_OVERSAMPLE = 3  # shapes are drawn this many times larger, then averaged: smooth edges
_WHITEST = 4.0  # light above this adds no more glare: it would wash the whole picture out
_READ_NOISE, _SHOT_NOISE = 0.0012, 0.0035

# Shares of the picture: the window opening (left, top, right, bottom), the corner of the room, the table's edge.
_WINDOW = (0.425, 0.075, 0.895, 0.70)
_CORNER = 0.245
_TABLE_EDGE = 0.865

# Someone in profile looking right, seated. Closed outlines in units of the picture's height, around the ear.
_FACE: Points = (
    (0.000, -0.125), (0.040, -0.118), (0.066, -0.100), (0.079, -0.076), (0.084, -0.054), (0.083, -0.042),
    (0.080, -0.032), (0.084, -0.020), (0.092, -0.004), (0.101, 0.010), (0.104, 0.017), (0.100, 0.023), (0.088, 0.026),
    (0.086, 0.031), (0.090, 0.038), (0.090, 0.043), (0.084, 0.0455), (0.088, 0.050), (0.087, 0.056), (0.080, 0.061),
    (0.078, 0.067), (0.082, 0.077), (0.080, 0.088), (0.070, 0.098), (0.054, 0.101), (0.036, 0.100), (0.024, 0.108),
    (0.020, 0.128), (0.022, 0.155), (0.036, 0.190), (-0.085, 0.190), (-0.064, 0.150), (-0.058, 0.115),
    (-0.062, 0.080), (-0.085, 0.040), (-0.096, -0.010), (-0.090, -0.062), (-0.060, -0.106),
)  # fmt: skip
_HAIR: Points = (
    (0.068, -0.102), (0.044, -0.122), (0.006, -0.134), (-0.036, -0.131), (-0.076, -0.108), (-0.101, -0.066),
    (-0.108, -0.014), (-0.098, 0.034), (-0.078, 0.072), (-0.058, 0.092), (-0.046, 0.074), (-0.036, 0.044),
    (-0.026, 0.020), (-0.014, 0.004), (-0.002, -0.018), (0.010, -0.030), (0.024, -0.044), (0.034, -0.064),
    (0.050, -0.084),
)  # fmt: skip
_BUN: Points = (
    (-0.090, -0.040), (-0.106, -0.076), (-0.138, -0.084), (-0.161, -0.062), (-0.160, -0.026), (-0.136, -0.004),
    (-0.106, -0.010),
)  # fmt: skip
_EAR: Points = ((-0.014, -0.018), (0.002, -0.024), (0.010, -0.010), (0.002, 0.012), (-0.008, 0.020), (-0.014, 0.006))
_EYE: Points = ((0.056, -0.029), (0.066, -0.032), (0.077, -0.031), (0.070, -0.0275))
_BODY: Points = (
    (0.026, 0.166), (0.044, 0.192), (0.088, 0.220), (0.124, 0.270), (0.142, 0.350), (0.154, 0.450), (0.162, 0.560),
    (0.165, 0.700), (-0.330, 0.700), (-0.318, 0.560), (-0.300, 0.420), (-0.276, 0.324), (-0.232, 0.250),
    (-0.165, 0.204), (-0.095, 0.174), (-0.072, 0.152), (-0.025, 0.170),
)  # fmt: skip
_SLEEVE: Points = ((-0.050, 0.300), (-0.030, 0.360), (-0.010, 0.450), (0.000, 0.560), (-0.012, 0.450), (-0.036, 0.370))

# A cup, around the middle of its body.
_CUP: Points = (
    (-0.0595, -0.064), (-0.035, -0.076), (0.000, -0.079), (0.035, -0.076), (0.0595, -0.064), (0.0595, -0.020),
    (0.056, 0.025), (0.047, 0.052), (0.025, 0.060), (0.000, 0.062), (-0.025, 0.060), (-0.047, 0.052), (-0.056, 0.025),
    (-0.0595, -0.020),
)  # fmt: skip
_HANDLE: Points = ((0.050, -0.040), (0.080, -0.042), (0.096, -0.024), (0.090, 0.006), (0.070, 0.024), (0.050, 0.030))
_HANDLE_HOLE: Points = (
    (0.055, -0.026), (0.074, -0.028), (0.083, -0.018), (0.078, 0.000), (0.066, 0.010), (0.055, 0.014),
)  # fmt: skip


def scene(height: int = 960, width: int = 1440, seed: int = 7) -> npt.NDArray[np.uint8]:
    """A backlit portrait: the window clips, the room and the person are dark.

    height, width: pixels, at least 16 each; composed for 3 : 2, the same content at any size.
    seed: clouds, textures, leaves and sensor noise. Returns uint8 [height, width, 3], sRGB-encoded; the same
    arguments give the same picture. Raises ValueError for a smaller size.
    """
    if min(height, width) < 16:
        raise ValueError(f"scene of {height} x {width} pixels; give at least 16 x 16")
    rng = np.random.default_rng(seed)
    page = _Page(height, width)
    _paint_room(page, rng)
    _paint_view(page, rng)
    _paint_window(page)
    _paint_curtains(page, rng)
    _paint_plant(page, rng)
    _paint_person(page, rng)
    _paint_table(page, rng)
    _paint_cup(page)
    return _photograph(page, rng)


@dataclass(frozen=True, slots=True)
class _Cover:
    """Where a shape is: rows and columns of its bounding box and its share of each pixel there, [h, w] in [0, 1]."""

    rows: slice
    columns: slice
    share: FloatArray


class _Page:
    """Linear light [H, W, 3] being painted, with coordinates: x [1, W] and y [H, 1] as shares of width and height."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.across = height / width  # one unit of height, as a share of the width
        self.x = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
        self.y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
        self.light = np.zeros((height, width, 3), dtype=np.float32)

    def polygon(self, points: Points, *, soft: float = 0.0) -> _Cover:
        """A polygon in shares of the picture. soft: blur of its edge, as a share of the height."""
        corners = np.asarray(points, dtype=np.float64) * (self.width, self.height)
        margin = 1.0 + 4.0 * soft * self.height
        low = np.clip(np.floor(corners.min(axis=0) - margin), 0, (self.width - 1, self.height - 1)).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0) + margin), low + 1, (self.width, self.height)).astype(int)
        width, height = (int(side) for side in (high - low) * _OVERSAMPLE)
        mask = Image.new("L", (width, height))
        ImageDraw.Draw(mask).polygon([tuple(point) for point in (corners - low) * _OVERSAMPLE], fill=255)
        share = np.asarray(mask.reduce(_OVERSAMPLE), dtype=np.float32) / np.float32(255.0)
        if soft * self.height > 0.3:
            share = self.blur(share, soft)
        return _Cover(slice(low[1], high[1]), slice(low[0], high[0]), share)

    def box(self, left: float, top: float, right: float, bottom: float, *, soft: float = 0.0) -> _Cover:
        """A rectangle in shares of the picture."""
        return self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], soft=soft)

    def outline(self, points: Points, x: float, y: float, size: float = 1.0, *, soft: float = 0.0) -> _Cover:
        """A smooth closed curve through points in units of the height, around (x, y)."""
        return self.polygon([(x + size * u * self.across, y + size * v) for u, v in _smooth(points)], soft=soft)

    def lay(self, cover: _Cover, colour: npt.ArrayLike, opacity: npt.ArrayLike = 1.0) -> None:
        """Paints a shape. colour: [3], or anything that broadcasts to [H, W, 3]; opacity: to [H, W]."""
        place = (cover.rows, cover.columns)
        paint = np.broadcast_to(np.asarray(colour, dtype=np.float32), self.light.shape)[place]
        share = cover.share * np.broadcast_to(np.asarray(opacity, dtype=np.float32), self.light.shape[:2])[place]
        under = self.light[place]
        under += share[..., None] * (paint - under)

    def shade(self, cover: _Cover, depth: float) -> None:
        """Darkens a shape by `depth`, a share of its light."""
        self.light[cover.rows, cover.columns] *= (1.0 - np.float32(depth) * cover.share)[..., None]

    def full(self, share: npt.ArrayLike) -> _Cover:
        """A cover of the whole picture from anything that broadcasts to [H, W]."""
        plane = np.broadcast_to(np.asarray(share, dtype=np.float32), (self.height, self.width))
        return _Cover(slice(0, self.height), slice(0, self.width), plane)

    def blur(self, plane: FloatArray, sigma: float) -> FloatArray:
        """A plane blurred by a Gaussian. sigma: share of the height. A wide blur works on a reduced plane."""
        pixels = sigma * self.height
        reduce = max(1, int(pixels // 3))
        if reduce == 1:
            return blur(plane, pixels).astype(np.float32)
        rows, columns = plane.shape
        small = Image.fromarray(plane).resize((-(-columns // reduce), -(-rows // reduce)), Image.Resampling.BOX)
        soft = Image.fromarray(blur(np.asarray(small), pixels / reduce).astype(np.float32))
        return np.asarray(soft.resize((columns, rows), Image.Resampling.BICUBIC))

    def noise(self, rng: np.random.Generator, rows: int, columns: int, octaves: int = 1) -> FloatArray:
        """Smooth noise [H, W] around 0: `rows` x `columns` cells with deviation 1, then octaves of half the size."""
        total = np.zeros((self.height, self.width), dtype=np.float32)
        for octave in range(octaves):
            cells = rng.standard_normal((rows << octave, columns << octave)).astype(np.float32)
            layer = Image.fromarray(cells).resize((self.width, self.height), Image.Resampling.BICUBIC)
            total += np.asarray(layer) * np.float32(0.5**octave)
        return total


def _paint_room(page: _Page, rng: np.random.Generator) -> None:
    """Back wall and left wall, lit by what little light comes round the window; floor; a framed print."""
    plaster = 1.0 + 0.022 * page.noise(rng, 60, 90, 3)
    spill = np.exp(-((np.hypot((page.x - _WINDOW[2]) * 1.5, page.y - 0.4) / 0.5) ** 2))
    back = (0.026 + 0.016 * spill + 0.010 * page.y) * plaster
    page.light[:] = back[..., None] * _rgb(1.0, 0.92, 0.82)

    # The side wall faces the window: brightest at mid-height, fading towards the viewer.
    lit = 0.020 + 0.080 * np.exp(-(((page.x - _CORNER) / 0.26) ** 2) - ((page.y - 0.42) / 0.5) ** 2)
    side = page.polygon([(-0.1, -0.1), (_CORNER, -0.1), (_CORNER, 0.86), (-0.1, 1.1)])
    page.lay(side, (lit * plaster)[..., None] * _rgb(1.0, 0.93, 0.84))
    page.light *= (1.0 - 0.45 * np.exp(-np.abs(page.x - _CORNER) / 0.012))[..., None]

    page.shade(page.polygon([(0.050, 0.22), (0.160, 0.25), (0.160, 0.57), (0.050, 0.60)], soft=0.012), 0.5)
    page.lay(page.polygon([(0.055, 0.20), (0.165, 0.235), (0.165, 0.545), (0.055, 0.575)]), _rgb(0.014, 0.010, 0.007))
    page.lay(page.polygon([(0.063, 0.218), (0.159, 0.249), (0.159, 0.532), (0.063, 0.558)]), _rgb(0.105, 0.100, 0.090))
    paper = page.polygon([(0.078, 0.258), (0.147, 0.279), (0.147, 0.503), (0.078, 0.522)])
    page.lay(paper, _rgb(0.058, 0.066, 0.070))
    for base, tone in ((0.40, 0.045), (0.44, 0.028), (0.475, 0.015)):
        ridge = base + 0.035 * np.sin(page.x * 75.0 + base * 90.0) + 0.012 * np.sin(page.x * 190.0)
        page.lay(paper, _rgb(0.9, 1.0, 0.8) * np.float32(tone), np.clip((page.y - ridge) * page.height, 0.0, 1.0))

    boards = 0.028 * (1.0 + 0.15 * page.noise(rng, 120, 6, 2))
    floor = page.polygon([(-0.1, 1.1), (-0.1, 0.97), (_CORNER, 0.845), (1.1, 0.845), (1.1, 1.1)])
    page.lay(floor, boards[..., None] * _rgb(1.0, 0.72, 0.48))
    page.lay(page.box(_CORNER, 0.822, 1.1, 0.848), _rgb(0.050, 0.047, 0.043))


def _paint_view(page: _Page, rng: np.random.Generator) -> None:
    """Outside, a little out of focus: sky with clouds and a glow, two ranges of hills, trees, a meadow."""
    left, top, right, bottom = _WINDOW
    view = _Page(round((bottom - top) * page.height) + 2, round((right - left) * page.width) + 2)
    x, y = view.x, view.y
    clouds = np.clip(view.noise(rng, 4, 4, 5) * 0.5 + 0.3, 0.0, 1.0)[..., None]
    blue = _rgb(1.25, 1.75, 2.7) + y[..., None] * _rgb(1.6, 1.4, 0.7)
    view.light[:] = blue + clouds * (_rgb(4.6, 4.5, 4.4) - blue)
    view.light += np.exp(-((np.hypot((x - 0.78) * 1.2, y - 0.1) / 0.35) ** 2))[..., None] * _rgb(12.0, 10.8, 9.0)
    for base, relief, cells, colour in ((0.60, 0.05, 4, (1.02, 1.12, 1.25)), (0.66, 0.04, 6, (0.60, 0.74, 0.72))):
        ridge = base + relief * view.noise(rng, 2, cells, 3)[:1]
        view.lay(view.full(np.clip((y - ridge) * view.height, 0.0, 1.0)), _rgb(*colour))
    grass = (1.0 - 0.35 * y) * (1.0 + 0.06 * view.noise(rng, 60, 30, 2))
    view.lay(view.full(np.clip((y - 0.775) * view.height, 0.0, 1.0)), grass[..., None] * _rgb(0.92, 1.02, 0.55))
    leaves = np.exp(0.42 * view.noise(rng, 48, 54, 3)) * (1.15 - 0.9 * np.clip((y - 0.55) / 0.25, 0.0, 1.0))
    crowns = sorted(zip(rng.uniform(0.0, 1.0, 22), rng.uniform(0.03, 0.075, 22), strict=True), key=lambda tree: tree[1])
    for place, radius in [*crowns, (0.13, 0.15), (0.06, 0.11), (0.93, 0.10)]:
        tone = np.float32(rng.uniform(0.7, 1.25))
        around = [(np.cos(a), np.sin(a)) for a in np.linspace(0.0, 2.0 * np.pi, 22, endpoint=False)]
        ragged = [
            (radius * r * u, radius * r * v) for (u, v), r in zip(around, rng.uniform(0.85, 1.2, 22), strict=True)
        ]
        crown = view.outline(ragged, place, 0.775 - 0.75 * radius)
        trunk = view.box(place - 0.1 * radius, 0.775 - radius, place + 0.1 * radius, 0.782)
        view.lay(trunk, _rgb(0.08, 0.06, 0.04))
        view.lay(crown, (leaves * tone)[..., None] * _rgb(0.20, 0.27, 0.12))
    hedge = 0.755 - 0.012 * np.abs(view.noise(rng, 2, 40, 3)[:1])
    strip = np.clip((y - hedge) * view.height, 0.0, 1.0) * np.clip((0.785 - y) * view.height, 0.0, 1.0)
    view.lay(view.full(strip), leaves[..., None] * _rgb(0.26, 0.34, 0.14))
    first_row, first_column = int(top * page.height), int(left * page.width)
    rows, columns = (slice(first_row, first_row + view.height), slice(first_column, first_column + view.width))
    for channel in range(3):
        soft = view.blur(np.ascontiguousarray(view.light[..., channel]), 0.0035)
        page.light[rows, columns, channel] = soft[: page.height - first_row, : page.width - first_column]


def _paint_window(page: _Page) -> None:
    """The wall's thickness around the opening, lit from outside; the wooden frame and its bars; the sill."""
    left, top, right, bottom = _WINDOW
    deep = 0.016
    for reveal, brightness in (
        ([(left - deep, top - deep), (left, top), (left, bottom), (left - deep, bottom + deep)], 0.32),
        ([(right, top), (right + deep, top - deep), (right + deep, bottom + deep), (right, bottom)], 0.12),
        ([(left - deep, top - deep), (right + deep, top - deep), (right, top), (left, top)], 0.09),
    ):
        page.lay(page.polygon(reveal), _rgb(0.98, 1.0, 1.04) * np.float32(brightness))
    bar, rail, wood = 0.011, 0.011 / page.across, _rgb(0.100, 0.094, 0.086)
    middle, transom = (left + right) / 2, top + 0.30 * (bottom - top)
    page.lay(page.box(middle - 0.8 * bar, top, middle + 0.8 * bar, bottom), wood)
    page.lay(page.box(middle - 0.8 * bar, top, middle - 0.6 * bar, bottom), wood * 3.5)
    page.lay(page.box(left, transom - 0.4 * rail, right, transom + 0.4 * rail), wood)
    page.lay(page.box(left, transom - 0.4 * rail, right, transom - 0.25 * rail), wood * 3.5)
    page.lay(page.box(left, top, right, top + rail), wood)
    page.lay(page.box(left, bottom - rail, right, bottom), wood)
    page.lay(page.box(left, top, left + bar, bottom), wood)
    page.lay(page.box(right - bar, top, right, bottom), wood)

    ends = (left - 0.045, left - 0.012, right + 0.012, right + 0.045)
    shine = np.clip(1.0 - np.abs(page.x - 0.66) / 0.30, 0.0, 1.0)[..., None]
    slab = page.polygon([(ends[0], bottom + 0.022), (ends[1], bottom), (ends[2], bottom), (ends[3], bottom + 0.022)])
    page.lay(slab, _rgb(0.95, 0.95, 0.94) * (0.35 + 0.75 * shine))
    page.lay(page.box(ends[0], bottom + 0.022, ends[3], bottom + 0.044), _rgb(0.066, 0.063, 0.058))
    page.shade(page.box(ends[0], bottom + 0.044, ends[3], bottom + 0.075, soft=0.012), 0.5)


def _paint_curtains(page: _Page, rng: np.random.Generator) -> None:
    """Sheer curtains on both sides of the window: folds that let some of the sky through."""
    drop = np.clip((0.835 - page.y) * page.height * 0.5, 0.0, 1.0) * np.clip((page.y - 0.030) * page.height, 0.0, 1.0)
    for outer, inner, lean in ((0.375, 0.475, 0.012), (0.945, 0.845, -0.012)):
        flow = page.x + lean * np.sin(page.y * 3.2) + 0.003 * page.noise(rng, 3, 6, 2)
        across = (flow - outer) / (inner - outer)
        wave = np.sin(across * 38.0 + 2.0 * np.sin(across * 9.0) + 0.8 * page.y)
        edges = np.clip((across + 0.012 * wave) * 60.0, 0.0, 1.0)
        edges *= np.clip((1.0 - across - 0.02 * wave) * 60.0, 0.0, 1.0)
        before_sky = np.clip((across - 0.42) * 9.0, 0.0, 1.0) * np.clip((0.72 - page.y) * 30.0, 0.12, 1.0)
        cloth = (0.78 + 0.22 * wave) * (0.050 + 0.55 * before_sky * np.clip(1.2 - page.y, 0.3, 1.0))
        through = np.float32(0.10) * before_sky[..., None] * page.light
        page.lay(page.full(edges * drop), cloth[..., None] * _rgb(1.0, 0.96, 0.89) + through, 0.93)
    page.lay(page.box(0.345, 0.036, 0.975, 0.050), _rgb(0.020, 0.017, 0.014))


def _paint_plant(page: _Page, rng: np.random.Generator) -> None:
    """A pot plant on the sill: leaves against the light, some of it shining through."""
    x, y = 0.795, 0.655
    along = np.linspace(0.0, 1.0, 16)
    for _ in range(38):
        angle, reach = rng.uniform(-1.2, 1.2), rng.uniform(0.10, 0.21)
        # Each leaf leaves the pot at its angle and bows down under its weight.
        u = np.sin(angle) * reach * along
        v = -np.cos(angle) * reach * along + 0.9 * abs(np.sin(angle)) * reach * along**2.2
        half = rng.uniform(0.010, 0.018) * np.sin(np.pi * along**0.75)
        du, dv = np.gradient(u), np.gradient(v)
        length = np.hypot(du, dv)
        nu, nv = -dv / length * half, du / length * half
        rim = np.concatenate([np.stack([u + nu, v + nv], axis=1), np.stack([u - nu, v - nv], axis=1)[::-1]])
        leaf = page.polygon([(x + p * page.across, y - 0.03 + q) for p, q in rim])
        page.lay(leaf, _rgb(0.55, 1.0, 0.24) * np.float32(rng.uniform(0.015, 0.13)))
    turn = np.clip((page.x - x) / 0.036, -1.0, 1.0)
    clay = (0.5 + 1.8 * np.abs(turn) ** 6 + 0.1 * turn)[..., None] * _rgb(0.070, 0.032, 0.019)
    pot = [(x - 0.034, y - 0.03), (x + 0.034, y - 0.03), (x + 0.027, y + 0.055), (x - 0.027, y + 0.055)]
    page.lay(page.polygon(pot), clay)
    page.lay(page.box(x - 0.038, y - 0.042, x + 0.038, y - 0.016), clay * 1.3)


def _paint_person(page: _Page, rng: np.random.Generator) -> None:
    """Someone in profile looking out, with a rim of light on the side of the window."""
    place, sharp = (0.405, 0.395, 1.12), 0.0008
    fold = 1.0 + 0.09 * page.noise(rng, 6, 10, 2)
    knit = fold * (1.0 + 0.08 * page.noise(rng, 130, 190, 2))
    strands = 1.0 + 0.25 * page.noise(rng, 14, 170, 2)
    parts = (
        (_BODY, _rgb(0.022, 0.026, 0.039), knit, 0.5),
        (_FACE, _rgb(0.042, 0.027, 0.020), np.ones_like(knit), 1.0),
        (_BUN, _rgb(0.010, 0.007, 0.005), strands, 0.45),
        (_HAIR, _rgb(0.010, 0.007, 0.005), strands, 0.45),
    )
    covers = [page.outline(points, *place, soft=sharp) for points, *_ in parts]
    whole = np.zeros((page.height, page.width), dtype=np.float32)
    for cover in covers:
        np.maximum(whole[cover.rows, cover.columns], cover.share, out=whole[cover.rows, cover.columns])
    # A point is rimmed when nothing covers the place a little to its right, where the light comes from.
    step = max(1, round(0.007 * page.height))
    beside = np.pad(whole, ((0, 0), (0, step)))[:, step:]
    rim = page.blur(whole * (1.0 - beside), 0.0022)[..., None]
    facing = 0.8 + 1.1 * np.clip((page.x - place[0] - 0.01) / 0.08, 0.0, 1.0)
    for cover, (_, colour, texture, gloss) in zip(covers, parts, strict=True):
        lit = (facing * texture)[..., None] * colour
        page.lay(cover, lit + np.float32(gloss) * rim * (colour * 6.0 + _rgb(0.15, 0.14, 0.13)))
    page.shade(page.outline(_SLEEVE, *place, soft=0.006), 0.55)
    page.lay(page.outline(_EYE, *place, soft=0.0012), _rgb(0.014, 0.010, 0.008), 0.8)
    page.lay(page.outline(_EAR, *place, soft=0.0015), _rgb(0.050, 0.030, 0.022), 0.7)


def _paint_table(page: _Page, rng: np.random.Generator) -> None:
    """A table across the foreground, mirroring the window."""
    grain = 1.0 + 0.20 * page.noise(rng, 150, 5, 3)
    fade = np.clip(1.1 - (page.y - _TABLE_EDGE) / 0.16, 0.15, 1.0)
    mirror = page.box(0.46, 0.80, 0.87, 1.3, soft=0.045)
    bars = page.box(0.648, 0.80, 0.672, 1.3, soft=0.018)
    page.lay(page.box(-0.1, _TABLE_EDGE, 1.1, 1.1), (0.026 * grain)[..., None] * _rgb(1.0, 0.62, 0.36))
    below = np.clip((page.y - _TABLE_EDGE) * page.height, 0.0, 1.0)
    page.lay(mirror, (0.42 * fade * (0.75 + 0.25 * grain))[..., None] * _rgb(1.0, 0.97, 0.93), 0.85 * below)
    page.lay(bars, (0.07 * fade * grain)[..., None] * _rgb(1.0, 0.9, 0.8), 0.75 * below)
    page.lay(page.box(-0.1, _TABLE_EDGE - 0.003, 1.1, _TABLE_EDGE + 0.002), _rgb(0.10, 0.075, 0.055))


def _paint_cup(page: _Page) -> None:
    """A cup of coffee on the table, and its shadow towards the viewer."""
    x, y = 0.585, 0.872
    shadow = [(x - 0.040, y + 0.050), (x + 0.038, y + 0.050), (x + 0.025, y + 0.14), (x - 0.065, y + 0.14)]
    page.shade(page.polygon(shadow, soft=0.012), 0.6)
    turn = np.clip((page.x - x) / 0.040, -1.0, 1.0)
    china = (0.75 + 2.6 * np.abs(turn) ** 5 + 0.45 * turn)[..., None] * _rgb(0.050, 0.052, 0.056)
    hole = page.outline(_HANDLE_HOLE, x, y)
    behind = page.light[hole.rows, hole.columns].copy()
    page.lay(page.outline(_HANDLE, x, y), china)
    held = page.light[hole.rows, hole.columns]
    held += hole.share[..., None] * (behind - held)
    page.lay(page.outline(_CUP, x, y), china)
    circle = [(float(np.cos(a)), float(np.sin(a))) for a in np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)]
    for radius, colour in ((0.060, (0.24, 0.24, 0.24)), (0.055, (0.040, 0.022, 0.013))):
        page.lay(page.outline([(radius * u, -0.068 + 0.19 * radius * v) for u, v in circle], x, y), _rgb(*colour))


def _photograph(page: _Page, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """What the camera makes of it: glare, fall-off to the corners, clipping, noise, sRGB."""
    light = page.light
    bright = np.minimum(light, _WHITEST)
    for channel in range(3):
        plane = np.ascontiguousarray(bright[..., channel])
        for sigma, share in ((0.006, 0.020), (0.030, 0.012), (0.150, 0.008)):
            light[..., channel] += np.float32(share) * page.blur(plane, sigma)
    corner = np.hypot((page.x - 0.5) * 1.2, page.y - 0.5)
    light *= (1.0 - 0.45 * np.clip(corner, 0.0, 1.0) ** 2)[..., None]
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    light += noise * (_READ_NOISE + _SHOT_NOISE * np.sqrt(np.clip(light, 0.0, 1.0)))
    return np.asarray(np.rint(to_srgb(light) * 255.0), dtype=np.uint8)


def _rgb(red: float, green: float, blue: float) -> FloatArray:
    return np.array((red, green, blue), dtype=np.float32)


def _smooth(points: Points, steps: int = 10) -> list[tuple[float, float]]:
    """A closed Catmull-Rom curve through the points."""
    p1 = np.asarray(points, dtype=np.float64)
    p0, p2, p3 = np.roll(p1, 1, axis=0), np.roll(p1, -1, axis=0), np.roll(p1, -2, axis=0)
    t = (np.arange(steps) / steps)[:, None, None]
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return [(float(x), float(y)) for x, y in curve.transpose(1, 0, 2).reshape(-1, 2)]
