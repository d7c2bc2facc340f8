"""Q-Align as published, a language model of about 8.2 billion parameters: scores without any training by us.

Not a row of the benchmark, and never run by luxel's tests: the weights are 16 GB, they and their code have licences of
their own (LLaMA 2; S-Lab, non-commercial), and that code was written for transformers 4.36, so that it wants an
environment of its own. `qalign` is what the benchmark trains.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel.errors import LuxelError

CHECKPOINT = "q-future/one-align"

LOWEST, HIGHEST = 1.0, 5.0
"""What "bad" and "excellent" count for in the published network's own scores."""


class QAlignFull:
    """The published network; call it with pictures. Made by `load`."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, images: Sequence[npt.NDArray[np.uint8]], *, aspect: str = "quality") -> npt.NDArray[np.float64]:
        """Scores of pictures, [N] in 0 to 10.

        images: [H, W, 3] sRGB-encoded, any sizes. aspect: the word in the question "How would you rate the ... of this
        image?"; the network was trained for "quality" and "aesthetics" only, so that "exposure" is an experiment.
        """
        pictures = [Image.fromarray(image) for image in images]
        found = self._network.score(pictures, task_=aspect, input_="image")
        return score_of_levels(np.asarray(found.tolist(), dtype=np.float64))


def load(checkpoint: str = CHECKPOINT, *, revision: str | None = None, device: str = "cuda") -> QAlignFull:
    """The published network, in half precision.

    Runs code that comes with the checkpoint (`trust_remote_code=True`): look at it first, and name the `revision` you
    looked at. checkpoint: a folder or a name on the model hub, from which transformers downloads it. Raises LuxelError
    where transformers is missing or the checkpoint cannot be loaded.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise LuxelError(
            "Q-Align's published network needs torch and transformers: pip install torch 'transformers==4.36.2' in an "
            "environment of its own"
        ) from error
    try:
        network = AutoModelForCausalLM.from_pretrained(
            checkpoint,
            revision=revision,
            trust_remote_code=True,
            attn_implementation="eager",
            torch_dtype=torch.float16,
        )
        return QAlignFull(network.to(device).eval())
    except Exception as error:  # Only their code is inside, and it raises all kinds.
        reason = " ".join(str(error).split())[:200]
        raise LuxelError(
            f"{checkpoint}: cannot be loaded on {device}: {reason}; its code was written for transformers 4.36"
        ) from error


def score_of_levels(expectation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scores in 0 to 10 from expectations over levels that count 1 ("bad") to 5 ("excellent")."""
    return (expectation - LOWEST) * (10.0 / (HIGHEST - LOWEST))
