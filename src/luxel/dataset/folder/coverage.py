"""The coverage report: what a dataset holds and what is rare in it (the selection bias of paper 4.1), as one HTML page.

The page needs nothing beside it: style and pictures are inside. It has no script.
"""

import base64
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel import images
from luxel.dataset.folder.card import KINDS, by_level
from luxel.dataset.folder.manifest import SEEDS, FrameRow, row_file, scenes_of
from luxel.dataset.folder.scene_files import read_residual
from luxel.dataset.folder.splits import NAMES
from luxel.dataset.reference.bracket import LEVELS
from luxel.dataset.sources.taxonomy import AXES, Taxonomy, load_taxonomy, taxonomy_file
from luxel.draw import heatmap
from luxel.errors import DatasetError, LuxelError
from luxel.jobs.atomic import write_file
from luxel.pages import standalone_page

COVERAGE = "coverage.html"
SHOWN_SCENES = 12
"""Scenes shown with all their frames: the first of each kind, then evenly over the rest."""

RARE_SHARE = 0.25
"""A category is rare below this share of the mean count of its axis, or below three scenes."""

_THUMB = 112
_UNTAGGED = "not tagged"


def write_coverage(out: Path, name: str, rows: Sequence[FrameRow], report: Sequence[Mapping[str, Any]]) -> None:
    """Writes coverage.html. name: of the dataset. report: outcomes of a build. Raises DatasetError (full disk)."""
    write_file(out / COVERAGE, page(out, name, rows, report).encode(), sync=True, error=DatasetError)


def counts(rows: Iterable[FrameRow], taxonomy: Taxonomy) -> dict[str, dict[str, int]]:
    """Scenes by kind, super-class and class, light, tone, device, licence: axis -> name -> number, most first."""
    firsts = [frames[0] for frames in scenes_of(rows).values()]
    axes: dict[str, Callable[[FrameRow], str]] = {
        "kind": lambda row: row.kind,
        "super-class": lambda row: taxonomy.super_class(row.scene) or _UNTAGGED,
        "scene": lambda row: row.scene or _UNTAGGED,
        "light": lambda row: row.light or _UNTAGGED,
        "tone": lambda row: row.tone or _UNTAGGED,
        "device": lambda row: row.device or "not known",
        "licence": lambda row: row.licence,
    }
    return {axis: dict(Counter(map(name, firsts)).most_common()) for axis, name in axes.items()}


def rare(
    counted: Mapping[str, Mapping[str, int]], wanted: Mapping[str, Sequence[str]]
) -> dict[str, tuple[list[str], list[str]]]:
    """What is rare and what is missing on each axis that has names to be wanted.

    counted: from `counts`. wanted: axis -> all names it should have. Returns axis -> (rare names, missing names).
    """
    result = {}
    for axis, names in wanted.items():
        there = {name: counted[axis][name] for name in counted[axis] if name in set(names)}
        mean = sum(there.values()) / len(there) if there else 0.0
        few = [name for name, count in there.items() if count < max(3, RARE_SHARE * mean)]
        result[axis] = (few, [name for name in names if name not in there])
    return result


def page(out: Path, name: str, rows: Sequence[FrameRow], report: Sequence[Mapping[str, Any]]) -> str:
    """The page as one string. out: the dataset's folder, for its pictures. name: its name."""
    scenes = scenes_of(rows)
    taxonomy = load_taxonomy(taxonomy_file(out))
    counted = counts(rows, taxonomy)
    scores = np.array([row.score for row in rows])
    confidence = np.array([row.confidence_mean for row in rows])
    experts = sorted({name for row in rows for name in row.experts.split(";") if name})
    failed = [entry for entry in report if entry["state"] == "failed"]
    facts = [
        ("scenes", f"{len(scenes)}"),
        ("frames", f"{len(rows)}"),
        ("mean score", f"{scores.mean():.2f}" if len(rows) else "none"),
        ("mean confidence", f"{confidence.mean():.2f}" if len(rows) else "none"),
        ("experts", str(len(experts))),
        ("failed scenes", str(len(failed))),
        ("dropped frames", str(sum(len(entry["dropped"]) for entry in report))),
    ]
    sections = [
        _section("At a glance", _facts(facts)),
        _section("Pictures", _pictures(out, scenes), _legend()),
        _section("What is rare", _rare(rows, counted, taxonomy), _RARE_NOTE),
        _section("Scenes by", f'<div class="charts">{"".join(_bars(axis, counted[axis]) for axis in counted)}</div>'),
        _section("Exposure", _levels(rows)),
        _section(
            "Scores",
            '<div class="charts">'
            + _histogram(scores, 0, 10, 20, "score")
            + _histogram(confidence, 0, 1, 20, "mean confidence")
            + "</div>",
        ),
        _section("Splits", _splits(rows)),
        _section("Left out", _left_out(report)),
    ]
    style = Path(__file__).with_name("coverage.css").read_text(encoding="utf-8")
    body = f"<h1>Coverage of {escape(name)}</h1>{''.join(sections)}"
    return standalone_page(f"Coverage of {name}", body, style=style, style_attributes=True)


def _section(title: str, body: str, note: str = "") -> str:
    text = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{text}{body}</section>"


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in facts)
    return f'<div class="facts">{cells}</div>'


def _bars(axis: str, counted: Mapping[str, int], limit: int = 30) -> str:
    most = max(counted.values(), default=1)
    lines = [_bar(name, count, count / most, KINDS.get(name, "")) for name, count in list(counted.items())[:limit]]
    if len(counted) > limit:
        rest = list(counted.values())[limit:]
        lines.append(_bar(f"{len(rest)} more", sum(rest), 0))
    return f'<div class="chart"><h3>{escape(axis)}</h3>{"".join(lines)}</div>'


def _bar(name: str, count: int, share: float, title: str = "") -> str:
    hint = f' title="{escape(title)}"' if title else ""
    return (
        f'<div class="bar"{hint}><span class="name">{escape(name)}</span>'
        f'<span class="track"><i style="width:{100 * share:.1f}%"></i></span><span class="count">{count}</span></div>'
    )


def _levels(rows: Sequence[FrameRow]) -> str:
    header = ("level", "frames", "mean score", "overexposed", "underexposed", "mean confidence")
    lines = []
    for level, group in by_level(rows).items():
        over, under = (float(np.mean([getattr(row, name) for row in group])) for name in ("over", "under"))
        lines.append(
            (
                level,
                len(group),
                f"{np.mean([row.score for row in group]):.2f}",
                _share_cell(over, "over"),
                _share_cell(under, "under"),
                f"{np.mean([row.confidence_mean for row in group]):.2f}",
            )
        )
    return _table(header, lines)


class _Html(str):
    """A cell that is HTML already."""


def _share_cell(share: float, kind: str) -> _Html:
    return _Html(f'<span class="meter {kind}"><i style="width:{100 * share:.0f}%"></i></span>{share:.0%}')


def _table(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        return f"<td>{value if isinstance(value, _Html) else escape(str(value))}</td>"

    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(cell, line))}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _histogram(values: npt.NDArray[np.float64], low: float, high: float, bins: int, name: str) -> str:
    if not len(values):
        return ""
    heights, edges = np.histogram(np.clip(values, low, high), bins=bins, range=(low, high))
    most = max(1, int(heights.max()))
    bars = "".join(
        f'<i style="height:{100 * h / most:.1f}%" title="{a:g} to {b:g}: {h} frames"></i>'
        for h, a, b in zip(heights.tolist(), edges[:-1].round(3), edges[1:].round(3), strict=True)
    )
    axis = f"<div class='axis'><span>{low:g}</span><span>{escape(name)}, frames</span><span>{high:g}</span></div>"
    return f'<div class="histogram"><div class="columns">{bars}</div>{axis}</div>'


def _splits(rows: Sequence[FrameRow]) -> str:
    lines = []
    for column in ("split", *(f"split_{i}" for i in range(SEEDS))):
        members = {name: [row for row in rows if getattr(row, column) == name] for name in NAMES}
        lines.append(
            (
                column,
                *(
                    f"{_number({r.scene_id for r in group}, 'scene')}, {_number(group, 'frame')}"
                    for group in members.values()
                ),
            )
        )
    return _table(("column", *NAMES), lines)


def _number(things: Collection[object], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def _rare(rows: Sequence[FrameRow], counted: Mapping[str, Mapping[str, int]], taxonomy: Taxonomy) -> str:
    lines: list[tuple[str, str, str]] = []
    wanted = {"super-class": list(taxonomy.scenes), **{axis: taxonomy.names(axis) for axis in AXES}}
    for axis, (few, missing) in rare(counted, wanted).items():
        untagged = counted[axis].get(_UNTAGGED, 0)
        total = sum(counted[axis].values())
        if total and untagged == total:
            lines.append((axis, "no scene is tagged (luxel dataset tags makes suggestions)", "not known"))
        else:
            tagged = f" ({untagged} of {total} scenes are not tagged)" if untagged else ""
            lines.append((axis, (", ".join(few) or "nothing") + tagged, ", ".join(missing) or "nothing"))
    devices = [name for name in counted["device"] if name != "not known"]
    lines.append(("device", _number(devices, "known device"), "the paper has more than 27"))
    # Longer brackets have levels beyond the nine; few of those are enough.
    grouped = by_level(rows)
    levels = {level: len(grouped.get(level, ())) for level in LEVELS}
    few = [level for level, count in levels.items() if 0 < count < RARE_SHARE * max(levels.values())]
    missing = [level for level, count in levels.items() if not count]
    lines.append(("exposure", ", ".join(few) or "nothing", ", ".join(missing) or "nothing"))
    return _table(("axis", "rare", "missing"), lines)


def _left_out(report: Sequence[Mapping[str, Any]]) -> str:
    lines = [(entry["scene_id"], "the whole scene", entry["reason"]) for entry in report if entry["state"] == "failed"]
    lines += [(entry["scene_id"], file, reason) for entry in report for file, reason in entry["dropped"]]
    return _table(("scene", "what", "why"), lines) if lines else "<p>Nothing was left out in the last build.</p>"


def _pictures(out: Path, scenes: Mapping[str, Sequence[FrameRow]]) -> str:
    return "".join(_strip(out, scenes[name]) for name in shown(scenes))


def shown(scenes: Mapping[str, Sequence[FrameRow]], limit: int = SHOWN_SCENES) -> list[str]:
    """Which scenes are shown: the kinds take turns, each evenly over its scenes."""
    queues: dict[str, list[str]] = {}
    for name, frames in scenes.items():
        queues.setdefault(frames[0].kind, []).append(name)
    share = -(-limit // max(1, len(queues)))
    spread = [
        [q[i] for i in sorted({round(j) for j in np.linspace(0, len(q) - 1, min(share, len(q)))})]
        for q in queues.values()
    ]
    chosen = [q[turn] for turn in range(share) for q in spread if turn < len(q)]
    return chosen[:limit]


def _strip(out: Path, frames: Sequence[FrameRow]) -> str:
    """One scene: its reference, and each frame above its map."""
    first = frames[0]
    try:
        cells = [
            f"<figure>{_picture(_thumb(row_file(out, first.reference)))}<figcaption>reference</figcaption></figure>"
        ]
        for row in frames:
            image, residual = _thumb(row_file(out, row.image)), read_residual(row_file(out, row.residual))
            colours = heatmap.render(heatmap.fit(residual, _THUMB))
            cells.append(
                f"<figure>{_picture(image)}{_picture(colours)}"
                f"<figcaption>{escape(row.level)} <b>{row.score:.1f}</b></figcaption></figure>"
            )
    except LuxelError as error:
        return f'<p class="note">{escape(first.scene_id)}: {escape(str(error))}</p>'
    tags = ", ".join(tag for tag in (first.kind, first.scene, first.light, first.tone, first.device or "") if tag)
    return f'<h3>{escape(first.scene_id)} <small>{escape(tags)}</small></h3><div class="strip">{"".join(cells)}</div>'


def _legend() -> str:
    table = heatmap.colours()
    over, ideal, under = ("#" + "".join(f"{v:02x}" for v in table[i]) for i in (0, len(table) // 2, -1))
    chips = ((over, "overexposed"), (ideal, "ideal"), (under, "underexposed"))
    words = ", ".join(f'<span class="chip" style="background:{colour}"></span> {word}' for colour, word in chips)
    return f"Each frame above its map: {words}. Below, level and score."


def _thumb(path: Path) -> npt.NDArray[np.uint8]:
    return np.asarray(heatmap.fit(images.read(path).pixels, _THUMB), dtype=np.uint8)


def _picture(pixels: npt.NDArray[np.uint8]) -> str:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode()
    height, width = pixels.shape[:2]
    return f'<img alt="" width="{width}" height="{height}" src="data:image/jpeg;base64,{data}">'


_RARE_NOTE = (
    f"Rare: fewer than three scenes, or fewer than {RARE_SHARE:.0%} of the mean of the axis. Missing: in the taxonomy, "
    "but in no scene."
)
