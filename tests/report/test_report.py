"""The culling page holds what the assessor says and needs nothing else."""

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luxel.assessment.assessor import Assessor
from luxel.assessment.batch import Settings
from luxel.draw import heatmap
from luxel.errors import LuxelError
from luxel.report import Built, Look, build
from luxel.report.entry import LIGHTNESS_BINS, MAP_STEP, MAP_ZERO, RESIDUAL_BINS, Entry
from luxel.report.page import write_page
from luxel.residual import DEFAULT_THRESHOLD
from stand_ins.report_inputs import write
from stand_ins.searching import images_in

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>&amp; .png'


@pytest.fixture
def look(tmp_path: Path, weights: Path) -> Look:
    return Look(tmp_path / "shoot", Settings(weights=weights, backend="onnxruntime"))


def scene(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    ramp = 255 * x / (width - 1)
    return np.rint(np.stack([ramp, ramp, np.where(y < height / 2, ramp, 0.8 * ramp)], axis=-1)).astype(np.uint8)


class Parsed(HTMLParser):
    """Script elements by id, and every tag and address, as a browser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: dict[str, str] = {}
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attributes)
        self.addresses += [value or "" for key, value in attributes if key in ("src", "href")]
        self._inside = named.get("id") or "code" if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._inside = None


def parse(built: Built) -> tuple[Parsed, dict[str, Any]]:
    parsed = Parsed(built.path.read_text())
    return parsed, json.loads(parsed.scripts["facts"])


def decoded(parsed: Parsed, name: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(parsed.scripts[name]))))


def test_the_page_holds_what_the_assessor_says(tmp_path: Path, look: Look) -> None:
    write(look.folder / "a.png", scene(300, 500))
    built = build(images_in([str(look.folder)]), tmp_path / "r.html", look)
    parsed, facts = parse(built)
    [row] = facts["pictures"]
    expected = Assessor(look.settings.weights, backend="onnxruntime").assess(look.folder / "a.png")
    assert row["path"] == "a.png"
    assert (row["width"], row["height"]) == (500, 300)
    assert row["score"] == pytest.approx(expected.score, abs=1e-3)
    assert row["over"] == pytest.approx(expected.over, abs=1e-4)
    assert row["under"] == pytest.approx(expected.under, abs=1e-4)
    assert row["ev"] == pytest.approx(expected.ev, abs=0.01)
    assert len(row["lightness"]) == LIGHTNESS_BINS
    assert len(row["residual"]) == RESIDUAL_BINS
    assert 1000 <= sum(row["lightness"]) <= 1000 + LIGHTNESS_BINS
    assert sum(row["zones"]) == pytest.approx(1, abs=1e-3)
    codes = decoded(parsed, "m0")
    small = heatmap.fit(expected.residual, 256)
    assert codes.shape[:2] == small.shape
    assert np.abs((codes[..., 0] - float(MAP_ZERO)) * MAP_STEP - small).max() <= MAP_STEP / 2 + 1e-6
    assert max(decoded(parsed, "t0").shape) == 256
    assert max(decoded(parsed, "p0").shape) == 500
    assert facts["threshold"] == DEFAULT_THRESHOLD
    assert facts["weights"]["name"] == "grey"


def test_a_large_picture_is_embedded_small(tmp_path: Path, look: Look) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3)).astype(np.uint8)
    write(look.folder / "a.png", noise)
    built = build(images_in([str(look.folder)]), tmp_path / "r.html", look)
    parsed, _ = parse(built)
    assert decoded(parsed, "p0").shape == (600, 800, 3)
    # Noise is the worst there is; photographs take a third of it.
    assert built.size < 800_000


def test_the_page_needs_nothing_else_and_allows_nothing_else(tmp_path: Path, look: Look) -> None:
    write(look.folder / "a.png")
    built = build(images_in([str(look.folder)]), tmp_path / "r.html", look)
    parsed, _ = parse(built)
    assert parsed.addresses == []
    text = built.path.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    for tag, kind in (("script", "script-src"), ("style", "style-src")):
        source = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(source) == 1
        digest = base64.b64encode(hashlib.sha256(source[0].encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy[1]
    # The only addresses are names of namespaces, which nothing ever fetches.
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert str(tmp_path) not in text


def test_no_file_name_becomes_markup(tmp_path: Path, look: Look) -> None:
    folder = tmp_path / "<b>shoot<&'\""
    evil = EVIL.replace("/", "\u2044")
    write(folder / evil)
    # Folder and file together are an end tag.
    write(folder / "<" / "script><script>alert(3).png")
    (folder / "broken<script>.png").write_bytes(b"<script>")
    built = build(images_in([str(folder)], recursive=True), tmp_path / "r.html", Look(folder, look.settings))
    parsed, facts = parse(built)
    assert parsed.tags.count("script") == 2 * 3 + 2
    assert parsed.tags.count("img") == 0
    assert parsed.tags.count("b") == built.path.read_text().count("<b>")
    assert {row["path"] for row in facts["pictures"]} == {
        evil, "</script><script>alert(3).png", "broken<script>.png",
    }  # fmt: skip
    assert facts["folder"] == "<b>shoot<&'\""
    assert "<b>shoot" not in built.path.read_text()


def test_names_that_are_not_valid_text_are_kept(tmp_path: Path, look: Look) -> None:
    name = b"caf\xe9.png"
    write(look.folder / "plain.png").rename(
        bytes(look.folder / "x").replace(b"x", name).decode("utf-8", "surrogateescape")
    )
    built = build(images_in([str(look.folder)]), tmp_path / "r.html", look)
    _, facts = parse(built)
    assert facts["pictures"][0]["path"].encode("utf-8", "surrogateescape") == name


def test_a_bad_picture_is_a_row_with_its_reason(tmp_path: Path, look: Look) -> None:
    write(look.folder / "good.png")
    (look.folder / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    (look.folder / "empty.png").write_bytes(b"")
    built = build(images_in([str(look.folder)]), tmp_path / "r.html", look)
    parsed, facts = parse(built)
    assert built.failed == 2
    reasons = {row["path"]: row.get("error") for row in facts["pictures"]}
    assert reasons["good.png"] is None
    assert reasons["empty.png"]
    assert reasons["bad.jpg"]
    assert str(tmp_path) not in json.dumps(facts)
    assert [key for key in parsed.scripts if key[0] == "p"] == ["p2"]


def test_processes_give_the_same_page_as_one(tmp_path: Path, look: Look) -> None:
    for n in range(3):
        write(look.folder / f"{n}.png", 40 * n + 20)
    pictures = images_in([str(look.folder)])
    seen: list[int] = []
    one = build(pictures, tmp_path / "one.html", look, progress=seen.append)
    two = build(pictures, tmp_path / "two.html", look, jobs=2)
    assert seen == [1, 2, 3]
    assert one.facts == two.facts
    assert sorted(parse(one)[0].scripts.items() - {("facts", parse(one)[0].scripts["facts"])}) == sorted(
        parse(two)[0].scripts.items() - {("facts", parse(two)[0].scripts["facts"])}
    )


def test_the_verdict_of_criteria_is_shown(tmp_path: Path, look: Look) -> None:
    write(look.folder / "a.png", 60)
    built = build(images_in([str(look.folder)]), tmp_path / "r.html", Look(look.folder, look.settings, criteria="fig9"))
    _, facts = parse(built)
    verdict = facts["pictures"][0]["verdict"]
    assert facts["criteria"] == "fig9"
    assert 0 <= verdict["score"] <= 100
    assert verdict["text"].startswith(f"{verdict['score']:g}")
    assert len(verdict["why"]) > 3


def test_the_key_is_the_folders_and_tells_nothing_about_it(tmp_path: Path, look: Look) -> None:
    write(look.folder / "a.png")
    keys = [parse(build(images_in([str(look.folder)]), tmp_path / f"{n}.html", look))[1]["key"] for n in range(2)]
    write(tmp_path / "other" / "a.png")
    other = build(images_in([str(tmp_path / "other")]), tmp_path / "o.html", Look(tmp_path / "other", look.settings))
    assert keys[0] == keys[1] != parse(other)[1]["key"]
    assert re.fullmatch("[0-9a-f]{16}", keys[0])


def test_no_half_page_is_left_behind(tmp_path: Path, look: Look) -> None:
    write(look.folder / "a.png")
    out = tmp_path / "r.html"
    out.write_text("an earlier page")

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(images_in([str(look.folder)]), out, look, progress=stop)
    assert out.read_text() == "an earlier page"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "shoot"]


@pytest.mark.parametrize(
    ("out", "options", "reason"),
    [
        ("photo.jpg", {}, "ends in .html"),
        ("gone/r.html", {}, "No such file"),
        ("r.html", {"jobs": -1}, "give 1 or more"),
    ],
)
def test_what_cannot_be_built_is_reported_in_one_line(
    tmp_path: Path, look: Look, out: str, options: dict[str, int], reason: str
) -> None:
    write(look.folder / "a.png")
    with pytest.raises(LuxelError, match=reason) as caught:
        build(images_in([str(look.folder)]), tmp_path / out, look, **options)
    assert "\n" not in str(caught.value)


def test_a_thousand_entries_are_written_as_they_come(tmp_path: Path) -> None:
    def entries() -> Any:
        for n in range(1000):
            yield n, Entry({"path": f"{n}.jpg", "score": 5.0}, b"t" * 30, b"p" * 300, b"m" * 30)

    out = tmp_path / "r.html"
    write_page(out, entries(), title="many", about={})
    assert out.read_text().count('<script type="text/plain"') == 3000
