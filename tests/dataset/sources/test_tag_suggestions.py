"""Suggested tags: tone from the picture, scene and light from a CLIP checkpoint, and the way into a dataset."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from luxel import images
from luxel.cli import app
from luxel.dataset.reference.bracket import frame
from luxel.dataset.sources.scan import scan_sources
from luxel.dataset.sources.tag_suggestions import (
    PROMPTS,
    ScenePicture,
    Tagger,
    prompts,
    scene_picture,
    suggest,
    write_suggestions,
)
from luxel.dataset.sources.taxonomy import load_taxonomy, read_tags
from luxel.errors import DatasetError, MissingExtraError
from luxel.photometry import lightness
from luxel.samples.procedural import procedural_scene
from stand_ins.exif_files import TAG, save_with_exif

TAXONOMY = load_taxonomy()


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bracket of three frames, two photographs, and a file that is not an image inside."""
    folder = tmp_path_factory.mktemp("material")
    light = procedural_scene(np.random.default_rng(4), height=64, width=96)
    (folder / "bracket").mkdir()
    (folder / "photos").mkdir()
    lines = ["file,exposure_s"]
    for i, ev in enumerate((-4, 0, 4)):
        images.write(folder / "bracket" / f"f{i}.png", frame(light, ev))
        lines.append(f"f{i}.png,{2.0**ev / 60}")
    (folder / "bracket" / "bracket.csv").write_text("\n".join(lines) + "\n")
    images.write(folder / "photos" / "night.png", frame(light, -3))
    images.write(folder / "photos" / "snow.png", frame(light, 3))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of one layer, randomly initialised, saved as transformers saves any checkpoint."""
    transformers = pytest.importorskip("transformers", reason="transformers is the extra luxel[tags]")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    small: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    small |= {"num_attention_heads": 2, "projection_dim": 8}
    ends = {"bos_token_id": 188, "eos_token_id": 189, "pad_token_id": 189}
    text = {**small, **ends, "vocab_size": 190, "max_position_embeddings": 32}
    vision = {**small, "image_size": 32, "patch_size": 8}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    transformers.CLIPModel(config).save_pretrained(folder)
    letters = [chr(i) for i in range(33, 127)]  # their byte-level alphabet for plain English
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(
        vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=32
    ).save_pretrained(folder)
    preparation = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preparation))
    return folder


# Tone.


def test_tone_rises_with_exposure() -> None:
    light = procedural_scene(np.random.default_rng(1), height=64, width=96)
    order = ["dark", "neutral", "clear"]
    medians = [float(np.median(lightness(frame(light, ev)))) for ev in (-4, -2, 0, 2, 4)]
    found = [order.index(ScenePicture(frame(light, 0), median).tone) for median in medians]
    assert found == sorted(found)
    assert (found[0], found[2], found[-1]) == (0, 1, 2)


def skyline() -> np.ndarray:
    """Light of a night: a glowing sky, black houses below, a few lit windows fifty times as bright."""
    rng = np.random.default_rng(8)
    light = np.full((96, 128, 3), 0.01, np.float32) * rng.uniform(0.9, 1.1, (96, 128, 1)).astype(np.float32)
    light[60:] = 0.0004
    light[rng.integers(60, 96, 40), rng.integers(0, 128, 40)] = 0.5
    return light


@pytest.mark.parametrize("facts", [{}, {"f_number": 8.0, "iso": 100}])
def test_a_night_is_dark_however_long_it_was_exposed(facts: dict[str, float], tmp_path: Path) -> None:
    """Its best exposed frame is a bright one."""
    columns = "".join(f",{name}" for name in facts)
    values = "".join(f",{value}" for value in facts.values())
    evs = range(-2, 6) if not facts else range(3, 6)  # without the facts the bracket's middle must say it
    lines = [f"file,exposure_s{columns}"]
    for ev in evs:
        images.write(tmp_path / f"{ev}.png", frame(skyline(), ev))
        lines.append(f"{ev}.png,{2.0**ev}{values}")
    (tmp_path / "bracket.csv").write_text("\n".join(lines) + "\n")
    [source] = scan_sources([tmp_path])
    picture = scene_picture(source)
    assert np.median(lightness(picture.pixels)) > 0.5, "the test could not fail"
    assert picture.tone == "dark"


@pytest.mark.parametrize(("seconds", "tone"), [(30.0, "dark"), (1 / 250, "clear")])
def test_one_photograph_by_the_light_the_camera_had(seconds: float, tone: str, tmp_path: Path) -> None:
    exif = {TAG.ExposureTime: seconds, TAG.FNumber: 8.0, TAG.ISOSpeedRatings: 100}
    save_with_exif(tmp_path / "a.jpg", np.full((48, 64, 3), 180, np.uint8), exif)
    [source] = scan_sources([tmp_path])
    assert scene_picture(source).tone == tone


# What a scene is judged by.


def test_a_bracket_is_judged_by_its_best_exposed_frame(material: Path) -> None:
    [source] = scan_sources([material / "bracket"])
    np.testing.assert_array_equal(scene_picture(source).pixels, images.read(material / "bracket" / "f1.png").pixels)


def test_without_a_checkpoint_only_the_tone_is_suggested(material: Path, tmp_path: Path) -> None:
    rows = {row.name.rpartition("-")[2]: row for row in suggest(scan_sources([material / "photos"]))}
    assert (rows["night"].tone, rows["snow"].tone) == ("dark", "clear")
    assert all(row.scene == row.light == "" and row.scene_probability is None for row in rows.values())
    assert write_suggestions(tmp_path / "tags.csv", rows.values()) == 2
    tags = read_tags(tmp_path / "tags.csv", TAXONOMY)
    assert {name: tag["tone"] for name, tag in tags.items()} == {row.name: row.tone for row in rows.values()}
    with pytest.raises(DatasetError, match="may hold corrections"):
        write_suggestions(tmp_path / "tags.csv", [])


def test_a_picture_that_cannot_be_used_is_a_row_with_the_reason(material: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    images.write(tmp_path / "good.png", images.read(material / "photos" / "snow.png").pixels)
    rows = {row.name.rpartition("-")[2]: row for row in suggest(scan_sources([tmp_path]))}
    assert "bad.png" in rows["bad"].failed
    assert rows["good"].tone == "clear"
    assert write_suggestions(tmp_path / "tags.csv", rows.values()) == 1


# The network.


def test_prompts_are_plain_words_for_every_name() -> None:
    for axis in PROMPTS:
        for name in TAXONOMY.names(axis):
            found = prompts(axis, name, TAXONOMY)
            assert len(set(found)) == len(found) == len(PROMPTS[axis])
            assert all(name.replace("_", " ") in prompt and "_" not in prompt and "{" not in prompt for prompt in found)


def test_probabilities_agree_with_the_network_run_by_hand(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one prompt per name they are the softmax of what CLIP's own forward pass gives."""
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    one = {"scene": ("a photo of {name}.",), "light": ("{name} light",)}
    monkeypatch.setattr("luxel.dataset.sources.tag_suggestions.PROMPTS", one)
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    found = Tagger(checkpoint, TAXONOMY)(picture)
    network = CLIPModel.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    image = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")(images=picture, return_tensors="pt")
    for axis, shares in found.items():
        names = TAXONOMY.names(axis)
        assert list(shares) == list(names)
        assert sum(shares.values()) == pytest.approx(1)
        texts = [one[axis][0].format(name=name.replace("_", " ")) for name in names]
        with torch.no_grad():
            logits = network(**tokenizer(texts, padding=True, return_tensors="pt"), **image).logits_per_image[0]
        np.testing.assert_allclose(list(shares.values()), torch.softmax(logits, 0).numpy(), rtol=1e-3)


def test_a_picture_is_judged_alone_and_given_tags_stay(checkpoint: Path, material: Path, tmp_path: Path) -> None:
    tagger = Tagger(checkpoint, TAXONOMY)
    (tmp_path / "given.csv").write_text("name,scene,light\nnight.png,stars,\n")
    sources = scan_sources([material / "photos"], tags=tmp_path / "given.csv")
    forth, back = list(suggest(sources, tagger)), list(suggest(sources[::-1], tagger))
    assert forth == back[::-1]
    night = next(row for row in forth if row.name.endswith("night"))
    assert (night.scene, night.scene_probability) == ("stars", None)
    assert night.light in TAXONOMY.light
    assert 1 / len(TAXONOMY.light) <= (night.light_probability or 0) <= 1
    assert "scene:" not in night.suggested_by
    assert f"light: {checkpoint.name}" in night.suggested_by


def test_checkpoints_that_cannot_be_used(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        Tagger(tmp_path / "gone", TAXONOMY)
    with pytest.raises(DatasetError, match="cannot be loaded as CLIP") as caught:
        Tagger(tmp_path, TAXONOMY)
    assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match="needs --download"):  # and nothing is fetched
        Tagger("nobody/no-such-checkpoint", TAXONOMY)


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="pip install transformers"):
        Tagger(tmp_path, TAXONOMY)


# The command.


def test_suggestions_come_back_as_tags_of_the_scenes(checkpoint: Path, material: Path, tmp_path: Path) -> None:
    out = tmp_path / "tags.csv"
    shown = CliRunner().invoke(app, ["dataset", "tags", str(material), "--out", str(out), "--model", str(checkpoint)])
    assert shown.exit_code == 0, shown.output
    with out.open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    tagged = scan_sources([material], tags=out)
    assert {source.scene_id for source in tagged} == rows.keys()
    for source in tagged:
        assert source.tags == {axis: rows[source.scene_id][axis] for axis in ("scene", "light", "tone")}
        assert all(source.tags.values())
    again = CliRunner().invoke(app, ["dataset", "tags", str(material), "--out", str(out)])
    assert again.exit_code == 2
    assert "may hold corrections" in again.stderr
