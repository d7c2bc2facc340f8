"""A small dataset in IEA40K's released layout."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from luxel.photometry import lightness

SCENES = ("a0001-jmac_DSC1459", "a0002-dgw_005", "a0003_P2_tricky")
LEVELS = ("N4", "N1", "P0", "P3")


def write_released(folder: Path, *, side: int = 256, scores: tuple[float, ...] = (1.14, 5.58, 7.25, 4.0)) -> Path:
    """A dataset as its authors released it: maps are people's, stored as float64 multiples of one."""
    rng = np.random.default_rng(0)
    for part in ("IEA_img", "label/exposure_condition", "label/global_best"):
        (folder / part).mkdir(parents=True)
    lines: dict[str, list[tuple[str, str, float]]] = {"train_256.csv": [], "valid_256_2ev.csv": []}
    for n, scene in enumerate(SCENES):
        reference = rng.integers(40, 220, (side // 8, side // 8, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(reference).save(folder / f"label/global_best/{scene}.png")
        for level, score in zip(LEVELS, scores, strict=True):
            image = np.clip(reference.astype(int) + {"N4": -90, "N1": -30, "P0": 0, "P3": 70}[level], 0, 255)
            image = image.astype(np.uint8)
            Image.fromarray(image).save(folder / f"IEA_img/{scene}_{level}.png")
            residual = lightness(reference) - lightness(image)
            residual[:20, :20] = -0.9  # an expert's word
            np.save(folder / f"label/exposure_condition/{scene}_{level}.npy", np.rint(residual * 255.0))
            lines["train_256.csv" if n < 2 else "valid_256_2ev.csv"].append(
                (f"{scene}_{level}.png", f"{scene}.png", score)
            )
    for name, rows in lines.items():
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([("img_id", "ref_id", "score"), *rows])
    return folder
