"""Suggestions for tags, as a CSV that a person corrects and gives back with --tags (paper 4.1, Fig. 6).

Scene and light come from a CLIP checkpoint that the user names (extra `tags`; Radford et al. 2021, zero-shot). luxel
includes none. Tone needs no network: the paper names dark, clear and neutral tones without defining them; here the
median lightness of the picture decides, by the thresholds below, which are ours, and how little light the camera had: a
long exposure turns a night bright, and stays one of a night.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.dataset.align.tones import tones
from luxel.dataset.develop import develop_frame, develop_light, shrink_encoded
from luxel.dataset.reference.bracket import frame
from luxel.dataset.sources.nominal import exposure_stops
from luxel.dataset.sources.scan import FrameSource, SceneSource
from luxel.dataset.sources.taxonomy import AXES, Taxonomy
from luxel.errors import DatasetError, LuxelError, MissingExtraError
from luxel.jobs.atomic import write_file
from luxel.photometry import MID_GREY, FloatArray, as_unit_float, lightness, luminance, to_linear
from luxel.text import csv_cell

DARK_BELOW, CLEAR_ABOVE = 0.33, 0.6
"""Median lightness under which a picture is dark and over which it is clear; between them it is neutral. Mid-grey is
0.46, Adams' zone III 0.23, zone VII 0.78."""

DIM_BELOW = 3.0
"""Light value (exposure value at ISO 100 that a meter gives) under which a scene is dark however it was exposed: a lit
skyline at night has about 2, floodlit buildings 3 to 5, a room in the evening 5 to 7, overcast day 12."""

PROMPTS: Mapping[str, tuple[str, ...]] = {
    "scene": ("a photo of {name}.", "a photo of {name}, {top}.", "{name}."),
    "light": ("a photo in {name} light.", "a photo lit by {name}.", "{name} lighting."),
}
"""What the network compares a picture with, for every name of an axis; {top} is the super-class."""

COLUMNS = ("name", *AXES, "scene_probability", "light_probability", "suggested_by")
_SIDE = 336
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Suggested tags of a scene; "" and None where nothing is suggested.

    name: of the scene, as `--tags` takes it. *_probability: share that the network gives to its suggestion among all
    names of that axis. suggested_by: who. failed: why the scene's picture cannot be used.
    """

    name: str
    scene: str = ""
    light: str = ""
    tone: str = ""
    scene_probability: float | None = None
    light_probability: float | None = None
    suggested_by: str = ""
    failed: str = ""


class Tagger:
    """A loaded CLIP checkpoint and the names of a taxonomy; call it with a picture.

    checkpoint: a folder that `save_pretrained` wrote, or a name on the model hub, which must be in transformers' cache
    unless `download` allows fetching it. Raises MissingExtraError without transformers; DatasetError where there is no
    such checkpoint or it is not CLIP.
    """

    def __init__(self, checkpoint: str | Path, taxonomy: Taxonomy, *, download: bool = False) -> None:
        try:
            from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel
        except ImportError as error:
            raise MissingExtraError("tag suggestions for scene and light", "tags") from error
        self.checkpoint = str(checkpoint)
        if not Path(checkpoint).is_dir() and not _HUB_NAME.match(self.checkpoint):
            raise DatasetError(f"{checkpoint}: no such folder; give one that holds a CLIP checkpoint of transformers")
        where = {"local_files_only": not download}
        try:
            # The plain Pillow preparation: the other one needs torchvision, which must match torch exactly.
            self._prepare: Any = AutoImageProcessor.from_pretrained(self.checkpoint, backend="pil", **where)
            tokenizer: Any = AutoTokenizer.from_pretrained(self.checkpoint, **where)
            self._network: Any = CLIPModel.from_pretrained(self.checkpoint, **where).requires_grad_(False).eval()
            self._names = {axis: taxonomy.names(axis) for axis in PROMPTS}
            self._texts = {
                axis: np.stack([self._embed(tokenizer, prompts(axis, name, taxonomy)) for name in names])
                for axis, names in self._names.items()
            }
        except Exception as error:  # Only their code is inside, and it raises all kinds on a bad checkpoint.
            reason = " ".join(str(error).split())[:200]
            remedy = "" if download else "; a name that is not in the cache yet needs --download"
            raise DatasetError(f"{checkpoint}: cannot be loaded as CLIP by transformers: {reason}{remedy}") from error

    def __call__(self, image: npt.NDArray[np.uint8]) -> dict[str, dict[str, float]]:
        """Probability of every name of the axes "scene" and "light"; each axis sums to 1.

        image: uint8 [H, W, 3], sRGB-encoded.
        """
        inputs = self._prepare(images=image, return_tensors="pt", input_data_format="channels_last")
        image = _unit(self._network.get_image_features(**inputs).pooler_output.numpy())[0]
        scale = float(self._network.logit_scale.exp())
        return {
            axis: dict(zip(self._names[axis], map(float, _softmax(scale * texts @ image)), strict=True))
            for axis, texts in self._texts.items()
        }

    def _embed(self, tokenizer: Any, texts: Sequence[str]) -> FloatArray:
        """The mean direction of several prompts (Radford et al. 2021, 3.1.4)."""
        longest = int(self._network.config.text_config.max_position_embeddings)
        inputs = tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        features = self._network.get_text_features(**inputs).pooler_output.numpy()
        return _unit(_unit(features).mean(axis=0))


def prompts(axis: str, name: str, taxonomy: Taxonomy) -> list[str]:
    """The prompts of a name, in plain words."""
    top = taxonomy.super_class(name)
    return [prompt.format(name=name.replace("_", " "), top=top) for prompt in PROMPTS[axis]]


@dataclass(frozen=True, slots=True, eq=False)
class ScenePicture:
    """What a scene is judged by.

    pixels: uint8 [H, W, 3], sRGB-encoded, short side 336 or less. median: of lightness, that of the picture, or that of
    the middle of its bracket where this is darker. light: light value of the scene, None where time, f-number or ISO is
    not known.
    """

    pixels: npt.NDArray[np.uint8]
    median: float
    light: float | None = None

    @property
    def tone(self) -> str:
        """ "dark", "neutral" or "clear"."""
        if self.light is not None and self.light < DIM_BELOW:
            return "dark"
        return "dark" if self.median < DARK_BELOW else "clear" if self.median > CLEAR_ABOVE else "neutral"


def scene_picture(source: SceneSource, *, max_megapixels: float = 200.0) -> ScenePicture:
    """The picture that shows what a scene is: the best exposed frame of a bracket, any other light at EV 0.

    The best exposed frame of a night is the longest exposure, so the middle of the bracket, which is where the
    photographer placed it, has a say in the tone. Raises ImageError or DatasetError.
    """
    if source.kind != "bracket":
        pixels = frame(develop_light(source, short_side=_SIDE, max_megapixels=max_megapixels).linear, 0)
        return ScenePicture(pixels, float(np.median(lightness(pixels))), _light_value(source.frames[0], pixels))
    frames = [shrink_encoded(develop_frame(f, max_megapixels=max_megapixels), _SIDE) for f in source.frames]

    def well_exposed(index: int) -> float:
        shown = tones(frames[index])
        return float(np.mean(shown.seen & (shown.lightness > 0.1) & (shown.lightness < 0.9)))

    best = max(range(len(frames)), key=well_exposed)
    medians = [float(np.median(lightness(f))) for f in frames]
    middle = float(np.median(medians)) if len(medians) > 2 else medians[best]
    return ScenePicture(frames[best], min(medians[best], middle), _light_value(source.frames[best], frames[best]))


def _light_value(facts: FrameSource, pixels: npt.NDArray[np.uint8]) -> float | None:
    """Exposure value at ISO 100 that would have rendered the picture's median as mid-grey.

    Source: EXIF 2.32, annex C (APEX): EV = log2(f-number^2 / time), less log2(ISO / 100).
    """
    if facts.exposure_s is None or facts.f_number is None or facts.iso is None:
        return None
    median = float(np.median(luminance(to_linear(as_unit_float(pixels)))))
    return math.log2(max(median, 1e-4) / MID_GREY) - exposure_stops(facts.exposure_s, facts.f_number, facts.iso)


def suggest(
    sources: Iterable[SceneSource], tagger: Tagger | None = None, *, max_megapixels: float = 200.0
) -> Iterator[Suggestion]:
    """A suggestion for every scene. Tags that a scene has already are kept as they are.

    tagger: for scene and light; without one only the tone is suggested. A picture that cannot be used gives a row that
    says why.
    """
    network = Path(tagger.checkpoint).name if tagger else ""
    for source in sources:
        try:
            picture = scene_picture(source, max_megapixels=max_megapixels)
        except LuxelError as error:
            yield Suggestion(name=source.scene_id, failed=str(error))
            continue
        given = {axis: name for axis in AXES if (name := source.tags.get(axis, ""))}
        found: dict[str, Any] = {"tone": picture.tone}
        by = ["tone: lightness and light"] if "tone" not in given else []
        for axis, shares in (tagger(picture.pixels) if tagger else {}).items():
            if axis not in given:
                found[axis] = max(shares, key=lambda name: shares[name])
                found[f"{axis}_probability"] = shares[found[axis]]
                by.append(f"{axis}: {network}")
        yield Suggestion(name=source.scene_id, suggested_by="; ".join(by), **{**found, **given})


def write_suggestions(path: Path, suggestions: Iterable[Suggestion]) -> int:
    """Writes suggestions as a CSV that `taxonomy.read_tags` reads; returns the number of rows.

    Scenes whose picture cannot be used are left out. Raises DatasetError if the file already exists, for it may hold
    a person's corrections, or cannot be written.
    """
    if path.exists():
        raise DatasetError(f"{path}: already exists and may hold corrections; give another name")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    count = 0
    for row in suggestions:
        if not row.failed:
            shares = ("" if p is None else f"{p:.3f}" for p in (row.scene_probability, row.light_probability))
            table.writerow([csv_cell(row.name), row.scene, row.light, row.tone, *shares, csv_cell(row.suggested_by)])
            count += 1
    write_file(path, text.getvalue().encode(), sync=True, error=DatasetError)
    return count


def _unit(vectors: npt.NDArray[np.floating]) -> FloatArray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)


def _softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    shares = np.exp(logits.astype(np.float64) - float(logits.max()))
    return np.asarray(shares / shares.sum())
