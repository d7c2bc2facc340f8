"""The container files, as far as they can be checked without a container: what they name exists, and it starts."""

import fnmatch
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

pytest.importorskip("prometheus_client", reason="the extra serve is not installed")
pytest.importorskip("yaml", reason="PyYAML, which reads compose.yaml, is not installed")

import yaml

from luxel.cli import app
from luxel.images.writing import png_bytes
from stand_ins.servers import ask

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions() -> list[tuple[str, str]]:
    """Every instruction of the Dockerfile with its arguments."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined if line)]


def last_stage() -> dict[str, str]:
    """Instructions of the stage that runs; of two of a kind the last."""
    found = instructions()
    start = max(n for n, (word, _) in enumerate(found) if word == "FROM")
    return dict(found[start:])


def variables() -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(last_stage()["ENV"]))


def settings_of_serve() -> set[str]:
    """Variables that `luxel serve` reads."""
    command: Any = typer.main.get_command(app)
    return {f"LUXEL_SERVE_{option.name.upper()}" for option in command.commands["serve"].params}


def test_the_build_copies_what_exists() -> None:
    copied = [args.split()[:-1] for word, args in instructions() if word == "COPY" and "--from" not in args]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []
    assert [name for names in copied for name in names if f"!{name}" not in ignored] == []
    needed = {"pyproject.toml", "constraints.txt", "src", PROJECT["readme"], *PROJECT["license-files"]}
    assert needed <= {name for names in copied for name in names}


def test_what_pip_installs_is_pinned() -> None:
    lines = [shlex.split(args) for word, args in instructions() if word == "RUN" and "pip install" in args]
    assert lines
    pinned = {re.split("==", line)[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for line in lines:
        assert line[line.index("-c") + 1] == "constraints.txt"
        extras = re.fullmatch(r"\.\[([\w,-]+)\]", line[-1])
        assert extras, line
        assert "serve" in extras[1].split(",")
        needed = [
            *PROJECT["dependencies"],
            *(p for e in extras[1].split(",") for p in PROJECT["optional-dependencies"][e]),
        ]
        names = {re.split(r"[<>=\[;]", requirement)[0].lower() for requirement in needed}
        assert names <= pinned


def test_the_image_runs_without_rights() -> None:
    stage = last_stage()
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", stage["USER"])
    assert set(variables()) >= {"LUXEL_SERVE_HOST", "LUXEL_SERVE_PORT"}
    assert {name for name in variables() if name.startswith("LUXEL_SERVE")} <= settings_of_serve()
    assert stage["EXPOSE"] == variables()["LUXEL_SERVE_PORT"]
    build = PROJECT["requires-python"].removeprefix(">=")
    assert all(fnmatch.fnmatch(args.split()[0], f"python:{build}-*") for word, args in instructions() if word == "FROM")


def test_compose_takes_rights_away() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["luxel"]
    assert service["read_only"] is True
    assert service["user"] == last_stage()["USER"]
    assert service["cap_drop"] == ["ALL"]
    assert [mount.partition(":")[0] for mount in service["tmpfs"]] == ["/tmp"]
    assert set(service["environment"]) <= settings_of_serve()
    assert service["ports"] == [f"127.0.0.1:8080:{variables()['LUXEL_SERVE_PORT']}"]


def test_the_entry_command_is_healthy_and_stops(tmp_path: Path) -> None:
    stage = last_stage()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    scratch, place = tmp_path / "tmp", tmp_path / "place"
    scratch.mkdir()
    place.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"LUXEL_SERVE_HOST": "127.0.0.1", "LUXEL_SERVE_PORT": str(port), "LUXEL_SERVE_JOBS": "1"}
    environment = {**os.environ, **variables(), **own, "PATH": path, "TMPDIR": str(scratch)}
    healthy = json.loads(stage["HEALTHCHECK"].partition("CMD ")[2])
    check = {"env": environment, "cwd": place, "capture_output": True}
    server = subprocess.Popen(json.loads(stage["ENTRYPOINT"]), env=environment, cwd=place, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 90
        while subprocess.run(healthy, check=False, **check).returncode:
            assert server.poll() is None, "it ended"
            assert time.monotonic() < end, "it does not start"
        while ask(port, "GET", "/readyz").status != 200:
            assert time.monotonic() < end, "it does not get ready"
            time.sleep(0.05)
        picture = png_bytes(np.full((64, 64, 3), 90, np.uint8))
        assert ask(port, "POST", "/v1/assess", picture, accept="image/png").status == 200
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=60)
    finally:
        server.kill()
    assert server.returncode == 0, said
    assert json.loads(said.splitlines()[-1])["status"] == 200
    assert list(scratch.iterdir()) == list(place.iterdir()) == []
    assert subprocess.run(healthy, check=False, **check).returncode != 0
