"""--max-megapixels and --raw reach the reader from every command that offers them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from luxel.cli import app
from luxel.errors import LuxelError
from luxel.images import read
from stand_ins.onnx_files import grey_target
from stand_ins.picture_files import fails, photo, save, write_dng

COMMANDS = ("assess", "score", "light", "compare", "report")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grey_target(tmp_path_factory.mktemp("weights") / "grey.onnx")


@pytest.fixture
def luxel(weights: Path) -> Callable[..., Result]:
    def run(command: str, *arguments: object) -> Result:
        return CliRunner().invoke(app, [command, *map(str, arguments), "--timeout", "0", "--weights", str(weights)])

    return run


def arguments(command: str, file: Path) -> list[object]:
    """What the command needs to read one file and say why it could not."""
    if command == "compare":
        return [file.parent, shutil.copytree(file.parent, file.parent.parent / "copy", dirs_exist_ok=True)]
    if command == "report":
        return [file.parent, "--out", file.parent.parent / "page.html"]
    return [file, "--json"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_option_of_the_message_exists(luxel: Callable[..., Result], tmp_path: Path, command: str) -> None:
    (tmp_path / "in").mkdir()
    file = save(tmp_path / "in" / "a.png", photo(100, 120))
    rejected = luxel(command, *arguments(command, file), "--max-megapixels", 0.01)
    assert rejected.exit_code in (1, 2), rejected.output
    assert "--max-megapixels" in rejected.output
    assert luxel(command, *arguments(command, file), "--max-megapixels", 0.02).exit_code == 0
    assert luxel(command, *arguments(command, file), "--max-megapixels", 0).exit_code == 2


READERS = (
    *((command,) for command in (*COMMANDS, "train", "export", "evaluate", "serve")),
    *(
        ("dataset", name)
        for name in ("scan", "tags", "align", "build", "reference", "label", "split", "check", "stats")
    ),
    *(("annotate", name) for name in ("serve", "write", "import", "export")),
    ("dataset", "convert"),
    ("benchmark", "run"),
    ("criteria", "explain"),
)


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_every_command_that_reads_has_the_option(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert "--max-megapixels" in shown.stdout


def test_readers_deep_inside_a_command_obey_it(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="evaluate needs luxel[train]")
    monkeypatch.setenv("LUXEL_MAX_MEGAPIXELS", "200")  # set again after the test
    levels = ("N4", "N3", "N2", "N1", "P0", "P1", "P2", "P3", "P4")
    (tmp_path / "labels.csv").write_text(f"file,{','.join(levels)}\n" + "".join(f"{n}.png{',5' * 9}\n" for n in "ab"))
    for name in "ab":
        save(tmp_path / f"{name}.png", photo(100, 120))
    call = ["evaluate", "--people", str(tmp_path), "--weights", str(weights), "--max-megapixels"]
    rejected = CliRunner().invoke(app, [*call, "0.01"])
    assert (rejected.exit_code, rejected.output.count("--max-megapixels")) == (2, 1), rejected.output


def test_the_variable_limits_every_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "a.png", photo(100, 120))
    monkeypatch.setenv("LUXEL_MAX_MEGAPIXELS", "0.01")
    fails(file, "over the limit of 0.01")
    assert read(file, max_megapixels=1).size == (100, 120)
    for wrong in ("0", "-1", "nan", "many"):
        monkeypatch.setenv("LUXEL_MAX_MEGAPIXELS", wrong)
        with pytest.raises(LuxelError, match=f"LUXEL_MAX_MEGAPIXELS='{wrong}': give a number of megapixels above 0"):
            read(file)


@pytest.mark.parametrize("command", ["assess", "score", "light"])
def test_the_preview_is_judged(luxel: Callable[..., Result], tmp_path: Path, command: str) -> None:
    """Dark sensor data with a bright preview: each choice judges its own."""
    preview = np.full((64, 96, 3), 235, np.uint8)
    file = write_dng(tmp_path / "a.dng", np.full((64, 96, 3), 0.01), preview=preview)
    rows = [json.loads(luxel(command, file, "--json", "--raw", raw).output) for raw in ("neutral", "preview")]
    if command == "assess":
        assert rows[0]["under"] > 0.9 > 0.1 > rows[0]["over"]
        assert rows[1]["over"] > 0.9
        assert rows[1]["notes"][0].startswith("embedded preview of 96 x 64")
    elif command == "light":
        assert rows[0]["ev"] != rows[1]["ev"]
        assert rows[0]["raw"] == rows[1]["raw"]  # the sensor's room does not depend on what is shown
        assert rows[1]["scene_stops"] is None
    else:
        assert rows[0] != rows[1]


def test_the_report_shows_the_preview(luxel: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_dng(tmp_path / "in" / "a.dng", np.full((64, 96, 3), 0.01), preview=np.full((64, 96, 3), 235, np.uint8))
    result = luxel("report", tmp_path / "in", "--out", tmp_path / "page.html", "--raw", "preview")
    assert result.exit_code == 0, result.output
    assert "embedded preview of 96 x 64" in (tmp_path / "page.html").read_text()
