"""Every error luxel raises on purpose, and what an error of any kind means for a run over many files.

A message names the value, the place and the remedy, in one line. The command line prints it and exits with code 2;
in a run over many files an error of one file is a row with the reason (`reason_of`).
"""

import importlib.util
import logging
import os
from collections.abc import Mapping

from luxel.text import printable

_DATASET = {"scipy": "scipy", "skimage": "scikit-image", "cv2": "opencv-python-headless", "pyarrow": "pyarrow"}

EXTRAS: Mapping[str, Mapping[str, str]] = {
    "heif": {"pillow_heif": "pillow-heif"},
    "openvino": {"openvino": "openvino"},
    "parquet": {"pyarrow": "pyarrow"},
    "remote": {"fsspec": "fsspec"},
    "video": {"av": "av"},
    "torch": {"torch": "torch", "onnx": "onnx"},
    "dataset": _DATASET,
    "train": _DATASET
    | {
        "torch": "torch",
        "lightning_fabric": "lightning-fabric",
        "safetensors": "safetensors",
        "tensorboard": "tensorboard",
        "pywt": "PyWavelets",
        "onnx": "onnx",
        "onnxscript": "onnxscript",
        "torchmetrics": "torchmetrics",
    },
    "figures": _DATASET
    | {
        "torch": "torch",
        "onnx": "onnx",
        "pywt": "PyWavelets",
        "matplotlib": "matplotlib",
        "sklearn": "scikit-learn",
    },
    "spreadsheet": {"openpyxl": "openpyxl"},
    "segment": {"torch": "torch", "transformers": "transformers"},
    "annotate": _DATASET
    | {
        "fastapi": "fastapi",
        "uvicorn": "uvicorn",
        "sqlalchemy": "sqlalchemy",
        "alembic": "alembic",
        "argon2": "argon2-cffi",
        "jinja2": "jinja2",
    },
    "serve": {
        "fastapi": "fastapi",
        "uvicorn": "uvicorn",
        "python_multipart": "python-multipart",
        "prometheus_client": "prometheus-client",
    },
    "tags": _DATASET | {"torch": "torch", "transformers": "transformers"},
}
"""Extra of luxel -> module -> package that has it. Messages name packages, which work wherever luxel came from."""


class LuxelError(Exception):
    """The user can fix this: wrong input, missing extra, bad recipe."""


class ImageError(LuxelError):
    """One picture cannot be used: missing, empty, truncated, too large, not a picture, unsupported."""


class RecipeError(LuxelError):
    """A recipe (TOML) has an unknown key, a wrong value, or asks for something that does not exist."""


class CriteriaError(LuxelError):
    """A criteria file cannot be used, with its line: unknown names, overlaps, gaps; or a map does not fit it."""


class RegionsError(LuxelError):
    """A region file cannot be used: not a label picture or COCO JSON, damaged, or not of this picture."""


class WeightsError(LuxelError):
    """Weights cannot be found, read, or do not belong to this network."""


class DatasetError(LuxelError):
    """A dataset folder, manifest or bracket is not what it should be."""


class MissingExtraError(LuxelError):
    """A feature needs packages that are not installed; its message is the command that installs them.

    feature: what needs them.
    extra: key of `EXTRAS`.
    """

    def __init__(self, feature: str, extra: str) -> None:
        packages = missing_packages(extra) or list(EXTRAS[extra].values())
        word = "a package that is" if len(packages) == 1 else "packages that are"
        super().__init__(f"{feature} needs {word} not installed: pip install {' '.join(packages)}")


def missing_packages(extra: str) -> list[str]:
    """Packages of an extra that are not installed, in the order of `EXTRAS`. Nothing is imported.

    extra: key of `EXTRAS`.

    >>> missing_packages("heif") in ([], ["pillow-heif"])
    True
    """
    return [package for module, package in EXTRAS[extra].items() if importlib.util.find_spec(module) is None]


def reason_of(error: Exception, path: str | os.PathLike[str]) -> str:
    """Why one file of many has no result, in one line without its path.

    error: anything that was raised while the file was worked on. One that stops every file (weights that fail, a full
        disk: a LuxelError that is not about one file) is raised again. An error that luxel does not raise on purpose is
        logged with its place.
    path: of the file.

    >>> reason_of(ImageError("a.jpg: is empty"), "a.jpg")
    'is empty'
    """
    if isinstance(error, MemoryError):
        return "not enough memory for this file; use fewer --jobs, or make the file smaller"
    if isinstance(error, ImageError | RegionsError | CriteriaError | MissingExtraError):
        text = str(error)
        for name in (os.fspath(path), printable(path)):
            text = text.removeprefix(f"{name}: ")
        return " ".join(text.split())
    if isinstance(error, LuxelError):
        raise error
    logging.getLogger("luxel").debug("%s: unexpected error", path, exc_info=error)
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split()) or 'without a message'}"[:300]
