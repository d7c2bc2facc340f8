"""Advice against the shutter times of real brackets; the brackets are not part of the repository (LUXEL_DATA)."""

import csv
import math
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from luxel.assessment.assessor import Assessor

BRACKETS = Path(os.environ.get("LUXEL_DATA") or "/nonexistent") / "brackets"

ONE_APERTURE = ("alley_handheld", "street_tree", "taipei_night", "window")
"""Brackets whose frames differ by the shutter alone; `building` mixes apertures at one shutter time."""

pytestmark = pytest.mark.skipif(not BRACKETS.is_dir(), reason="needs brackets/ in LUXEL_DATA")


def advice(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stops of the shutter, advised stops, and which frames are neither clipped nor black, by rising shutter time."""
    folder, assessor = BRACKETS / name, Assessor(threads=2)
    frames = []
    with (folder / "bracket.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            assessment = assessor.assess(folder / row["file"])
            brightest = assessment.image.max(axis=-1)
            usable = np.mean(brightest >= 250) < 0.005 and np.mean(brightest <= 5) < 0.25
            frames.append((math.log2(Fraction(row["exposure_s"])), assessment.ev, usable))
    stops, evs, usable = zip(*sorted(frames), strict=True)
    return np.array(stops), np.array(evs, dtype=float), np.array(usable)


@pytest.mark.parametrize("name", ONE_APERTURE)
def test_advice_falls_with_the_shutter_time(name: str) -> None:
    stops, evs, _ = advice(name)
    print(name, dict(zip(stops.round(1), evs, strict=True)))
    assert (np.diff(evs) <= 0.05).all()
    assert evs[0] > evs[-1]


def test_advice_follows_the_shutter_stop_for_stop() -> None:
    """On the night square, where the limit on new clipping does not hold the advice back."""
    stops, evs, usable = advice("taipei_night")
    slope = -np.polyfit(stops[usable], evs[usable], 1)[0]
    print(slope, usable.sum())
    assert usable.sum() >= 5
    assert 0.7 <= slope <= 1.1
