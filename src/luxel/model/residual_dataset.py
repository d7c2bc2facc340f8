"""Images with their residual maps for a torch `DataLoader`."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset, get_worker_info

from luxel.assessment.assessor import Assessor
from luxel.errors import ImageError
from luxel.photometry import as_unit_float


class ResidualDataset(Dataset[dict[str, Any]]):
    """Image files, each with its residual map, at two to four times the working size at most.

    Item: "image" [3, h, w] float32, sRGB-encoded, in [0, 1]; "residual" [1, h, w] float32 in [-1, 1], r > 0
    underexposed; "score" in [0, 10]; "over", "under" in [0, 1]; "path". A file that cannot be read has "path" and
    "error" only. It pickles, and each worker of a `DataLoader` loads the weights once, for one thread.

    paths: of image files.
    assessor: whose options hold; None for `Assessor()`.

    >>> import tempfile
    >>> import numpy as np
    >>> from luxel import images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     images.write(f"{folder}/a.png", np.full((64, 96, 3), 20, np.uint8))
    ...     item = ResidualDataset([f"{folder}/a.png"])[0]
    >>> item["image"].shape, item["residual"].shape, item["under"] > 0.9
    (torch.Size([3, 64, 96]), torch.Size([1, 64, 96]), True)
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], *, assessor: Assessor | None = None) -> None:
        self.paths = [os.fspath(path) for path in paths]
        self._options = {} if assessor is None else assessor.options
        self._assessor: Assessor | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> dict[str, Any]:
        path = self.paths[number]
        if self._assessor is None:  # not before: an inference engine does not survive the fork of a worker
            own = {} if get_worker_info() is None else {"threads": 1}
            self._assessor = Assessor(**self._options | own)
        try:
            found = self._assessor.assess(path, full_size=False)
        except ImageError as error:
            return {"path": path, "error": str(error)}
        image = torch.from_numpy(as_unit_float(found.image)).permute(2, 0, 1).contiguous()
        figures = {"score": found.score, "over": found.over, "under": found.under}
        return {"image": image, "residual": torch.from_numpy(found.residual)[None], **figures, "path": path}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_assessor": None}


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A batch of items of `ResidualDataset`: "image" [B, 3, H, W], "residual" and "mask" [B, 1, H, W], and more.

    H and W are the largest of the batch; what an image lacks, right and below, is 0 in image, residual and mask, and
    the mask is 1 elsewhere. "score", "over", "under" are [B], "path" a list. Items with an error are left out; "errors"
    has (path, reason) of each. A batch of nothing else has no tensors.

    items: of one batch.

    >>> item = {"score": 8.0, "over": 0.0, "under": 0.0, "path": "a.jpg"}
    >>> sizes = [(4, 6), (6, 4)]
    >>> batch = collate([item | {"image": torch.ones(3, *s), "residual": torch.ones(1, *s)} for s in sizes])
    >>> batch["image"].shape, int(batch["mask"].sum())
    (torch.Size([2, 3, 6, 6]), 48)
    """
    whole = [item for item in items if "error" not in item]
    batch: dict[str, Any] = {
        "path": [item["path"] for item in whole],
        "errors": [(item["path"], item["error"]) for item in items if "error" in item],
    }
    if not whole:
        return batch
    height, width = (max(item["image"].shape[side] for item in whole) for side in (1, 2))
    batch["image"] = torch.stack([_padded(item["image"], height, width) for item in whole])
    batch["residual"] = torch.stack([_padded(item["residual"], height, width) for item in whole])
    masks = [_padded(torch.ones_like(item["residual"]), height, width) for item in whole]
    batch["mask"] = torch.stack(masks)
    return batch | {key: torch.tensor([item[key] for item in whole]) for key in ("score", "over", "under")}


def _padded(image: Tensor, height: int, width: int) -> Tensor:
    return F.pad(image, (0, width - image.shape[2], 0, height - image.shape[1]))
