"""`luxel sequence` over folders of frames and videos."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from luxel import images
from luxel.cli import app
from luxel.errors import LuxelError
from luxel.photometry import to_srgb
from luxel.sequence.frames import open_sequence
from stand_ins.onnx_files import grey_target

RATE = 20
STOPS = np.concatenate([np.full(30, -2.0), np.full(30, 0.0)]) + 0.06 * np.sin(2 * np.pi * 4 * np.arange(60) / RATE)
"""A step of two stops at frame 30, and a flicker of 0.06 stops at 4 Hz."""


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    weights = grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")
    return ("--weights", weights, "--backend", "onnxruntime", "--jobs", 1, "--timeout", 0)


@pytest.fixture
def luxel() -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def frame(stops: float) -> np.ndarray:
    light = np.full((32, 48, 3), 0.18 * 2.0**stops, np.float32)
    return np.round(to_srgb(light) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for number, stops in enumerate(STOPS):
        images.write(folder / f"f{number:03}.png", frame(stops))
    return folder


def test_a_folder_of_frames(
    tmp_path: Path, frames: Path, flags: tuple[object, ...], luxel: Callable[..., Result]
) -> None:
    shown = luxel("sequence", frames, "--rate", RATE, "--out", tmp_path / "out", *flags)
    assert shown.exit_code == 0, shown.output
    assert "Jump of +2." in shown.stdout
    assert "at frame 30, settled at once" in shown.stdout
    facts = json.loads((tmp_path / "out/stability.json").read_text())
    assert facts["flicker_frequency"] == pytest.approx(4, abs=0.1)
    assert facts["flicker"] == pytest.approx(0.06, abs=0.015)
    assert [jump["frame"] for jump in facts["jumps"]] == [30]
    rows = list(csv.DictReader((tmp_path / "out/frames.csv").open()))
    assert [row["name"] for row in rows] == [f"f{n:03}.png" for n in range(60)]
    np.testing.assert_allclose([float(row["brightness"]) for row in rows], STOPS, atol=0.05)
    assert float(rows[40]["time"]) == 2.0
    text = (tmp_path / "out/sequence.html").read_text()
    assert text.count("<svg") == 4
    assert "http" not in text.replace("http-equiv", "")


def test_a_bad_frame_is_a_row_and_parquet_has_the_same(
    tmp_path: Path, flags: tuple[object, ...], luxel: Callable[..., Result]
) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="needs luxel[parquet]")
    (tmp_path / "in").mkdir()
    for number in range(3):
        images.write(tmp_path / f"in/{number}.png", frame(-1.0))
    (tmp_path / "in/1.png").write_bytes(b"")
    shown = luxel("sequence", tmp_path / "in", "--out", tmp_path / "out", "--format", "parquet", *flags)
    assert shown.exit_code == 1
    assert "1.png: is empty" in shown.stderr
    rows = pq.read_table(tmp_path / "out/frames.parquet").to_pylist()
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert [row["time"] for row in rows] == [None] * 3


def test_every_nth_frame_has_the_rate_of_what_is_taken(frames: Path) -> None:
    opened = open_sequence(frames, rate=20, every=4)
    assert (opened.rate, opened.count) == (5.0, 15)
    assert [frame.name for frame in opened.frames][:3] == ["f000.png", "f004.png", "f008.png"]


def test_a_video_gives_what_its_frames_give(
    tmp_path: Path, flags: tuple[object, ...], luxel: Callable[..., Result]
) -> None:
    av = pytest.importorskip("av", reason="needs luxel[video]")
    with av.open(str(tmp_path / "clip.mp4"), "w") as video:
        stream = video.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 48, 32, "yuv420p", 4_000_000
        for stops in STOPS:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame(stops), format="rgb24")))
        video.mux(stream.encode())
    shown = luxel("sequence", tmp_path / "clip.mp4", "--json", *flags)
    assert shown.exit_code == 0, shown.output
    facts = json.loads(shown.stdout)
    assert (facts["rate"], facts["frames"]) == (RATE, 60)
    assert facts["flicker_frequency"] == pytest.approx(4, abs=0.15)
    assert [jump["frame"] for jump in facts["jumps"]] == [30]
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    shown = luxel("sequence", tmp_path / "bad.mp4", *flags)
    assert shown.exit_code == 2
    assert "bad.mp4: not a video that FFmpeg reads" in shown.stderr


def test_sources_that_are_not_there(tmp_path: Path, flags: tuple[object, ...], luxel: Callable[..., Result]) -> None:
    for place, words in ((tmp_path / "gone", "no such folder or video"), (tmp_path, "no frame in this folder")):
        shown = luxel("sequence", place, *flags)
        assert shown.exit_code == 2
        assert words in shown.stderr


def test_a_picture_is_not_taken_for_a_video(tmp_path: Path) -> None:
    """Not even a damaged one, of which a video reader would show what is left."""
    picture = tmp_path / "a.jpg"
    images.write(picture, np.full((40, 60, 3), 120, np.uint8))
    with pytest.raises(LuxelError, match="a picture, not a video; give the folder"):
        open_sequence(picture)
