"""Fig. 3 (e): low and high bands of many exposures, laid out by t-SNE. Owner of scikit-learn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from luxel.model.wavelet import Wavelet
from luxel.photometry import FloatArray, as_unit_float, lightness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 64
"""Height and width of the pictures whose bands are compared."""

MIN_PICTURES = 10
"""Fewer pictures say nothing about how exposures lie among each other."""

PERPLEXITY = 30.0

SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One band of many exposures.

    points: float [n, 2], where t-SNE puts them.
    levels: float [n], stops of each exposure.
    explained: share of the variance of the band's coefficients that lies between the levels, in [0, 1]; 0 if the band
        is the same at every exposure, 1 if it is the exposure and nothing else. Of the coefficients, not of the points.
    """

    points: npt.NDArray[np.float64]
    levels: npt.NDArray[np.float64]
    explained: float


def bands_of(image: npt.NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
    """Low band [1024] and high bands [3072] of a picture's lightness at 64 x 64, by one level of the Haar transform.

    image: uint8 [64, 64, 3], sRGB-encoded.
    Source: Eq. (1).

    >>> low, high = bands_of(np.full((64, 64, 3), 128, np.uint8))
    >>> low.shape, high.shape, float(abs(high).max()) < 1e-6
    ((1024,), (3072,), True)
    """
    y = torch.from_numpy(lightness(as_unit_float(image)))[None, None]
    low, high = Wavelet("haar").split(y)
    return low.numpy().ravel(), high.numpy().ravel()


def explained_by(values: npt.NDArray[np.floating], levels: Sequence[float]) -> float:
    """Share of the variance of rows that lies between groups of equal level, in [0, 1]; 0 where nothing varies.

    values: [n, d].
    levels: [n], the group of each row.

    >>> explained_by(np.array([[0.0], [0.0], [1.0], [1.0]]), [0, 0, 1, 1])
    1.0
    >>> explained_by(np.array([[0.0], [1.0], [0.0], [1.0]]), [0, 0, 1, 1])
    0.0
    """
    rows, of = np.asarray(values, dtype=np.float64), np.asarray(levels)
    mean = rows.mean(axis=0)
    total = float(((rows - mean) ** 2).sum())
    between = sum(
        (of == level).sum() * float(((rows[of == level].mean(axis=0) - mean) ** 2).sum()) for level in set(of)
    )
    return float(between / total) if total else 0.0


def embed(frames: Iterable[tuple[npt.NDArray[np.uint8], float]]) -> tuple[Embedding, Embedding]:
    """Low and high bands of many exposures, each laid out by t-SNE.

    frames: pictures uint8 [64, 64, 3] with their stops; at least ten.
    Source: Fig. 3e; van der Maaten and Hinton, Visualizing data using t-SNE, 2008.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    bands, levels = [], []
    for image, ev in frames:
        bands.append(bands_of(image))
        levels.append(ev)
    found = []
    for values in (np.stack([low for low, _ in bands]), np.stack([high for _, high in bands])):
        fewer = PCA(min(50, *values.shape), random_state=SEED).fit_transform(values)
        perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
        layout = TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(fewer)
        found.append(Embedding(layout, np.array(levels, dtype=np.float64), explained_by(values, levels)))
    return found[0], found[1]


def draw_embedding(low: Embedding, high: Embedding) -> "Figure":
    """Both bands side by side, a colour for each exposure.

    low, high: what `embed` gave.
    """
    from luxel.figures import sheet

    figure, axes = sheet.panels(1, 2, height=3.4)
    for place, band, name in zip(axes[0], (low, high), ("low band", "high bands"), strict=True):
        dots = place.scatter(*band.points.T, c=band.levels, cmap="plasma", s=8, linewidths=0)
        place.set_title(f"{name}: exposure explains {band.explained:.1%} of the variance", fontsize=sheet.TITLE)
        place.set_xticks([])
        place.set_yticks([])
    figure.colorbar(dots, ax=axes, label="EV", shrink=0.7)
    return figure


def exposures_of(path: Path, evs: Sequence[float]) -> list[tuple[npt.NDArray[np.uint8], float]]:
    """A picture file at 64 x 64 at several exposures, each with its stops.

    path: any picture luxel reads.
    evs: stops.
    Raises ImageError if it cannot be read.
    """
    import cv2

    from luxel import images
    from luxel.dataset.reference.bracket import frame
    from luxel.photometry import to_linear

    linear = to_linear(as_unit_float(images.read(path).pixels))
    small = cv2.resize(linear, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return [(frame(small, ev), ev) for ev in evs]
