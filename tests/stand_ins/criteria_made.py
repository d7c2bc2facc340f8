"""Criteria files and maps, for the tests of criteria."""

from pathlib import Path

import numpy as np

from luxel import criteria
from luxel.criteria import Criteria
from luxel.criteria.condition import Vocabulary

HEAD = "scale = [0, 100]\n[thresholds]\nover = 0.1\nunder = 0.1\n"
OTHERWISE = '[otherwise]\nlabel = "none"\n'


def band(when: str, score: float = 50, label: str = "a band") -> str:
    return f'[[band]]\nscore = {score}\nlabel = "{label}"\nwhen = "{when}"\n'


def write(folder: Path, *parts: str, head: str = HEAD) -> Path:
    path = folder / "mine.toml"
    path.write_text(head + "".join(parts), encoding="utf-8")
    return path


def made(folder: Path, *parts: str, head: str = HEAD) -> Criteria:
    return criteria.load(write(folder, *parts, head=head))


def residual_with(over: float = 0.0, under: float = 0.0, size: float = 0.5, pixels: int = 1000) -> np.ndarray:
    """A map with these shares of pixels at -size and +size, 0 elsewhere."""
    values = np.zeros(pixels, dtype=np.float32)
    values[: round(over * pixels)] = -size
    values[pixels - round(under * pixels) :] = size
    return values.reshape(10, -1)


# --- the language ---------------------------------------------------------------------------------------------------

WORDS = Vocabulary({"high": 0.2, "low": -0.2}, frozenset({"face"}), frozenset({"mood", "a", "b"}))


# --- questions and regions ------------------------------------------------------------------------------------------

MOOD = '[questions]\nmood = "Does it serve the mood?"\n'


def mask(columns: slice) -> np.ndarray:
    found = np.zeros((10, 100), dtype=bool)
    found[:, columns] = True
    return found
