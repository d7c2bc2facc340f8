"""Batches for the training loop and pictures for its validation, from a recipe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from luxel.errors import DatasetError
from luxel.model.released import load_released
from luxel.photometry import FloatArray
from luxel.samples.built import BuiltStore, draw_built_samples, open_built
from luxel.samples.draw import WHOLE_MULTIPLE, SampleRules, draw_samples, smallest_side
from luxel.samples.implied import implied_scenes
from luxel.samples.scenes import SceneStore, Source, data_root, list_sources, render_store
from luxel.samples.simulate import CameraRules
from luxel.train.recipe import DataSection, Phase, Recipe

PROCEDURAL_VALIDATION_SEED = 1_000_000


Batch = tuple[Tensor, Tensor, Tensor | None]
"""Image uint8 [B, 3, h, w], residual float32 [B, 1, h, w], and its confidence float32 [B, 1, h, w],
None where every pixel counts alike."""


Sample = tuple[npt.NDArray[np.uint8], FloatArray, FloatArray]
"""Image [h, w, 3], residual [h, w] and confidence [h, w] of one sample."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What samples are drawn from: simulated scenes, frames of built datasets, or both."""

    scenes: SceneStore | None
    built: BuiltStore | None


def open_stores(data: DataSection, cache: Path, progress: Any = None) -> tuple[TrainingData, SceneStore | BuiltStore]:
    """Training data and validation pictures of a recipe, made in `cache` if they are not there yet.

    With data.built_share = 1 both come from the built datasets, by the splits in their manifests. Below 1 the
    validation scenes are the simulated ones, and built scenes made from one of their source files are not trained on.
    """
    if data.built_share == 1:
        train, validation = (_open_built(data, cache, split, (), progress) for split in ("train", "val"))
        return TrainingData(None, train), validation
    scenes, validation_scenes, held_out = _open_scenes(data, cache, progress)
    built = _open_built(data, cache, "train", held_out, progress) if data.built else None
    return TrainingData(scenes, built), validation_scenes


def _open_built(data: DataSection, cache: Path, split: str, leave_out: Sequence[str], progress: Any) -> BuiltStore:
    folders = [Path(folder) for folder in data.built]
    return open_built(cache, folders, split, short_side=data.short_side, leave_out=leave_out, progress=progress)


def _open_scenes(data: DataSection, cache: Path, progress: Any) -> tuple[SceneStore, SceneStore, list[str]]:
    """Training scenes, validation scenes, and the names of the validation scenes' source files."""
    if data.source == "procedural":
        root = Path()
        train = [Source("procedural", "", data.seed + i) for i in range(data.scenes)]
        validation = [Source("procedural", "", PROCEDURAL_VALIDATION_SEED + i) for i in range(max(2, data.scenes // 4))]
    else:
        root = data_root()
        train = list_sources(root, "train", views=data.views, seed=data.seed)
        # Validation views never depend on the recipe's seed: everyone measures on the same pictures.
        validation = list_sources(root, "val", views=data.validation_views, seed=0)
    stores = [
        render_store(cache, sources, root, short_side=data.short_side, jobs=data.render_jobs, progress=progress)
        for sources in (train, validation)
    ]
    training = _implied(stores[0], data, cache, progress) if data.implied else stores[0]
    return training, stores[1], sorted({Path(source.file).stem for source in validation if source.file})


def _implied(store: SceneStore, data: DataSection, cache: Path, progress: Any) -> SceneStore:
    """The scenes with what the released checkpoint implies as their target; validation keeps the rule's references."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return implied_scenes(
        store,
        load_released(data.implied, device=device).predict_alone,
        cache / "implied",
        count=data.implied_scenes,
        evs=data.implied_evs,
        progress=progress,
    )


def phase_of(step: int, recipe: Recipe) -> Phase:
    """The phase a step belongs to; phases follow each other by their shares, the last takes what is left."""
    total = sum(phase.share for phase in recipe.train.phases)
    end = 0.0
    for phase in recipe.train.phases:
        end += phase.share / total * recipe.train.steps
        if step < round(end):
            return phase
    return recipe.train.phases[-1]


class Batches(Dataset[Batch]):
    """Batch number `step` of a run, the same whenever and wherever it is asked for: that makes resuming exact."""

    def __init__(self, training_data: TrainingData, recipe: Recipe) -> None:
        self.data, self.recipe = training_data, recipe
        crop = max(WHOLE_MULTIPLE if phase.crop == "whole" else phase.crop for phase in recipe.train.phases)
        for what, store in (("scene", training_data.scenes), ("frame of data.built", training_data.built)):
            if store and smallest_side(store) < crop:
                raise DatasetError(
                    f"train.phases cuts windows of {crop} pixels, the smallest {what} has a side of "
                    f"{smallest_side(store)} pixels; give smaller crops, or a larger data.short_side"
                )

    def __len__(self) -> int:
        return self.recipe.train.steps

    def __getitem__(self, step: int) -> Batch:
        phase, data = phase_of(step, self.recipe), self.recipe.data
        camera = CameraRules(max_ev=data.max_ev, noise=data.noise, contrast=data.contrast, jpeg_share=data.jpeg_share)
        rules = SampleRules(crop=phase.crop, photo_share=data.photo_share, camera=camera)
        rng = np.random.default_rng((self.recipe.train.seed, step))
        samples = self._samples(rng, rules, phase.batch)
        images, residuals, confidences = (np.stack(parts) for parts in zip(*samples, strict=True))
        image = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        confidence = torch.from_numpy(confidences)[:, None] if self.data.built else None
        return image, torch.from_numpy(residuals)[:, None], confidence

    def _samples(self, rng: np.random.Generator, rules: SampleRules, count: int) -> list[Sample]:
        """Samples of one size, from the sources in their shares; what is simulated is certain."""
        scenes, built = self.data.scenes, self.data.built
        share = self.recipe.data.built_share
        if built is None or scenes is None:
            from_built = count if built else 0
        elif rules.crop == "whole":  # pictures of both sources seldom have the same size
            from_built = count if rng.random() < share else 0
        else:
            from_built = int(rng.binomial(count, share))
        samples: list[Sample] = []
        if built and from_built:
            frames = draw_built_samples(built, rng, rules, from_built)
            samples += [(frame.image, frame.residual, frame.confidence) for frame in frames]
        if scenes and from_built < count:
            drawn = draw_samples(scenes, rng, rules, count - from_built)
            samples += [(image, residual, np.ones_like(residual)) for image, residual in drawn]
        return samples


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def batches(training_data: TrainingData, recipe: Recipe, *, start: int) -> Iterator[Batch]:
    """Batches from step `start` to the end of the run, in order, made by the recipe's worker processes."""
    steps: Sequence[int] = range(start, recipe.train.steps)
    workers = recipe.data.workers
    return iter(
        DataLoader(
            Batches(training_data, recipe),
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_one_thread if workers else None,
        )
    )
