"""The dataset card (Markdown), written from a dataset's rows."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np

from luxel.dataset.folder.hub import front_matter
from luxel.dataset.folder.manifest import SEEDS, FrameRow, scenes_of
from luxel.dataset.folder.splits import NAMES
from luxel.errors import DatasetError
from luxel.jobs.atomic import write_file
from luxel.residual_files import SCALE, ZERO

CARD = "README.md"

KINDS = {
    "bracket": "real exposures, aligned",
    "raw": "exposures simulated from camera RAW",
    "hdr": "exposures simulated from HDR light",
    "panorama": "exposures simulated from views of HDR panoramas",
    "still": "brackets that cannot be aligned: exposures simulated from the best frame (paper A.6)",
    "photo": "exposures simulated from sRGB photographs (last resort: no light above their white)",
    "released": "frames and labels of IEA40K as released",
}
"""Kinds of scenes, in words."""

COLUMNS = {
    "scene_id": "Scene; the unit of every split together with its group",
    "level": "Exposure level: N4 ... P4, the nearest whole stop; a letter where real frames share one",
    "group": "Scenes of one group (views of one panorama) are always in one split",
    "kind": "Where the exposures come from",
    "ev": "Stops from the metered exposure",
    "width": "Pixels",
    "height": "Pixels",
    "image": "The frame, 8-bit sRGB PNG",
    "reference": "The ideally exposed picture of the scene, 8-bit sRGB PNG",
    "residual": f"The label, 16-bit PNG: r = (code - {ZERO}) / {SCALE}",
    "confidence": "Confidence of the label, 8-bit PNG: code / 255",
    "flags": "Special pixels, 8-bit PNG: 1 severe, 2 cleaned, 4 clipped, 8 dark, 16 moving, 32 expert",
    "image_sha256": "Checksum",
    "reference_sha256": "Checksum",
    "residual_sha256": "Checksum",
    "confidence_sha256": "Checksum",
    "flags_sha256": "Checksum",
    "device": "Camera",
    "lens": "Lens",
    "iso": "ISO sensitivity",
    "exposure_s": "Shutter time in seconds",
    "f_number": "Aperture",
    "scene": "Scene tag",
    "light": "Lighting tag",
    "tone": "Tone tag: dark, clear or neutral",
    "source": "What the scene was made from",
    "licence": "Licence of the source",
    "score": "Holistic score, 0 to 10",
    "score_source": "map: 10 * (1 - mean abs r); given: people's",
    "over": "Share of pixels with r < -0.2",
    "under": "Share of pixels with r > 0.2",
    "confidence_mean": "Mean confidence",
    "severe": "Share of pixels set to severe overexposure",
    "cleaned": "Share of isolated anomalous pixels",
    "moving": "Share of pixels where the frames disagree",
    "experts": "Who corrected the label, ; between",
    "split": "Default split",
    **{f"split_{i}": f"Split under the {i + 1}. seed" for i in range(SEEDS)},
}
"""Columns of the manifest, in words."""


def write_card(
    out: Path, record: Mapping[str, Any], rows: Sequence[FrameRow], report: Sequence[Mapping[str, Any]]
) -> None:
    """Writes README.md. record: dataset.json. report: outcomes of the last build. Raises DatasetError (full disk)."""
    write_file(out / CARD, card(record, rows, report).encode(), sync=True, error=DatasetError)


def card(record: Mapping[str, Any], rows: Sequence[FrameRow], report: Sequence[Mapping[str, Any]]) -> str:
    """The dataset card as Markdown, with the front matter dataset hubs read."""
    scenes = scenes_of(rows)
    firsts = [frames[0] for frames in scenes.values()]
    licences = Counter(row.licence for row in firsts)
    rules = record["settings"]["rules"]
    scores = np.array([row.score for row in rows]) if rows else np.zeros(1)
    experts = sorted({name for row in rows for name in row.experts.split(";") if name})
    failed = [entry for entry in report if entry["state"] == "failed"]
    dropped = sum(len(entry["dropped"]) for entry in report)
    parts = [
        "---",
        f"license: {'other' if len(licences) != 1 else _slug(next(iter(licences)))}",
        "task_categories: [image-to-image]",
        "tags: [exposure, image-quality, pixel-level]",
        f"pretty_name: {json.dumps(record['name'])}",
        *front_matter(rows),
        "---",
        "",
        f"# {record['name']}",
        "",
        f"{len(rows)} exposures of {len(scenes)} scenes, each with a pixel-level exposure label: how far every pixel's "
        "lightness is from what it would be in an ideally exposed picture of the same scene. Built with luxel "
        f"{record['luxel']} after section 4 of *Rethinking No-reference Image Exposure Assessment from Holism to "
        "Pixel* (NeurIPS 2024). Look at `coverage.html` for pictures and for what is rare.",
        "",
        "## The label",
        "",
        "`r = Y'(reference) - Y'(image)`, with `Y' = 0.299 R' + 0.587 G' + 0.114 B'` of the sRGB-encoded picture. "
        f"r > 0: underexposed, r < 0: overexposed, 0: ideal. Stored as 16-bit PNG: `r = (code - {ZERO}) / {SCALE}`.",
        "The holistic score is `10 * (1 - mean abs r)`.",
        "",
        f"* Light sources and saturated logos (clipped in every exposure, under {rules['source_share']:.0%} of the "
        f"picture) get r <= {rules['severe']:g} wherever a frame clips them (a channel at {rules['clipped']} or more).",
        f"* Isolated pixels (up to {rules['speck']} connected) more than {rules['jump']:g} from the median of their "
        "5 x 5 neighbourhood get that median.",
        f"* Confidence is 1, down to {rules['over']:g} where every exposure is clipped, {rules['dark']:g} where even "
        f"the brightest is noise, {rules['moving']:g} where the frames disagree, and {rules['by_rule']:g} where one of "
        "the two rules decided.",
        "",
        "## Reading it",
        "",
        "`datasets.load_dataset(FOLDER)` gives pictures and maps as images, in the splits below. Maps are 16-bit "
        f"images: r = `(numpy.asarray(residual, dtype=numpy.float32) - {ZERO}) / {SCALE}`.",
        "",
        "## Composition",
        "",
        _table(("kind", "scenes", "frames", "what"), _kind_lines(rows, firsts)),
        "",
        _table(("level", "frames", "mean score", "overexposed", "underexposed"), _level_lines(rows)),
        "",
        f"Scores run from {scores.min():.2f} to {scores.max():.2f}, mean {scores.mean():.2f}. "
        f"Tagged scenes: {sum(bool(row.scene) for row in firsts)} by scene, "
        f"{sum(bool(row.light) for row in firsts)} by light, {sum(bool(row.tone) for row in firsts)} by tone.",
        "",
        "## Splits",
        "",
        "Scene-disjoint: all frames of a scene, and all scenes of a group, are in one split. Five seeds; `split` is "
        "the first, or for an imported dataset the list a frame came in.",
        "",
        _table(("column", *NAMES), _split_lines(rows)),
        "",
        "## People",
        "",
        _people(experts),
        "",
        "## Licences",
        "",
        _table(("licence", "scenes"), sorted(licences.items(), key=lambda item: (-item[1], item[0]))),
        "",
        *(["**Scenes with unknown licence are for your own use only.**", ""] if licences["unknown"] else []),
        "## Limits",
        "",
        *_limits(rows, firsts, failed, dropped),
        "",
        "## Columns of the manifest",
        "",
        _table(("column", "what"), COLUMNS.items()),
        "",
        "## Made by",
        "",
        f"`luxel dataset build`, settings `{json.dumps(record['settings'], sort_keys=True)}`.",
        "`luxel dataset check` verifies every file and label.",
        "",
    ]
    return "\n".join(parts)


def _people(experts: Sequence[str]) -> str:
    if not experts:
        return (
            "No expert has corrected these labels: they are automatic. The paper's experts optimised every reference "
            "and refined every label."
        )
    return (
        f"Corrected by {', '.join(experts)}. Their layers are in `layers/`; the median over the experts who touched a "
        "pixel counts."
    )


def by_level(rows: Iterable[FrameRow]) -> dict[str, list[FrameRow]]:
    """Rows by level without the letter of a second real frame at the same stop ("N1b" is "N1"), darkest first."""
    levels: dict[str, list[FrameRow]] = {}
    for row in rows:
        levels.setdefault(row.level.rstrip(ascii_lowercase) or row.level, []).append(row)
    return dict(sorted(levels.items(), key=lambda item: float(np.mean([row.ev or 0.0 for row in item[1]]))))


def _kind_lines(rows: Sequence[FrameRow], firsts: Sequence[FrameRow]) -> Iterable[tuple[Any, ...]]:
    scenes, frames = Counter(row.kind for row in firsts), Counter(row.kind for row in rows)
    return [(kind, scenes[kind], frames[kind], KINDS.get(kind, "")) for kind in sorted(frames)]


def _level_lines(rows: Sequence[FrameRow]) -> Iterable[tuple[Any, ...]]:
    for level, group in by_level(rows).items():
        score, over, under = (
            float(np.mean([getattr(row, name) for row in group])) for name in ("score", "over", "under")
        )
        yield level, len(group), f"{score:.2f}", f"{over:.0%}", f"{under:.0%}"


def _split_lines(rows: Sequence[FrameRow]) -> Iterable[tuple[Any, ...]]:
    for column in ("split", *(f"split_{i}" for i in range(SEEDS))):
        scenes = {name: {row.scene_id for row in rows if getattr(row, column) == name} for name in NAMES}
        yield column, *(f"{len(scenes[name])} scenes" for name in NAMES)


def _limits(
    rows: Sequence[FrameRow], firsts: Sequence[FrameRow], failed: Sequence[Mapping[str, Any]], dropped: int
) -> list[str]:
    photos = sum(row.kind in ("photo", "still") for row in firsts)
    real = sum(row.kind == "bracket" for row in firsts)
    doubtful = float(np.mean([row.confidence_mean < 0.8 for row in rows])) if rows else 0.0
    lines = [
        f"* {photos} of {len(firsts)} scenes are simulated from single 8-bit frames: no light above their white.",
        f"* {real} of {len(firsts)} scenes are real brackets, with real noise, motion and camera tone curves.",
        f"* {doubtful:.0%} of the frames have a mean confidence below 0.8.",
        "* Fast motion is hardly represented: where frames disagree one decides the reference, and confidence is low.",
    ]
    if failed or dropped:
        lines.append(f"* {len(failed)} source scenes failed and {dropped} frames were dropped; `report.json` says why.")
    return lines


def _table(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    body = [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]
    return "\n".join([f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *body])


def _cell(value: Any) -> str:
    return " ".join(str(value).replace("|", "/").split())


def _slug(licence: str) -> str:
    known = {"CC0": "cc0-1.0", "CC BY 4.0": "cc-by-4.0", "Apache-2.0": "apache-2.0", "MIT": "mit"}
    return next((slug for start, slug in known.items() if licence.startswith(start)), "other")
