"""A sequence as one web page: brightness, score and areas over time, and the spectrum of the flicker."""

import html
from collections.abc import Sequence

import numpy as np

from luxel.pages import standalone_page
from luxel.photometry import Float64Array
from luxel.sequence.measure import MeasuredSequence
from luxel.sequence.stability import Stability, spectrum

WIDTH, HEIGHT = 880, 200
"""Size of a plot in units of its drawing."""

MAX_POINTS = 4000
"""Points of a line; longer sequences are drawn by the lowest and highest value of each stretch."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 10, 26

_STYLE = """
svg { width: 100%; height: auto; }
svg text { font: 12px sans-serif; fill: #555; }
.grid { stroke: #ddd; }
.line { fill: none; stroke: #222; stroke-width: 1.3; }
.over { stroke: #c0392b; }
.under { stroke: #2462a8; }
.jump { stroke: #c08a00; stroke-dasharray: 3 3; }
"""


def page(measured: MeasuredSequence, name: str, *, weights: str) -> str:
    """The HTML page, which needs no other file and no network.

    measured: the sequence.
    name: of the folder or video, for people.
    weights: which made the maps.
    """
    steady, rate = measured.stability, measured.rate
    times = np.arange(len(measured.rows)) / (rate or 1.0)
    unit = "seconds" if rate else "frames"
    jumps = [jump.frame / (rate or 1.0) for jump in steady.jumps]
    bright = measured.values("brightness")
    frequencies, amplitudes = spectrum(bright[np.isfinite(bright)], rate or 1.0)
    failed = [row for row in measured.rows if row["error"]]
    areas = [("over", measured.values("over")), ("under", measured.values("under"))]
    parts = [
        f"<h1>{html.escape(name)}: exposure over {len(times)} frames</h1>",
        *(f"<p>{html.escape(line)}</p>" for line in sentences(steady, rate)),
        "<h2>Brightness in stops, 0 is mid-grey</h2>",
        _plot(times, [("", bright)], unit, marks=jumps),
        "<h2>Score</h2>",
        _plot(times, [("", measured.values("score"))], unit, low=0.0, high=10.0),
        "<h2>Areas: overexposed (red) and underexposed (blue)</h2>",
        _plot(times, areas, unit, low=0.0, high=1.0),
        f"<h2>Flicker: amplitude in stops by frequency ({'Hz' if rate else 'cycles per frame'})</h2>",
        _plot(frequencies, [("", amplitudes)], "Hz" if rate else "cycles per frame", low=0.0),
        "".join(
            f'<p class="note">{html.escape(row["name"])}: {html.escape(str(row["error"]))}</p>' for row in failed[:20]
        ),
        f'<p class="note">and {len(failed) - 20} more frames without values</p>' if len(failed) > 20 else "",
        f"<footer>Maps: {html.escape(weights)}</footer>",
    ]
    return standalone_page(f"{name}: exposure over time", "\n".join(parts), style=_STYLE)


def sentences(steady: Stability, rate: float | None) -> list[str]:
    """What there is to say about a sequence, a line each."""
    lines = [f"Brightness varies by {steady.spread:.2f} stops (standard deviation), {steady.span:.2f} from end to end."]
    count = len(steady.jumps)
    for jump in steady.jumps[:10]:
        settled = {None: "not settled before the next jump or the end", 0: "settled at once"}.get(
            jump.settled, f"settled after {jump.settled} frames"
        )
        lines.append(f"Jump of {jump.stops:+.2f} stops at frame {jump.frame}, {settled}.")
    if count > 10:
        lines.append(f"{count - 10} more jumps.")
    if steady.flicker_frequency is not None:
        unit = "Hz" if rate else "cycles per frame"
        lines.append(f"Strongest flicker: {steady.flicker:.3f} stops at {steady.flicker_frequency:.3g} {unit}.")
    return lines


def _plot(
    x: Float64Array,
    lines: Sequence[tuple[str, Float64Array]],
    unit: str,
    *,
    low: float | None = None,
    high: float | None = None,
    marks: Sequence[float] = (),
) -> str:
    """An SVG drawing of lines over one axis. low, high: ends of the other axis, None for those of the values."""
    values = np.concatenate([line for _, line in lines]) if lines else np.zeros(0)
    values = values[np.isfinite(values)]
    if len(values) == 0 or len(x) < 2:
        return "<p>Too few frames to draw.</p>"
    bottom = float(values.min()) if low is None else low
    top = float(values.max()) if high is None else high
    top = top if top - bottom > 1e-6 else bottom + 1.0

    def across(value: float) -> float:
        return float(_LEFT + (value - x[0]) / (x[-1] - x[0]) * (WIDTH - _LEFT - _RIGHT))

    def down(value: float) -> float:
        return HEIGHT - _BOTTOM - (value - bottom) / (top - bottom) * (HEIGHT - _TOP - _BOTTOM)

    parts = []
    for part in np.linspace(bottom, top, 5):
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{down(part):.1f}" y2="{down(part):.1f}"/>'
        )
        parts.append(f'<text x="{_LEFT - 6}" y="{down(part) + 4:.1f}" text-anchor="end">{part:.3g}</text>')
    for part in np.linspace(x[0], x[-1], 6):
        parts.append(f'<text x="{across(part):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{part:.3g}</text>')
    parts += [
        f'<line class="jump" x1="{across(m):.1f}" x2="{across(m):.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
        for m in marks[:200]
    ]
    for name, line in lines:
        kept = _thinned(line)
        points = " ".join(f"{across(float(x[n])):.1f},{down(float(line[n])):.1f}" for n in kept)
        parts.append(f'<polyline class="line {name}" points="{points}"/>')
    label = f"Plot over {html.escape(unit)}"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _thinned(values: Float64Array) -> list[int]:
    """Places of the values to draw: all, or the lowest and the highest of each of equal stretches."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) <= MAX_POINTS:
        return known.tolist()
    kept: set[int] = set()
    for part in np.array_split(known, MAX_POINTS // 2):
        kept |= {int(part[np.argmin(values[part])]), int(part[np.argmax(values[part])])}
    return sorted(kept)
