"""Recipes: TOML files read into typed models. An unknown key is an error with a suggestion.

`--set train.steps=100` is the only override: a dotted key and a TOML value.
"""

import difflib
import tomllib
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from luxel.errors import RecipeError
from luxel.jobs.records import read_json, read_toml


class Section(BaseModel):
    """A recipe section: unknown keys are rejected, values cannot change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(Section):
    """[model]: the network (DESIGN choices of `luxel.model.network.build`) and where its weights start."""

    wavelet: str = "haar"
    without: Literal["none", "dwt", "structure", "lightness"] = "none"
    channels: int = Field(default=4, ge=1)
    structure_widths: tuple[int, ...] = (16, 32, 64)
    lightness_widths: tuple[int, ...] = (16, 32, 80, 224)
    prediction_width: int = Field(default=16, ge=1)
    start: str = Field(default="random", description='"random", "shipped", or a file: .onnx, .safetensors')


class DataSection(Section):
    """[data]: where scenes come from and how they become samples."""

    source: Literal["folder", "procedural"] = "folder"
    scenes: int = Field(default=24, ge=4, description="procedural only: number of scenes")
    built: tuple[str, ...] = Field(default=(), description="folders of built datasets, in either layout")
    built_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        validate_default=True,
        description="share of samples from built datasets; at 1 no scene is rendered, and validation is theirs too",
    )
    implied: str = Field(
        default="", description="the authors' released checkpoint (*.pth): references follow what it implies of them"
    )
    implied_scenes: int = Field(default=0, ge=0, description="scenes with an implied reference; 0 for every one")
    implied_evs: tuple[float, ...] = Field(
        default=(-3.0, 0.0, 3.0), min_length=1, description="exposures behind each implied reference, in stops"
    )
    views: int = Field(default=16, ge=1, description="views per panorama for training")
    validation_views: int = Field(default=8, ge=1, description="views per panorama for validation")
    short_side: int = Field(default=256, ge=64)
    photo_share: float = Field(default=0.5, ge=0, le=1)
    jpeg_share: float = Field(default=0.4, ge=0, le=1)
    max_ev: float = Field(default=4.5, gt=0, description="simulated exposures lie within this many stops")
    noise: bool = Field(default=True, description="whether simulated exposures have sensor noise")
    contrast: float = Field(default=0.12, ge=0, description="spread of the simulated cameras' tone curves")
    seed: int = 0
    workers: int = Field(default=1, ge=0, description="sample-making processes; 0 makes them in the training process")
    render_jobs: int = Field(default=2, ge=1)

    @field_validator("built_share")
    @classmethod
    def _share_needs_datasets(cls, share: float, info: ValidationInfo) -> float:
        if (share > 0) != bool(info.data.get("built")):
            raise ValueError("data.built names the datasets, data.built_share is above 0: give both or neither")
        return share


class Phase(Section):
    """A stretch of training with one crop and batch size; `share` of all steps.

    crop: side of square windows, or "whole": pictures as they are, a batch of one size.
    """

    share: float = Field(gt=0, le=1)
    crop: Annotated[int, Field(ge=32, multiple_of=32)] | Literal["whole"]
    batch: int = Field(ge=1)


class TrainSection(Section):
    """[train]: how the network learns."""

    steps: int = Field(ge=1)
    phases: tuple[Phase, ...] = Field(min_length=1)
    optimizer: Literal["adam", "adamw", "muon"] = Field(
        default="adamw", description="muon: Muon for the larger convolutions, AdamW for the rest"
    )
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: int = Field(default=200, ge=0, description="steps of linear warm-up")
    decay_every: int = Field(default=0, ge=0, description="step schedule: steps between decays")
    decay: float = Field(default=0.1, gt=0, le=1)
    loss: Literal["l1", "l2", "smooth_l1"] = "l1"
    gradient_weight: float = Field(
        default=0.0, ge=0, description="weight of the L1 loss on the map's first differences"
    )
    ssim_weight: float = Field(default=0.0, ge=0, description="weight of one minus the mean SSIM of the maps")
    clip_norm: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    precision: Literal["auto", "32", "bf16"] = "auto"
    compile: bool = Field(default=False, description="torch.compile: faster steps after a minute; needs a C++ compiler")
    seed: int = 0
    threads: int = Field(default=0, ge=0, description="CPU threads; 0 leaves torch's default")


class ValidateSection(Section):
    """[validate]: how often the averaged weights are measured, and when to stop."""

    every: int = Field(default=1000, ge=1)
    pictures: int = Field(default=142, ge=1, description="pictures in the running check; the final table uses all")
    early_stop_after: int = Field(
        default=0, ge=0, description="checks without improvement before stopping; 0 never stops early"
    )


class OutputSection(Section):
    """[output]: where the run lives."""

    folder: str = "runs/pieanet"
    checkpoint_every: int = Field(default=500, ge=1)
    log_every: int = Field(default=50, ge=1)


class Recipe(Section):
    """A training recipe."""

    model: ModelSection = ModelSection()
    data: DataSection = DataSection()
    train: TrainSection
    validate_: ValidateSection = Field(default=ValidateSection(), alias="validate")
    output: OutputSection = OutputSection()


class ScoresSection(Section):
    """[data] of a holistic recipe: people's scores and the pictures they belong to."""

    table: str = Field(description="CSV: image, score; or img_id, score, ref_id; or SPAQ's Image name, Exposure")
    pictures: str = Field(description="folder of the pictures")
    weights: str = Field(default="", description="ONNX weights of the network; empty for the shipped ones")


class HeadSection(Section):
    """[train] of a holistic recipe."""

    steps: int = Field(default=600, ge=1)
    lr: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-3, ge=0)
    hidden: int = Field(default=32, ge=1)
    splits: int = Field(default=5, ge=1, description="random splits, seeds 0, 1, ...")
    share: float = Field(default=0.8, gt=0, lt=1, description="share of the scenes trained on")


class HolisticRecipe(Section):
    """A recipe for the holistic score with fine-tuning (paper 5.2)."""

    kind: Literal["holistic"]
    data: ScoresSection
    train: HeadSection = HeadSection()
    output: OutputSection = OutputSection(folder="runs/holistic")


AnyRecipe = TypeVar("AnyRecipe", bound=Section)


def load_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """The network's recipe in a TOML file, with `section.key=value` overrides applied.

    Raises RecipeError for a missing file, bad TOML, an unknown key (with the nearest known one) or a wrong value.
    """
    recipe = load_any_recipe(path, overrides)
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{path}: a recipe for the holistic score; this needs one for the network")
    return recipe


def load_any_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe | HolisticRecipe:
    """As `load_recipe`, for a recipe of either kind: `kind = "holistic"` at its top makes it one for the score."""
    path = Path(path)
    raw = recipe_table(path, overrides)
    if raw.get("kind") == "enhance":
        raise RecipeError(f"{path}: a recipe for an enhancer; train it with luxel enhance train {path}")
    return validated(path, raw, HolisticRecipe) if raw.get("kind") == "holistic" else validated(path, raw, Recipe)


def recipe_table(path: Path, overrides: list[str] | None = None) -> dict[str, Any]:
    """A recipe of any kind as plain values, overrides applied, before it is validated. Raises RecipeError."""
    if not path.is_file():
        raise RecipeError(f"{path}: no such recipe; those that come with luxel are in recipes/")
    raw = read_toml(path, kind=RecipeError)
    for override in overrides or []:
        _override(raw, override)
    return raw


def load_run_recipe(run: Path) -> Recipe:
    """The recipe that `luxel train` stored in the folder of a run.

    Raises RecipeError if it is missing, damaged, or has keys that this version does not know.
    """
    path = run / "recipe.json"
    return validated(path, read_json(path, kind=RecipeError), Recipe)


def validated(path: Path, raw: dict[str, Any], kind: type[AnyRecipe]) -> AnyRecipe:
    """A recipe of one kind from plain values. path: for the message. Raises RecipeError naming the first bad key."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise RecipeError(f"{path}: {_explain(error, kind)}") from None


def _override(raw: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (separator and dot and section and name):
        raise RecipeError(f"--set {override}: write section.key=value, for example --set train.lr=1e-4")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        parsed = value  # a bare word is a string
    values = raw.setdefault(section, {})
    if not isinstance(values, dict):
        raise RecipeError(f"--set {override}: {section} is not a section of this recipe")
    values[name] = parsed


def _explain(error: ValidationError, recipe: type[BaseModel]) -> str:
    """The first problem of a recipe in one line."""
    problem = error.errors()[0]
    *parents, key = [str(part) for part in problem["loc"]] or ["recipe"]  # a rule over all sections has no place
    where = ".".join([*parents, key])
    if problem["type"] == "extra_forbidden":
        known = _known_keys(parents, recipe)
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f"unknown key {where!r}; {hint}"
    return f"{where}: {problem['msg'].lower()} (got {problem['input']!r})"


def _known_keys(parents: list[str], recipe: type[BaseModel]) -> list[str]:
    model = recipe
    for parent in parents:
        if parent.isdigit():
            continue
        field = next((f for n, f in model.model_fields.items() if parent in (n, f.alias)), None)
        if field is None:
            return []
        inside = (field.annotation, *typing.get_args(field.annotation))  # a section, or an optional one or a list of it
        sections = [kind for kind in inside if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not sections:
            return []
        model = sections[0]
    return [field.alias or name for name, field in model.model_fields.items()]
