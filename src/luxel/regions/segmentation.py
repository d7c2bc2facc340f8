"""Regions from a semantic segmentation network: any transformers checkpoint the user names (extra `segment`).

luxel includes no such network and recommends none: which classes there are, and under which licence, is the
checkpoint's. torch and transformers are imported when a checkpoint is loaded.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.draw.heatmap import as_bytes, fit
from luxel.errors import MissingExtraError, RegionsError
from luxel.regions.regions import LabelRegions, fit_labels

LONG_SIDE = 1024
"""Long side in pixels at which pictures are segmented; the network's own preparation may reduce them further."""

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?\Z")


class Segmenter:
    """A loaded checkpoint; call it with a picture.

    checkpoint: a folder that `save_pretrained` wrote, or a name on the model hub, which transformers then downloads or
    takes from its cache. Raises MissingExtraError without transformers and torch; RegionsError where there is no such
    checkpoint or it is none for semantic segmentation.
    """

    def __init__(self, checkpoint: str | Path) -> None:
        try:
            import torch
            from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation
        except ImportError as error:
            raise MissingExtraError("semantic segmentation", "segment") from error
        self.checkpoint = str(checkpoint)
        if not Path(checkpoint).is_dir() and not _HUB_NAME.match(self.checkpoint):
            raise RegionsError(f"{checkpoint}: no such folder; give one that holds a transformers checkpoint")
        try:
            # The plain Pillow preparation: the other one needs torchvision, which must match torch exactly.
            self._prepare: Any = AutoImageProcessor.from_pretrained(self.checkpoint, backend="pil")
            self._network: Any = AutoModelForSemanticSegmentation.from_pretrained(self.checkpoint).eval()
        except Exception as error:  # Only their code is inside, and it raises all kinds on a bad checkpoint.
            reason = " ".join(str(error).split())[:200]
            raise RegionsError(
                f"{checkpoint}: cannot be loaded for semantic segmentation by transformers: {reason}"
            ) from error
        self._no_gradients = torch.inference_mode
        self.names: dict[int, str] = {int(label): str(name) for label, name in self._network.config.id2label.items()}

    def __call__(self, image: npt.NDArray[Any]) -> LabelRegions:
        """Regions of a picture, one per class of the checkpoint, at the picture's own size.

        image: [H, W, 3] sRGB-encoded, uint8, uint16 or float in [0, 1]. Every pixel belongs to one class; classes that
        do not occur are regions without pixels.
        """
        small = as_bytes(fit(image, LONG_SIDE))
        height, width = small.shape[:2]
        with self._no_gradients():
            inputs = self._prepare(images=small, return_tensors="pt", input_data_format="channels_last")
            outputs = self._network(**inputs)
            (labels,) = self._prepare.post_process_semantic_segmentation(outputs, target_sizes=[(height, width)])
        found = np.asarray(labels.cpu().numpy(), dtype=np.int32)
        return LabelRegions(fit_labels(found, (image.shape[0], image.shape[1]), self.checkpoint), self.names)
