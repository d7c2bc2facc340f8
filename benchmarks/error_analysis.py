"""Where the error is on the fixed validation pictures: by what the picture shows of a pixel, and by size of detail.

    LUXEL_DATA=data python benchmarks/error_analysis.py [--weights FILE.onnx] [--pictures 284]

First table, pixels the picture clipped (all channels), left black, or shows. "of error" is the part of luxel's whole
error that falls on them.

Second table, the error on pixels that are not clipped, parted into bands between Gaussian blurs. In the finest band
(what a blur of one pixel takes away) stand beside it: "no detail", a map without any, and "gain known", what a smooth
gain on the picture's own detail leaves of the true map's detail if the gain is fitted to the truth. No network knows
that gain, so it is a hard mark to reach, but not a bound: something other than a smooth gain, such as a denoiser, can
do better.
"""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from luxel.assessment.runtime import load, predict
from luxel.assessment.weights import locate
from luxel.benchmark.protocol.trivial import TRIVIAL
from luxel.cli.console import track
from luxel.dataset.reference.bracket import LEVELS
from luxel.photometry import as_unit_float, lightness
from luxel.samples.scenes import data_root, list_sources, render_store
from luxel.samples.validation import ValidationPicture, validation_pictures

CLIPPED, BLACK = 250, 8
"""8-bit codes from which all channels count as clipped, and up to which all count as black."""

BLURS = (1, 4, 16)
"""Standard deviations in pixels between which the bands lie."""

GAIN_RADIUS = 6
"""Standard deviation in pixels of the window in which the known gain is fitted."""

Map = npt.NDArray[Any]


def by_kind(picture: ValidationPicture, predictions: list[Map]) -> dict[str, Map]:
    """For each kind of pixel: its share of the picture, and each prediction's error summed over it per pixel."""
    clipped, black = picture.image.min(axis=-1) >= CLIPPED, picture.image.max(axis=-1) <= BLACK
    kinds = {"clipped": clipped, "black": black, "shown": ~(clipped | black)}
    errors = [np.abs(prediction - picture.residual) for prediction in predictions]
    return {kind: np.array([mask.mean(), *((e * mask).mean() for e in errors)]) for kind, mask in kinds.items()}


def by_size(picture: ValidationPicture, prediction: Map) -> Map:
    """Mean absolute error in each band from fine to coarse, then the finest of no detail and of the known gain."""
    seen = picture.image.min(axis=-1) < CLIPPED
    y = lightness(picture.image)

    def finest(values: Map) -> Map:
        return values - gaussian_filter(values, BLURS[0])

    error = np.where(seen, prediction - picture.residual, 0)
    blurred = [error, *(gaussian_filter(error, sigma) for sigma in BLURS), np.zeros_like(error)]
    bands = [np.abs(fine - coarse).mean() for fine, coarse in pairwise(blurred)]
    own, true = finest(y), finest(picture.residual + y)
    gain = gaussian_filter(own * true, GAIN_RADIUS) / (gaussian_filter(own * own, GAIN_RADIUS) + 1e-8)
    return np.array([*bands, *(np.abs(np.where(seen, e, 0)).mean() for e in (true - own, gain * own - true))])


def main() -> None:
    """Measures and prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="ONNX weights, default the shipped ones")
    parser.add_argument("--pictures", type=int, help="about how many; default all")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    asked = parser.parse_args()
    root = data_root()
    store = render_store(asked.cache, list_sources(root, "val", views=8, seed=0), root, short_side=256)
    network = load(locate(asked.weights))
    kinds: dict[str, list[Map]] = {}
    sizes: dict[str, list[Map]] = {level: [] for level in LEVELS}
    total = asked.pictures or len(store) * len(LEVELS)
    for picture in track(validation_pictures(store, limit=asked.pictures), total, "measuring"):
        unit = as_unit_float(picture.image)
        prediction = predict(network, unit)
        for kind, row in by_kind(picture, [prediction, TRIVIAL["local_mid_grey"](unit)]).items():
            kinds.setdefault(kind, []).append(row)
        sizes[picture.level].append(by_size(picture, prediction))
    means = {kind: np.mean(rows, axis=0) for kind, rows in kinds.items()}
    whole = sum(mean[1] for mean in means.values())
    print("| pixels | share | MAE | of error | MAE of local mid-grey |\n|---|---|---|---|---|")
    for kind, (share, luxel, trivial) in means.items():
        print(f"| {kind} | {share:.1%} | {luxel / share:.4f} | {luxel / whole:.0%} | {trivial / share:.4f} |")
    edges = ["finest", *(f"{a} to {b} px" for a, b in pairwise(BLURS)), f"over {BLURS[-1]} px"]
    print(f"\n| level | {' | '.join(edges)} | finest: no detail | finest: gain known |")
    print("|---" * (len(edges) + 3) + "|")
    everything = [row for rows in sizes.values() for row in rows]
    for level, rows in [*sizes.items(), ("all", everything)]:
        print(f"| {level} | " + " | ".join(f"{value:.4f}" for value in np.mean(rows, axis=0)) + " |")


if __name__ == "__main__":
    main()
