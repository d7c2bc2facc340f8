"""Small datasets of scores without maps, laid out as SPAQ and IEA40K's lists are."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

SPAQ_HEADER = ("Image name", "MOS", "Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness")
SPREADSHEET = "MOS and Image attribute scores"


def photo(path: Path, number: int) -> Path:
    """A photograph of 40 x 56 whose brightness follows its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    Image.fromarray((rng.random((40, 56, 3)) * 10 * (number + 1)).clip(0, 255).astype(np.uint8)).save(path)
    return path


def spaq_lines(count: int) -> list[tuple[str | float, ...]]:
    """Lines of SPAQ's list; Brightness is 4 times the number, other columns are constant."""
    return [(f"{i:05d}.jpg", 50.25, 4.0 * i, 50.0, 50.0, 50.0, 50.0) for i in range(1, count + 1)]


def spaq(folder: Path, *, count: int = 20, suffix: str = ".xlsx") -> Path:
    """A folder of SPAQ's shape: Annotations/ with its list, TestImage/ with photographs."""
    lines = [SPAQ_HEADER, *spaq_lines(count)]
    for i in range(1, count + 1):
        photo(folder / "TestImage" / f"{i:05d}.jpg", i)
    place = folder / "Annotations" / f"{SPREADSHEET}{suffix}"
    place.parent.mkdir()
    if suffix == ".csv":
        with place.open("w", newline="") as file:
            csv.writer(file).writerows(lines)
        return folder
    import openpyxl  # here, so that CSV needs no extra

    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    book.save(place)
    return folder


def iea40k_lists(folder: Path, *, scenes: int = 8, images: str = "IEA_img") -> Path:
    """A folder with IEA40K's images and two of its lists, without maps."""
    for name, chosen in (("train_256.csv", range(scenes - 2)), ("valid_256_2ev.csv", range(scenes - 2, scenes))):
        rows = []
        for scene in chosen:
            for level in ("N2", "P2"):
                photo(folder / images / f"a{scene:04d}_{level}.png", scene)
                rows.append((f"a{scene:04d}_{level}.png", f"a{scene:04d}.png", scene))
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([("img_id", "ref_id", "score"), *rows])
    return folder
