"""The service with its real work, over a real socket: it says what `luxel.assess` says, and what is wrong."""

import json
import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("prometheus_client", reason="the extra serve is not installed")

from luxel.assessment.assessor import Assessor
from luxel.criteria import load
from luxel.images.writing import png_bytes
from luxel.residual_files import read_saved_map
from luxel.serve.answers import ASSESSMENT, SCORE, AssessmentAnswer, ScoreAnswer
from luxel.serve.app import make_app
from luxel.serve.options import ServiceOptions
from stand_ins.servers import Answered, ask, multipart, on_loopback

rng = np.random.default_rng(4)
PIXELS = (np.linspace(0, 255, 120)[:, None, None] * rng.random((120, 160, 3))).astype(np.uint8)
PICTURE = png_bytes(PIXELS)
HALVES = png_bytes(np.repeat(np.repeat(np.uint8([[1, 2]]), 120, 0), 80, 1))
CRITERIA = b"""
name = "own"
scale = [0, 1]
thresholds = { over = 0.1, under = 0.1 }
[regions.sky]
about = "the sky"
[[band]]
score = 0
label = "dark"
when = "sky.under > 99 %"
[otherwise]
score = 1
label = "fine"
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with on_loopback(make_app(ServiceOptions(max_body=1_000_000, batch=4))) as port:
        yield port


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """Figures of the same picture in this process."""
    facts = Assessor().assess(PICTURE, full_size=False).to_dict()
    del facts["path"]
    return facts


def assess(port: int, body: bytes = PICTURE, **headers: str) -> Answered:
    return ask(port, "POST", "/v1/assess", body, **headers)


def test_figures_are_those_of_the_library(port: int, expected: dict[str, Any]) -> None:
    raw = assess(port)
    assert (raw.status, raw.headers["content-type"]) == (200, "application/json")
    assert raw.json == {"name": None, **expected}
    parts = ask(port, "POST", "/v1/assess", **multipart(("image", "../a\u202eb.png", PICTURE)))
    assert parts.json == {**raw.json, "name": r"../a\u202eb.png"}


def test_maps_are_chosen_by_accept(port: int, tmp_path: Path) -> None:
    answer = assess(port, accept="image/png;map=residual")
    assert answer.headers["content-type"] == "image/png;map=residual"
    (tmp_path / "map.png").write_bytes(answer.body)
    whole = Assessor().assess(PICTURE)
    np.testing.assert_allclose(read_saved_map(tmp_path / "map.png"), whole.residual, atol=2e-5)
    assert json.loads(answer.headers["luxel-assessment"])["score"] == pytest.approx(whole.score, abs=1e-6)
    for accept, kind in (("image/*", "heatmap"), ("text/html, image/png;map=overlay;q=0.1", "overlay")):
        answer = assess(port, accept=accept)
        assert answer.headers["content-type"] == f"image/png;map={kind}"
        assert Image.open(BytesIO(answer.body)).format == "PNG"
    assert assess(port, accept="image/webp, image/png;map=nothing").status == 406


def test_scores_by_criteria(port: int) -> None:
    answer = ask(port, "POST", "/v1/score?criteria=night", PICTURE)
    verdict = load("night").score(Assessor().assess(PICTURE, full_size=False).residual, image=PIXELS)
    assert (answer.status, answer.json["score"], answer.json["label"]) == (200, verdict.score, verdict.label)
    assert set(ask(port, "GET", "/v1/criteria").json) >= {"fig9", "night", "portrait"}


def test_own_criteria_and_regions(port: int) -> None:
    names = png_bytes(PIXELS)
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 160, "height": 120}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 160, 10]}],
        "categories": [{"id": 1, "name": "sky"}],
    }
    own = ("criteria", "own.toml", CRITERIA)
    scored = ask(
        port,
        "POST",
        "/v1/score",
        **multipart(("image", "a.png", names), own, ("regions", None, json.dumps(coco).encode())),
    )
    assert (scored.status, scored.json["label"]) == (200, "dark")
    assert [region["name"] for region in scored.json["regions"]] == ["sky"]
    labelled = ask(port, "POST", "/v1/score", **multipart(("image", "a.png", PICTURE), ("regions", "r", HALVES)))
    assert [region["name"] for region in labelled.json["regions"]] == ["region 1", "region 2"]


@pytest.mark.parametrize(
    ("query", "parts", "reason"),
    [
        ("?criteria=../../etc/passwd", [], "no criteria '../../etc/passwd'; there are fig9"),
        ("?answer=unrecognisable", [], "write QUESTION=yes or QUESTION=no"),
        ("?answer=nobody=yes", [], "fig9 has no question 'nobody'"),
        ("", [("criteria", "c.toml", b"name = 1\n")], "criteria.toml:1: "),
        ("", [("regions", "r.png", b"nothing")], "regions.png: "),
        ("", [("mask", "r.png", b"")], "part 'mask' is unknown or twice"),
        ("", [("image", "b.png", PICTURE)], "holds 2 pictures; send up to 1"),
    ],
)
def test_what_cannot_be_scored_is_named(
    port: int, query: str, parts: list[tuple[str, str | None, bytes]], reason: str
) -> None:
    answer = ask(port, "POST", f"/v1/score{query}", **multipart(("image", "a.png", PICTURE), *parts))
    assert answer.status == 422
    assert reason in answer.json["error"]
    assert "/tmp" not in answer.json["error"]
    assert answer.json["request_id"] == answer.headers["x-request-id"]


def bomb() -> bytes:
    """A PNG of a few bytes whose header promises 3.6 gigapixels."""
    head = bytearray(PICTURE)
    head[16:24] = (60_000).to_bytes(4) * 2
    head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4)
    return bytes(head)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 422, "holds no picture"),
        (b"%PDF-1.7 nothing", 422, "is a PDF document, which luxel does not read"),
        (PICTURE[:2000], 422, "truncated"),
        (bomb(), 422, "3600 megapixels, over the limit of 50"),
        (b"\xff" * 1_000_001, 413, "larger than the limit of 1000000 bytes"),
    ],
)
def test_bad_pictures_are_answers(port: int, body: bytes, status: int, reason: str) -> None:
    answer = assess(port, body)
    assert (answer.status, reason in answer.json["error"]) == (status, True), answer.body
    assert assess(port).status == 200


def test_a_batch_has_a_row_for_each(port: int, expected: dict[str, Any]) -> None:
    parts = [("image", f"{n}.png", PICTURE if n != 1 else b"nothing") for n in range(4)]
    answer = ask(port, "POST", "/v1/batch", **multipart(*parts))
    rows = [json.loads(line) for line in answer.body.splitlines()]
    assert [row["name"] for row in rows] == ["0.png", "1.png", "2.png", "3.png"]
    assert [row["error"] is None for row in rows] == [True, False, True, True]
    assert rows[2]["score"] == pytest.approx(expected["score"])
    assert ask(port, "POST", "/v1/batch", **multipart(*parts, parts[0])).status == 422


def test_request_ids_come_back(port: int) -> None:
    assert assess(port, x_request_id="shop-17.a").headers["x-request-id"] == "shop-17.a"
    assert re.fullmatch("[0-9a-f]{32}", assess(port, x_request_id="a b\t").headers["x-request-id"])
    assert re.fullmatch("[0-9a-f]{32}", ask(port, "GET", "/nowhere").json["request_id"])


def test_the_description_shows_what_is_answered(port: int) -> None:
    described = ask(port, "GET", "/openapi.json").json
    assert set(described["paths"]) == {"/v1/assess", "/v1/score", "/v1/batch", "/v1/criteria", "/healthz", "/readyz"}
    content = described["paths"]["/v1/assess"]["post"]["responses"]["200"]["content"]
    assert content["application/json"]["example"] == {k: v for k, v in ASSESSMENT.items() if v is not None}
    AssessmentAnswer.model_validate(ASSESSMENT, strict=True)
    ScoreAnswer.model_validate(SCORE, strict=True)
    assert set(assess(port).json) == set(ASSESSMENT) == set(AssessmentAnswer.model_fields)
    scored = ask(port, "POST", "/v1/score", PICTURE).json
    assert set(scored) == set(SCORE) == set(ScoreAnswer.model_fields)


def test_the_drop_page_asks_no_other_server(port: int) -> None:
    page = ask(port, "GET", "/")
    policy = page.headers["content-security-policy"]
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", policy)
    assert "default-src 'none'" in policy
    assert not re.search(rb"https?://|//[a-z]|@import|url\(", page.body.split(b"<body>")[0])
    assert b"http" not in page.body
    assert ask(port, "GET", "/drop.html").status == 404


def test_probes_and_counts(port: int) -> None:
    assert ask(port, "GET", "/healthz").json["status"] == "ok"
    assert ask(port, "GET", "/readyz").json == {"status": "ready"}
    assess(port, b"nothing")
    text = ask(port, "GET", "/metrics").body.decode()
    assert re.search(r'luxel_serve_requests_total\{method="POST",route="/v1/assess",status="422"\} [1-9]', text)
    assert re.search(r'luxel_serve_pictures_total\{outcome="done"\} [1-9]', text)
    assert "luxel_serve_queue_pictures 0.0" in text
    assert "luxel_serve_buffered_bytes 0.0" in text
    assert "process_resident_memory_bytes" in text
    assert ask(port, "GET", "/x" * 50).status == 404
    assert "/x/x" not in ask(port, "GET", "/metrics").body.decode()
