"""The criteria that come with luxel."""

import numpy as np
import pytest

from luxel import criteria
from stand_ins.criteria_made import residual_with

SHIPPED = ["fig9", "ecommerce", "landscape", "night", "portrait", "street"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_criteria_are_sound_and_complete(name: str) -> None:
    table = criteria.load(name)
    assert table.about
    assert table.source
    assert table.scale == (0, 100)
    rng = np.random.default_rng(3)
    masks = {region: rng.random((10, 10)) < 0.5 for region in table.regions}
    for _ in range(60):
        residual = np.clip(rng.normal(rng.uniform(-0.5, 0.5), rng.uniform(0, 0.3), (10, 10)), -1, 1)
        verdict = table.score(residual.astype(np.float32), masks or None)
        assert verdict.scored
        assert verdict.score is not None


def test_names_lists_the_shipped_ones() -> None:
    assert criteria.names() == SHIPPED


PURPOSES = [  # facts of the published tables: what is wrong where, and the score
    ("landscape", {}, {}, 100),
    ("landscape", {"": (0.03, 0)}, {}, 80),
    ("landscape", {"": (0, 0.1)}, {}, 60),
    ("landscape", {"": (0.1, 0.1)}, {}, 40),
    ("landscape", {"": (0.3, 0)}, {}, 20),
    ("landscape", {"": (0.25, 0.25)}, {}, 10),
    ("portrait", {"background": (0.05, 0)}, {}, 100),
    ("portrait", {"background": (0.2, 0)}, {}, 90),
    ("portrait", {"face": (0, 0.05)}, {}, 80),
    ("portrait", {"face": (0, 0.1)}, {}, 60),
    ("portrait", {"face": (0.2, 0)}, {}, 40),
    ("portrait", {"face": (0.4, 0)}, {}, 20),
    ("street", {"background": (0, 0.3)}, {}, 100),
    ("street", {"subject": (0, 0.08)}, {}, 80),
    ("street", {"background": (0, 0.45)}, {"mood": True}, 80),
    ("street", {"subject": (0.15, 0)}, {}, 60),
    ("street", {"background": (0.3, 0)}, {}, 40),
    ("street", {"background": (0, 1), "subject": (0, 0.05)}, {}, 20),
    ("street", {"background": (0, 1), "subject": (0, 0.05)}, {"intended": True}, 60),
    ("night", {"": (0.03, 0.4)}, {}, 100),
    ("night", {"": (0.07, 0)}, {}, 80),
    ("night", {"": (0.15, 0)}, {}, 60),
    ("night", {}, {"turned_to_day": True}, 60),
    ("night", {"": (0.3, 0)}, {}, 40),
    ("night", {"": (0.6, 0)}, {}, 20),
    ("ecommerce", {"background": (0.4, 0)}, {}, 100),
    ("ecommerce", {"product": (0, 0.04)}, {}, 80),
    ("ecommerce", {"product": (0.05, 0.05)}, {}, 60),
    ("ecommerce", {"product": (0.25, 0)}, {}, 40),
    ("ecommerce", {"product": (0, 0.25)}, {}, 20),
    ("ecommerce", {}, {"unrecognisable": True}, 0),
]


@pytest.mark.parametrize(("name", "wrong", "answers", "score"), PURPOSES)
def test_purposes(name: str, wrong: dict, answers: dict, score: float) -> None:
    table = criteria.load(name)
    regions = [region for region in table.regions if region != "body"] or [""]
    parts = [residual_with(*wrong.get(region, (0, 0)), size=0.42) for region in regions]
    masks = {}
    for place, region in enumerate(regions):
        masks[region] = np.zeros((10, 100 * len(regions)), dtype=bool)
        masks[region][:, 100 * place : 100 * (place + 1)] = True
    verdict = table.score(np.hstack(parts), masks if table.regions else None, answers=answers)
    assert verdict.score == score, verdict.explain()
