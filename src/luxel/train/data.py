"""Batches for the training loop and pictures for its validation, from a recipe."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from luxel.config import DataSection, Phase, Recipe
from luxel.dataset.samples import SampleRules, draw_sample
from luxel.dataset.scenes import SceneStore, Source, data_root, list_sources, render_store

PROCEDURAL_VALIDATION_SEED = 1_000_000


def open_stores(data: DataSection, cache: Path, progress: Any = None) -> tuple[SceneStore, SceneStore]:
    """Training and validation scenes of a recipe, rendered into `cache` if they are not there yet."""
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
    return stores[0], stores[1]


def phase_of(step: int, recipe: Recipe) -> Phase:
    """The phase a step belongs to; phases follow each other by their shares, the last takes what is left."""
    total = sum(phase.share for phase in recipe.train.phases)
    end = 0.0
    for phase in recipe.train.phases:
        end += phase.share / total * recipe.train.steps
        if step < round(end):
            return phase
    return recipe.train.phases[-1]


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Batch number `step` of a run, the same whenever and wherever it is asked for: that makes resuming exact.

    An item is image uint8 [B, 3, crop, crop] and residual float32 [B, 1, crop, crop].
    """

    def __init__(self, store: SceneStore, recipe: Recipe) -> None:
        self.store, self.recipe = store, recipe

    def __len__(self) -> int:
        return self.recipe.train.steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        phase, data = phase_of(step, self.recipe), self.recipe.data
        rules = SampleRules(crop=phase.crop, photo_share=data.photo_share, jpeg_share=data.jpeg_share)
        rng = np.random.default_rng((self.recipe.train.seed, step))
        samples = [draw_sample(self.store, rng, rules) for _ in range(phase.batch)]
        image = torch.from_numpy(np.stack([image for image, _ in samples])).permute(0, 3, 1, 2).contiguous()
        return image, torch.from_numpy(np.stack([residual for _, residual in samples])[:, None])


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def batches(store: SceneStore, recipe: Recipe, *, start: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches from step `start` to the end of the run, in order, made by the recipe's worker processes."""
    steps: Sequence[int] = range(start, recipe.train.steps)
    workers = recipe.data.workers
    return iter(
        DataLoader(
            Batches(store, recipe),
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_one_thread if workers else None,
        )
    )
