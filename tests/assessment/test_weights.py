"""Finding weights and knowing which they are."""

import hashlib
import json
from pathlib import Path

import pytest

from luxel.assessment import weights
from luxel.errors import WeightsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"some weights")
    return path


def test_a_given_file_is_taken_and_named_after_itself(file: Path) -> None:
    assert weights.locate(file) == file
    assert weights.locate(str(file)) == file
    assert weights.describe(file) == weights.WeightsInfo("mine", hashlib.sha256(b"some weights").hexdigest())
    assert weights.metadata(file) == {}


def test_metadata_give_the_name_and_are_checked_against_the_file(file: Path) -> None:
    digest = hashlib.sha256(b"some weights").hexdigest()
    facts = {"name": "pieanet 3", "sha256": {"mine.onnx": digest}, "licence": "Apache-2.0"}
    file.with_suffix(".json").write_text(json.dumps(facts))
    assert weights.metadata(file) == facts
    assert weights.describe(file) == weights.WeightsInfo("pieanet 3", digest)
    file.write_bytes(b"other weights")
    with pytest.raises(WeightsError, match=r"mine\.onnx: SHA-256 is [0-9a-f]{12}, its metadata say " + digest[:12]):
        weights.describe(file)


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"name": 3, "sha256": {}}', '{"name": "x", "sha256": "abc"}'])
def test_broken_metadata_are_rejected(file: Path, text: str) -> None:
    file.with_suffix(".json").write_text(text)
    with pytest.raises(WeightsError, match=r"mine\.json: ") as caught:
        weights.describe(file)
    assert "\n" not in str(caught.value)


def test_missing_and_wrong_files_are_rejected(file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        weights.locate(tmp_path / "absent.onnx")
    with pytest.raises(WeightsError, match=r"end in \.onnx here; \.safetensors is needed"):
        weights.locate(file, suffixes=(".safetensors",))
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.describe(tmp_path)


def test_shipped_weights_are_the_ones_their_metadata_state() -> None:
    path = weights.locate()
    assert weights.describe(path).sha256 == weights.metadata(path)["sha256"][path.name]


def test_the_package_holds_one_set_of_weights() -> None:
    """They are most of the wheel, which stays below 10 MB."""
    assert {file.name for file in weights.SHIPPED.iterdir()} == {"pieanet.onnx", "pieanet.json"}
    package = weights.SHIPPED.parents[1]
    files = [file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert sum(file.stat().st_size for file in files) < 10_000_000
