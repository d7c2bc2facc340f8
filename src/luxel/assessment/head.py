"""The holistic score with fine-tuning, without torch: a small head on a residual map (paper 5.2).

`luxel train recipes/holistic.toml` writes the file; `luxel.model.holistic` is the same head for training.
"""

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from luxel.errors import WeightsError
from luxel.filters.shrink import shrink, working_shape
from luxel.photometry import FloatArray
from luxel.residual import DEFAULT_THRESHOLD

FORMAT = 1
"""Version of the file; a file of another one is rejected."""

MAP_SIDE = 256
"""Short side in pixels to which a map is averaged before its features are taken, whatever the picture's size."""

GRID = 8
LEVELS = tuple(-0.9 + 0.2 * i for i in range(10))
"""Centres of the soft histogram of the residual."""

FEATURES = GRID * GRID + len(LEVELS) + 4

_ARRAYS = ("hidden_weight", "hidden_bias", "last_weight", "last_bias")


def map_features(residual: npt.NDArray[np.float32]) -> FloatArray:
    """What a residual map says in a few numbers.

    residual: [H, W] float32 in [-1, 1]; averaged to a short side of `MAP_SIDE` first.
    Returns float32 [FEATURES]: means over an 8 x 8 grid, a soft histogram, mean |r|, mean r, over and under areas at
    the default threshold.
    """
    height, width = residual.shape
    r = shrink(residual, working_shape(height, width, MAP_SIDE)).astype(np.float64)
    rows, columns = (_area_weights(side, GRID) for side in r.shape)
    spread = (LEVELS[1] - LEVELS[0]) / 2
    histogram = [np.exp(-(((r - level) / spread) ** 2)).mean() for level in LEVELS]
    totals = [np.abs(r).mean(), r.mean(), np.mean(r < -DEFAULT_THRESHOLD), np.mean(r > DEFAULT_THRESHOLD)]
    return np.concatenate([(rows @ r @ columns.T).ravel(), histogram, totals]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Head:
    """A trained head. name: of its file. sha256: of the file. trained_on: SHA-256 of the ONNX weights whose maps it was
    trained on. The arrays are the two layers, float32."""

    name: str
    sha256: str
    trained_on: str
    hidden_weight: FloatArray = field(repr=False)
    hidden_bias: FloatArray = field(repr=False)
    last_weight: FloatArray = field(repr=False)
    last_bias: FloatArray = field(repr=False)

    def score(self, residual: npt.NDArray[np.float32]) -> float:
        """The score of a picture in [0, 10] from its residual map [H, W] in [-1, 1]."""
        features = map_features(residual)
        hidden = np.maximum(self.hidden_weight @ features + self.hidden_bias, 0)
        # The head corrects the score without fine-tuning (luxel.model.holistic.HolisticHead).
        plain = 10 * (1 - features[FEATURES - 4])
        return float(np.clip(plain + (self.last_weight @ hidden + self.last_bias)[0], 0, 10))


def head_bytes(arrays: dict[str, npt.NDArray[Any]], *, trained_on: str) -> bytes:
    """The content of a head's file: the arrays of `Head` by name, and which weights' maps it was trained on."""
    facts = json.dumps({"format": FORMAT, "trained_on": trained_on})
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, facts=np.array(facts), **{name: arrays[name] for name in _ARRAYS})
    return buffer.getvalue()


def load_head(path: str | Path) -> Head:
    """A head from its file. Raises WeightsError if it is missing, damaged, of another format or of wrong shapes."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); give a head that luxel train wrote") from error
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            arrays = {name: np.asarray(stored[name], dtype=np.float32) for name in _ARRAYS}
        version, trained_on = facts["format"], str(facts["trained_on"])
    except Exception as error:  # NumPy and zipfile raise half a dozen types for a damaged file.
        # NumPy's advice for a file with Python objects is to run them.
        reason = "it holds Python objects" if "pickle" in str(error) else " ".join(str(error).split())[:100]
        reason = reason or type(error).__name__
        raise WeightsError(f"{path}: not a head of luxel ({reason}); give a file that luxel train wrote") from error
    if version != FORMAT:
        raise WeightsError(f"{path}: a head of format {version}, this luxel reads {FORMAT}; train it again")
    hidden = arrays["hidden_weight"].shape[0] if arrays["hidden_weight"].ndim == 2 else 0
    shapes = dict(zip(_ARRAYS, ((hidden, FEATURES), (hidden,), (1, hidden), (1,)), strict=True))
    wrong = [name for name in _ARRAYS if arrays[name].shape != shapes[name] or not np.isfinite(arrays[name]).all()]
    if wrong or hidden == 0:
        raise WeightsError(f"{path}: {', '.join(wrong) or 'head'} has a wrong shape or values; train it again")
    return Head(path.name, hashlib.sha256(content).hexdigest(), trained_on, **arrays)


def _area_weights(size: int, bins: int) -> npt.NDArray[np.float64]:
    """Weights [bins, size] that average `size` samples into `bins` equal stretches, fractions of a sample included."""
    position, edge = np.arange(size)[None], np.arange(bins)[:, None] * (size / bins)
    overlap = np.minimum(position + 1, edge + size / bins) - np.maximum(position, edge)
    return np.asarray(overlap.clip(min=0) * (bins / size))
