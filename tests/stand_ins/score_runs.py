"""A folder of images, maps and masks to score."""

import json

from typer.testing import Result

MINE = """
scale = [0, 10]
[thresholds]
over = 0.2
under = 0.2
[regions]
sky = "x"
[questions]
mood = "Is it meant?"
[[band]]
score = 10
label = "fine"
when = "sky.either < 10 % and either < 10 %"
[[band]]
score = 8
label = "meant"
when = "mood and under > 10 %"
[[band]]
score = 5
label = "sky off"
when = "sky.over > 30 %"
[otherwise]
label = "look at it"
"""


def rows_of(result: Result) -> list[dict]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]
