"""Recipes of enhancers: one recipe is one experiment, with a run for each weight of the exposure loss and each seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from luxel.errors import RecipeError
from luxel.jobs.records import read_json
from luxel.train.recipe import Section, recipe_table, validated


class RetinexformerSection(Section):
    """[retinexformer]: its size; the defaults are the published one for low light."""

    width: int = Field(default=40, ge=4, multiple_of=4)
    blocks: tuple[int, int, int] = Field(default=(1, 2, 2), description="attention blocks at strides 1, 2 and 4")


class NoiseSchedule(Section):
    """Steps of a diffusion and the variances that the first and the last add; those between lie on a line."""

    steps: int = Field(ge=2)
    first: float = Field(gt=0, lt=1)
    last: float = Field(gt=0, lt=1)


class GsadSection(Section):
    """[gsad]: its size, its two noise schedules and its two stages; the defaults are the published ones for LOL-v1."""

    width: int = Field(default=64, ge=8, multiple_of=2)
    multipliers: tuple[int, ...] = Field(default=(1, 1, 2, 2, 4), min_length=2)
    blocks: int = Field(default=2, ge=1)
    groups: int = Field(default=32, ge=1, description="of every group norm, a divisor of the width")
    noise: NoiseSchedule = NoiseSchedule(steps=500, first=1e-4, last=2e-2)
    sampling: NoiseSchedule = NoiseSchedule(steps=20, first=6e-4, last=0.88)
    uncertainty_steps: int = Field(
        default=1_000_000, ge=1, description="steps of the first stage, the same for all runs"
    )
    pixel_weight: float = Field(default=10.0, gt=0)
    structure_weight: float = Field(default=1.0, ge=0)
    clusters: int = Field(default=6, ge=1)
    patch: int = Field(default=8, ge=2)

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        if self.width % self.groups:
            raise ValueError(f"gsad.groups {self.groups} does not divide gsad.width {self.width}")
        return self


class PairsSection(Section):
    """[data]: the pairs and how batches are cut from them."""

    folder: str = Field(description="LOL-v1 or LOL-v2-real, in any layout of luxel.enhance.pairs")
    left_out: str = Field(default="", description="CSV whose first column names training images to leave out")
    scene_clean: bool = Field(default=False, description="leave out training images that show a test image's scene")
    crop: int = Field(default=128, ge=16, multiple_of=4)
    batch: int = Field(default=8, ge=1)
    turns: Literal["all", "mirror", "none"] = Field(
        default="all", description="the eight positions of a square, or two"
    )
    mixup: float = Field(default=0.0, ge=0, le=1, description="share of batches whose images are mixed in pairs")
    mixup_beta: float = Field(default=1.2, gt=0)


class Cycle(Section):
    """A stretch of training in which the learning rate goes from one value to another along half a cosine."""

    share: float = Field(gt=0, le=1, description="of all steps")
    first: float = Field(gt=0)
    last: float = Field(gt=0)


class EnhanceTrainSection(Section):
    """[train]: how long, how fast, from which seeds."""

    steps: int = Field(ge=1)
    cycles: tuple[Cycle, ...] = Field(min_length=1)
    clip_norm: float = Field(default=0.0, ge=0, description="largest norm of the gradients; 0 does not limit it")
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    threads: int = Field(default=0, ge=0, description="CPU threads; 0 leaves torch's default")


class ExposureSection(Section):
    """[exposure]: how much the exposure loss weighs, and from when."""

    multiples: tuple[float, ...] = Field(
        default=(0.0, 1.0), min_length=1, description="runs, by their multiple of the weight; 0 is the control"
    )
    weight: float = Field(default=0.0, ge=0, description="the weight; 0 takes it from the control by the rule")
    share: float = Field(default=0.1, gt=0, description="the rule: share of the control's last fidelity loss")
    begin: float = Field(default=0.1, ge=0, lt=1, description="share of the steps without the loss")
    full: float = Field(default=0.2, ge=0, le=1, description="share of the steps after which it has its whole weight")
    margin: float = Field(default=0.0, ge=0, lt=1)


class ExperimentSection(Section):
    """[output]: where the runs live."""

    folder: str
    checkpoint_every: int = Field(default=500, ge=1)
    log_every: int = Field(default=50, ge=1)


class EnhanceRecipe(Section):
    """A recipe of an enhancer: [retinexformer] or [gsad] chooses the method."""

    kind: Literal["enhance"]
    retinexformer: RetinexformerSection | None = None
    gsad: GsadSection | None = None
    data: PairsSection
    train: EnhanceTrainSection
    exposure: ExposureSection = ExposureSection()
    output: ExperimentSection

    @model_validator(mode="after")
    def _one_method(self) -> Self:
        if (self.retinexformer is None) == (self.gsad is None):
            raise ValueError("give one section of [retinexformer] and [gsad]")
        return self

    @property
    def method(self) -> Literal["retinexformer", "gsad"]:
        """Name of the method."""
        return "retinexformer" if self.retinexformer else "gsad"


@dataclass(frozen=True, slots=True)
class EnhanceRun:
    """One training of an experiment.

    stage: "uncertainty" is GSAD's first, which all of its runs of a seed begin from; "main" gives an enhancer.
    multiple: of the exposure loss's weight; 0 is the control.
    """

    seed: int
    multiple: float = 0.0
    stage: Literal["main", "uncertainty"] = "main"

    @property
    def arm(self) -> str:
        """What runs of different seeds share: "control", "exposure x1", "uncertainty"."""
        if self.stage == "uncertainty":
            return "uncertainty"
        return f"exposure x{self.multiple:.3g}" if self.multiple else "control"

    @property
    def name(self) -> str:
        """Name of its folder, such as exposure-x1.seed0."""
        return f"{self.arm.replace(' ', '-')}.seed{self.seed}"


def plan(recipe: EnhanceRecipe) -> list[EnhanceRun]:
    """The runs of an experiment, each after those that it needs."""
    seeds = recipe.train.seeds
    first = [EnhanceRun(seed, stage="uncertainty") for seed in seeds] if recipe.gsad else []
    multiples = sorted(recipe.exposure.multiples, key=lambda multiple: multiple != 0)
    return first + [EnhanceRun(seed, multiple) for multiple in multiples for seed in seeds]


def load_enhance_recipe(path: Path, overrides: list[str] | None = None) -> EnhanceRecipe:
    """The recipe in a TOML file, with `section.key=value` overrides applied. Raises RecipeError."""
    raw = recipe_table(path, overrides)
    if raw.get("kind") != "enhance":
        raise RecipeError(f'{path}: not a recipe for an enhancer; it must begin with kind = "enhance"')
    return validated(path, raw, EnhanceRecipe)


def stored_recipe(folder: Path) -> EnhanceRecipe:
    """The recipe that `luxel enhance train` stored in the folder of an experiment. Raises RecipeError."""
    path = folder / "recipe.json"
    if not path.is_file():
        raise RecipeError(f"{folder}: has no recipe.json; give the output.folder of luxel enhance train")
    return validated(path, read_json(path, kind=RecipeError), EnhanceRecipe)


FREE = ("data.folder", "data.left_out", "train.seeds", "train.threads", "exposure.multiples", "output")
"""Keys that may change when an experiment is resumed: they do not change what any one run learns."""


def changed_keys(one: EnhanceRecipe, other: EnhanceRecipe, free: Sequence[str] = FREE) -> list[str]:
    """Keys, with dots, in which two recipes differ, but for those that are free."""
    before, after = _flat(one.model_dump()), _flat(other.model_dump())
    changed = [key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
    return [key for key in changed if not any(key == name or key.startswith(f"{name}.") for name in free)]


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
