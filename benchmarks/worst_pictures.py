"""The validation pictures with the largest errors, as a sheet to look at: picture, true map, luxel's map, error.

    LUXEL_DATA=data python benchmarks/worst_pictures.py [--weights W.onnx] [--count 30] [--kind panorama] [--cache DIR]
        --out worst.jpg

Prints one line per picture: MAE, level, source, share of clipped pixels, scene. The error's colours end at 0.5.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from luxel import metrics
from luxel.assessment.runtime import load, predict
from luxel.assessment.weights import locate
from luxel.draw import heatmap
from luxel.photometry import as_unit_float
from luxel.samples.scenes import data_root, list_sources, render_store
from luxel.samples.validation import ValidationPicture, validation_pictures

HEIGHT = 160
ERROR_LIMIT = 0.5


def row_of(picture: ValidationPicture, prediction: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """The four pictures of a row, side by side: uint8 [HEIGHT, 4 * width, 3]."""
    parts = [
        picture.image,
        heatmap.render(picture.residual),
        heatmap.render(prediction),
        heatmap.render(prediction - picture.residual, limit=ERROR_LIMIT),
    ]
    width = round(HEIGHT * picture.image.shape[1] / picture.image.shape[0])
    return np.concatenate([np.asarray(Image.fromarray(part).resize((width, HEIGHT))) for part in parts], axis=1)


def main() -> None:
    """Measures, sorts, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--kind", choices=("panorama", "photo"), help="only pictures of this kind")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    network = load(locate(asked.weights))
    root = data_root()
    store = render_store(asked.cache, list_sources(root, "val", views=8, seed=0), root, short_side=256)
    worst: list[tuple[float, str, npt.NDArray[np.uint8]]] = []
    for picture in validation_pictures(store):
        if asked.kind not in (None, picture.kind):
            continue
        prediction = predict(network, as_unit_float(picture.image))
        error = metrics.mae(picture.residual, prediction)
        if len(worst) == asked.count and error <= worst[-1][0]:
            continue
        clipped = float(((picture.image.max(axis=2) >= 254) | (picture.image.max(axis=2) <= 2)).mean())
        line = f"{error:.4f}  {picture.level}  {picture.kind:9}  {clipped:4.0%} clipped  {picture.scene}"
        worst = sorted([*worst, (error, line, row_of(picture, prediction))], key=lambda entry: -entry[0])
        worst = worst[: asked.count]
    print("\n".join(line for _, line, _ in worst))
    width = max(row.shape[1] for _, _, row in worst)
    rows = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255) for _, _, row in worst]
    half = (len(rows) + 1) // 2
    columns = [np.concatenate(part) for part in (rows[:half], rows[half:]) if part]
    tall = max(column.shape[0] for column in columns)
    sheet = [np.pad(c, ((0, tall - c.shape[0]), (0, 8), (0, 0)), constant_values=255) for c in columns]
    Image.fromarray(np.concatenate(sheet, axis=1)).save(asked.out, quality=85)


if __name__ == "__main__":
    main()
