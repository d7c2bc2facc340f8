"""Which answer an Accept header gets."""

import pytest

pytest.importorskip("prometheus_client", reason="the extra serve is not installed")

from starlette.exceptions import HTTPException

from luxel.serve.accepting import wanted_map


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("*/*", None),
        ("application/json, image/png", None),
        ("image/png, application/json", "heatmap"),
        ("image/png;q=0.4, application/json;q=0.5", None),
        ("IMAGE/PNG; MAP=tinted", "tinted"),
        ('image/png; map="residual"; q=0.9, */*;q=0.1', "residual"),
        ("text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8", None),
        ("image/avif,image/png,image/svg+xml,image/*;q=0.8", "heatmap"),
        ("application/json;q=0, image/*", "heatmap"),
        ("image/png;map=nothing, application/*;q=0.1", None),
        (",,", None),
    ],
)
def test_the_best_of_what_is_accepted(header: str, expected: str | None) -> None:
    assert wanted_map(header) == expected


@pytest.mark.parametrize("header", ["text/html", "image/webp", "image/png;map=x", "*/*;q=0", "image/png;q=much", ";"])
def test_nothing_of_it_can_be_given(header: str) -> None:
    with pytest.raises(HTTPException, match="there are application/json, image/png;map=heatmap"):
        wanted_map(header)
