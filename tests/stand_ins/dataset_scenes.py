"""Small scenes for tests of the dataset builder: sources that are text files, prepared without any picture library.

A source file holds a seed. Words in its name make trouble: "broken" fails as a damaged picture does, "bug" as a mistake
of ours, "crash" takes its process along, "slow" takes a moment, "stuck" a minute.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from luxel.dataset.prepare import PreparedScene
from luxel.dataset.reference.bracket import LEVELS, frame
from luxel.dataset.reference.reference import ZoneRules, preliminary_of_light
from luxel.dataset.reference.zone_decisions import pull_decisions
from luxel.dataset.sources.scan import FrameSource, SceneSource
from luxel.errors import ImageError
from luxel.samples.procedural import procedural_scene


def write_source(folder: Path, name: str, seed: int, **more: Any) -> SceneSource:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.hdr"
    if not file.exists() or file.read_text() != str(seed):
        file.write_text(str(seed))
    facts: dict[str, Any] = {
        "scene_id": name,
        "group": name.partition("@")[0],
        "kind": "hdr",
        "frames": (FrameSource(file=file, format="HDR", width=72, height=48),),
        "tags": {"scene": "", "light": "", "tone": "dark"},
        "metadata": {"device": "Test camera", "licence": "CC0-1.0", "source": file.name},
    }
    return SceneSource(**{**facts, **more})


def prepare(source: SceneSource, *, short_side: int, max_megapixels: float, rules: ZoneRules) -> PreparedScene:
    file = source.frames[0].file
    if "broken" in file.name:
        raise ImageError(f"{file}: truncated HDR: it ends in line 3; copy or export the file again")
    if "bug" in file.name:
        raise ZeroDivisionError("a mistake of ours")
    if "crash" in file.name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "slow" in file.name:
        time.sleep(0.4)
    if "stuck" in file.name:
        time.sleep(60)
    light = procedural_scene(np.random.default_rng(int(file.read_text())), height=short_side, width=short_side * 3 // 2)
    levels = ["N2", "P0", "P2"]
    evs = [float(LEVELS[level]) for level in levels]
    preliminary = preliminary_of_light(light, rules)
    decisions = pull_decisions(preliminary, rules)
    moving = np.zeros(light.shape[:2], dtype=bool)
    moving[:2, :2] = True
    return PreparedScene(
        scene_id=source.scene_id,
        kind=source.kind,
        frames=[frame(light, ev) for ev in evs],
        evs=evs,
        levels=levels,
        linear=light,
        preliminary=preliminary,
        decisions=decisions,
        moving=moving,
        dropped=[("frame_09.jpg", "SSIM 0.21 is below 0.5")] if "dropped" in source.scene_id else [],
        metadata={**source.metadata, "frames": [{"exposure_s": 2.0**ev / 60, "iso": 100} for ev in evs]},
    )
