"""A comparison as CSV and as one self-contained HTML page."""

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from luxel import images
from luxel.compare.compare import Comparison, Interval, Rank, remark
from luxel.compare.detail import MIN_DETAIL
from luxel.pages import standalone_page
from luxel.text import csv_table

# fmt: off
RANKING_COLUMNS = (
    "rank", "version", "pictures", "residual", "residual_low", "residual_high", "change", "change_low", "change_high",
    "better", "first", "over", "under", "score", "threshold", "detail", "lost_detail_on", "ranked_last",
)
# fmt: on
PICTURE_COLUMNS = ("picture", "version", "residual", "over", "under", "score", "threshold", "detail", "matches")

RANKING_TITLES = ("mean |r|", "against original", "better on", "first in", "score", "over", "under", "detail")
"""Titles of the ranking's columns after place and version, where people read it."""

SHEET_WIDTH = 1800
"""Pixels a sheet is wide at most inside the page."""


def ranking_csv(comparison: Comparison, ranks: Sequence[Rank]) -> str:
    """One line per version, best first, with the columns of `RANKING_COLUMNS`; empty cells where there is no value."""
    rows = []
    for place, rank in enumerate(ranks, start=1):
        rows.append(
            {
                "rank": place,
                "version": rank.version,
                "pictures": len(comparison.figures),
                "residual": rank.residual.mean,
                "residual_low": rank.residual.low,
                "residual_high": rank.residual.high,
                "change": rank.change and rank.change.mean,
                "change_low": rank.change and rank.change.low,
                "change_high": rank.change and rank.change.high,
                "better": rank.better,
                "first": rank.first,
                "over": rank.over.mean,
                "under": rank.under.mean,
                "score": rank.score.mean,
                "threshold": comparison.threshold,
                "detail": rank.detail.mean,
                "lost_detail_on": rank.lost,
                "ranked_last": rank.reason,
            }
        )
    return csv_table(RANKING_COLUMNS, rows)


def pictures_csv(comparison: Comparison) -> str:
    """One line per picture and version with the columns of `PICTURE_COLUMNS`."""
    rows = [
        {
            "picture": name,
            "version": version,
            "residual": figures.residual,
            "over": figures.over,
            "under": figures.under,
            "score": figures.score,
            "threshold": comparison.threshold,
            "detail": figures.detail,
            "matches": "yes" if figures.matches else "no",
        }
        for name, row in comparison.figures.items()
        for version, figures in row.items()
    ]
    return csv_table(PICTURE_COLUMNS, rows)


def interval_text(interval: Interval, digits: int = 3, *, sign: bool = False) -> str:
    """A mean with its interval, such as "0.123 [0.101, 0.150]"; the mean alone where there is none."""
    form = f"{'+' if sign else ''}.{digits}f"
    if interval.low is None or interval.high is None:
        return f"{interval.mean:{form}}"
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def detail_text(rank: Rank) -> str:
    """Kept detail, with the reason of a version that is ranked last, such as "0.04 lost detail"."""
    return f"{rank.detail.mean:.2f}" + (f" {rank.reason}" if rank.reason else "")


def page(
    comparison: Comparison,
    ranks: Sequence[Rank],
    sheets: Mapping[str, Path],
    notes: Sequence[str],
    *,
    weights: str,
) -> str:
    """The HTML page: ranking with a drawing of the intervals, sheets, figures of every picture.

    sheets: picture name -> file of its sheet, which goes into the page, smaller. notes: lines on what was left out.
    weights: which made the maps. The page needs no other file and no network; every name is escaped.
    Raises ImageError for a sheet that cannot be read.
    """
    count = len(comparison.figures)
    title = f"{len(ranks)} versions of {count} picture{'' if count == 1 else 's'}"
    parts = [
        f"<h1>{title}, by exposure residual</h1>",
        "<p>The residual says how far lightness is from ideal exposure; a lower mean absolute residual is better. "
        f"Over and under are shares of area beyond {comparison.threshold:g}.</p>",
        _ranking_table(ranks, count),
        f"<p>{html.escape(remark(count))}</p>",
        "<p>Detail is the share of the original's detail that a version keeps; "
        f"versions below {MIN_DETAIL:g} are ranked last.</p>",
        _drawing(ranks),
        "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes),
        "<h2>Pictures and maps</h2>" if sheets else "",
    ]
    if 0 < len(sheets) < count:
        parts.append(f"<p>{len(sheets)} of {count} pictures, those on which the versions differ most.</p>")
    for name, file in sheets.items():
        label = html.escape(name)
        parts.append(
            f'<figure><figcaption>{label}</figcaption><img alt="Versions of {label} above their residual maps" '
            f'src="data:image/webp;base64,{_webp(file)}"></figure>'
        )
    parts += [
        "<h2>Mean absolute residual of every picture</h2>",
        _pictures_table(comparison, ranks),
        f"<footer>Maps: {html.escape(weights)}</footer>",
    ]
    return standalone_page(f"{title}: exposure residual", "\n".join(parts), style=_STYLE)


def ranking_cells(rank: Rank, count: int) -> list[str]:
    """A version's figures for people, one text for each of `RANKING_TITLES`. count: images compared."""
    return [
        interval_text(rank.residual),
        "" if rank.change is None else interval_text(rank.change, sign=True),
        "" if rank.better is None else f"{rank.better} of {count}",
        "" if rank.first is None else f"{rank.first:.0%}",
        f"{rank.score.mean:.2f}",
        f"{rank.over.mean:.1%}",
        f"{rank.under.mean:.1%}",
        detail_text(rank),
    ]


def _ranking_table(ranks: Sequence[Rank], count: int) -> str:
    rows = []
    for place, rank in enumerate(ranks, start=1):
        cells = ranking_cells(rank, count)
        name = f'<td>{place}</td><th scope="row">{html.escape(rank.version)}</th>'
        rows.append(f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    head = "".join(f'<th scope="col">{text}</th>' for text in ("", "version", *RANKING_TITLES))
    return f'<table class="ranking"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _drawing(ranks: Sequence[Rank]) -> str:
    """Means with their intervals as points and lines, from 0; nothing where there are no intervals."""
    ends = [rank.residual.high for rank in ranks if rank.residual.high is not None]
    if not ends:
        return ""
    left, right, step = 190, 840, 26
    scale = (right - left) / (max(ends) * 1.05 or 1.0)
    marks = []
    for n, rank in enumerate(ranks):
        y = step * n + 20
        low, high = rank.residual.low or 0.0, rank.residual.high or 0.0
        name = rank.version if len(rank.version) <= 26 else rank.version[:25] + "…"
        marks.append(
            f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{html.escape(name)}</text>'
            f'<line x1="{left + scale * low:.1f}" x2="{left + scale * high:.1f}" y1="{y}" y2="{y}"/>'
            f'<circle cx="{left + scale * rank.residual.mean:.1f}" cy="{y}" r="4.5"/>'
        )
    bottom = step * len(ranks) + 12
    ticks = _ticks(max(ends))
    axis = "".join(
        f'<line class="grid" x1="{left + scale * t:.1f}" x2="{left + scale * t:.1f}" y1="6" y2="{bottom}"/>'
        f'<text x="{left + scale * t:.1f}" y="{bottom + 16}" text-anchor="middle">{t:g}</text>'
        for t in ticks
    )
    label = "Mean absolute residual of each version with its interval; the table above has the numbers."
    return f'<svg viewBox="0 0 880 {bottom + 22}" role="img" aria-label="{label}">{axis}{"".join(marks)}</svg>'


def _ticks(highest: float) -> list[float]:
    """Round numbers from 0 to at most `highest`, four to nine of them."""
    if highest <= 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(highest))
    step = next(part * power for part in (0.5, 0.2, 0.1, 0.05) if highest / (part * power) >= 3)
    return [round(step * n, 12) for n in range(int(highest / step + 1e-9) + 1)]


def _pictures_table(comparison: Comparison, ranks: Sequence[Rank]) -> str:
    order = [rank.version for rank in ranks]
    rows = []
    for name, row in comparison.figures.items():
        least = min(figures.order for figures in row.values())
        cells = []
        for version in order:
            figures = row[version]
            text = f"{figures.residual:.3f}"
            title = f"score {figures.score:.2f}, over {figures.over:.1%}, under {figures.under:.1%}"
            title += f", detail {figures.detail:.2f}"
            mark = f"<b>{text}</b>" if figures.order == least else text
            mark = mark if figures.detail >= MIN_DETAIL else f"<s>{text}</s>"
            cells.append(f'<td title="{title}">{mark}</td>')
        rows.append(f'<tr><th scope="row">{html.escape(name)}</th>{"".join(cells)}</tr>')
    head = "".join(f'<th scope="col">{html.escape(version)}</th>' for version in order)
    return (
        '<div class="wide"><table><caption>Bold: the lowest of the picture. Struck through: lost detail.</caption>'
        f'<thead><tr><th scope="col">picture</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _webp(file: Path) -> str:
    image = Image.fromarray(images.read(file).pixels)
    if image.width > SHEET_WIDTH:
        image = image.resize((SHEET_WIDTH, round(image.height * SHEET_WIDTH / image.width)))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=82, method=3)
    return base64.b64encode(buffer.getvalue()).decode()


_STYLE = """
.note { color: var(--warn); overflow-wrap: anywhere; }
table { margin: 14px 0; }
th, td { text-align: right; }
th[scope=row], .ranking th:nth-child(2), caption { text-align: left; overflow-wrap: anywhere; }
.ranking tbody tr:first-child th, .ranking tbody tr:first-child td { font-weight: 650; }
caption { padding-bottom: 4px; }
svg { width: 100%; max-width: 880px; height: auto; }
svg text { font-size: 12.5px; fill: var(--ink); } svg circle { fill: var(--ink); }
svg line { stroke: var(--ink); stroke-width: 2; } svg .grid { stroke: var(--line); stroke-width: 1; }
figure { margin: 0 0 28px; content-visibility: auto; contain-intrinsic-size: auto 500px; }
figcaption { font-weight: 600; margin-bottom: 4px; overflow-wrap: anywhere; }
figure img { width: 100%; border: 1px solid var(--line); }
"""
