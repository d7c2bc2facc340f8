"""Regions: label pictures, superpixels, a segmentation checkpoint; what a map says about each."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from luxel.errors import RegionsError
from luxel.regions import regions
from luxel.regions.regions import LabelRegions, label_regions, read_regions, statistics
from luxel.residual import over_area, people_score, under_area

RNG = np.random.default_rng(5)


def save_labels(path: Path, labels: np.ndarray, mode: str = "L") -> Path:
    kinds = {"L": np.uint8, "P": np.uint8, "I;16": np.uint16, "1": bool, "RGB": np.uint8}
    if mode == "RGB":
        labels = np.repeat(labels[..., None], 3, axis=2)
    picture = Image.fromarray(labels.astype(kinds[mode]))
    if mode == "P":
        picture = picture.convert("P") if picture.mode != "L" else picture
        palette = Image.new("P", picture.size)
        palette.putpalette([value for n in range(256) for value in (n * 7 % 256, n * 13 % 256, n)])
        palette.frombytes(labels.astype(np.uint8).tobytes())
        picture = palette
    picture.save(path)
    return path


LABELS = np.zeros((6, 8), dtype=np.int32)
LABELS[:3], LABELS[3:, :4], LABELS[3:, 4:6] = 1, 2, 7


# --- statistics -----------------------------------------------------------------------------------------------------


def test_labels_and_masks_say_the_same_and_what_the_definitions_say() -> None:
    labels = RNG.integers(0, 6, (40, 50))
    residual = RNG.uniform(-1, 1, labels.shape).astype(np.float32)
    names = {1: "sky", 2: "face", 4: "sky", 9: "sea"}
    by_labels = LabelRegions(labels, names)
    fast = statistics(residual, by_labels, over=0.2, under=0.4)
    slow = statistics(residual, dict(by_labels), over=0.2, under=0.4)
    assert [of.name for of in fast] == [of.name for of in slow] == ["sky", "face", "sea"]
    for quick, plain in zip(fast[:2], slow[:2], strict=True):
        pixels = residual[by_labels[quick.name]]
        assert plain.over == over_area(pixels, 0.2)
        assert plain.under == under_area(pixels, 0.4)
        assert plain.score == people_score(pixels)
        for key, value in quick.to_dict().items():
            assert value == (plain.to_dict()[key] if key == "name" else pytest.approx(plain.to_dict()[key], abs=1e-7))
    assert fast[2] == slow[2]
    assert (fast[2].area, fast[2].over) == (0, None)


def test_areas_of_all_regions_add_up_and_their_means_to_that_of_the_map() -> None:
    labels = RNG.integers(0, 30, (64, 64))
    residual = RNG.uniform(-1, 1, labels.shape).astype(np.float32)
    found = statistics(residual, label_regions(labels, labels.shape))
    assert sum(of.area for of in found) == pytest.approx(1)
    assert sum(of.area * (of.mean or 0) for of in found) == pytest.approx(float(residual.mean()), abs=1e-6)
    assert sum(of.area * (of.over or 0) for of in found) == pytest.approx(over_area(residual))


def test_sentences() -> None:
    residual = np.zeros((10, 10), dtype=np.float32)
    residual[:, :5] = -0.5
    residual[:1, 5:] = 0.5
    masks = {name: np.zeros((10, 10), dtype=bool) for name in ("sky", "face", "sea", "none")}
    masks["sky"].ravel()[[*range(5), *range(10, 15)]] = True
    masks["face"][0, 3:9] = True
    masks["sea"][5:, 5:] = True
    assert [of.sentence() for of in statistics(residual, masks)] == [
        "sky: 100 % overexposed",
        "face: 33 % overexposed, 67 % underexposed",
        "sea: well exposed",
        "none: not in this picture",
    ]


def test_regions_of_another_size_than_the_map_are_rejected() -> None:
    with pytest.raises(RegionsError, match="region 'a' is 4 x 4 but the map 5 x 4"):
        statistics(np.zeros((4, 5)), {"a": np.zeros((4, 4), dtype=bool)})
    with pytest.raises(RegionsError, match="regions are 4 x 4 but the map 5 x 4"):
        statistics(np.zeros((4, 5)), LabelRegions(np.zeros((4, 4), dtype=int), {0: "a"}))


# --- label pictures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_label_pictures_keep_their_numbers(tmp_path: Path, mode: str) -> None:
    path = save_labels(tmp_path / "mask.png", LABELS, mode)
    assert Image.open(path).mode.startswith(mode[0])
    found = read_regions(path, LABELS.shape)
    assert list(found) == ["region 1", "region 2", "region 7"]
    for label in (1, 2, 7):
        assert np.array_equal(found[f"region {label}"], label == LABELS)


def test_sixteen_bit_labels_above_255(tmp_path: Path) -> None:
    path = save_labels(tmp_path / "mask.png", LABELS * 5000, "I;16")
    assert np.array_equal(read_regions(path, LABELS.shape)["region 35000"], LABELS == 7)


def test_a_black_and_white_mask_is_one_region(tmp_path: Path) -> None:
    path = save_labels(tmp_path / "mask.png", LABELS == 7, "1")
    found = read_regions(path, LABELS.shape)
    assert list(found) == ["region 1"]
    assert np.array_equal(found["region 1"], LABELS == 7)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mask.json", '{"1": "sky", "2": "face", "7": "sky"}'),
        ("mask.toml", '1 = "sky"\n2 = "face"\n7 = "sky"\n'),
        ("other.json", '["rest", "sky", "face", "-", "-", "-", "-", "sky"]'),
    ],
)
def test_names_beside_a_label_picture_or_given(tmp_path: Path, name: str, text: str) -> None:
    path = save_labels(tmp_path / "mask.png", LABELS)
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_regions(path, LABELS.shape, names=tmp_path / name if name == "other.json" else None)
    assert np.array_equal(found["sky"], np.isin(LABELS, (1, 7)))
    assert np.array_equal(found["face"], LABELS == 2)


def test_masks_are_scaled_onto_a_map_of_the_same_shape(tmp_path: Path) -> None:
    path = save_labels(tmp_path / "mask.png", LABELS)
    twice = read_regions(path, (12, 16))["region 2"]
    assert np.array_equal(twice, np.kron(LABELS == 2, np.ones((2, 2), dtype=bool)))
    half = read_regions(path, (3, 4))["region 1"]
    assert half.shape == (3, 4)
    with pytest.raises(
        RegionsError, match="regions of 8 x 6 do not belong to a picture of 6 x 8; make them from the up"
    ):
        read_regions(path, (8, 6))


def test_bad_label_pictures(tmp_path: Path) -> None:
    def fails(path: Path, expected: str, **options: Any) -> None:
        with pytest.raises(RegionsError, match=expected) as caught:
            read_regions(path, LABELS.shape, **options)
        assert "\n" not in str(caught.value)

    good = save_labels(tmp_path / "good.png", LABELS)
    fails(tmp_path / "gone.png", "no such region file")
    fails(tmp_path, "no such region file")
    fails(save_labels(tmp_path / "colour.png", LABELS, "RGB"), "one channel of numbers, this one is RGB")
    fails(save_labels(tmp_path / "zero.png", LABELS * 0), "every pixel is 0")
    (tmp_path / "text.png").write_text("hello")
    fails(tmp_path / "text.png", "not a label picture that can be read")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:60])
    fails(tmp_path / "cut.png", "not a label picture that can be read")
    fails(good, "no such file of names", names=tmp_path / "gone.json")
    for text in ('{"a": "sky"}', '{"1": 3}', "3", "{}", '{"-1": "x"}'):
        (tmp_path / "names.json").write_text(text)
        fails(good, "names look like", names=tmp_path / "names.json")
    (tmp_path / "names.json").write_text("{")
    fails(good, "names cannot be read", names=tmp_path / "names.json")
    (tmp_path / "names.json").write_text('{"3": "sky"}')
    fails(good, r"its labels \(0, 1, 2, 7\) have no names; the names are for 3", names=tmp_path / "names.json")


def test_huge_label_pictures_are_rejected_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_labels(tmp_path / "mask.png", LABELS)
    monkeypatch.setattr(regions, "MAX_MEGAPIXELS", 1e-5)
    with pytest.raises(RegionsError, match="8 x 6 is over 1e-05 megapixels"):
        read_regions(path, LABELS.shape)


# --- superpixels and segmentation -----------------------------------------------------------------------------------


def test_superpixels_become_regions() -> None:
    superpixels = pytest.importorskip("luxel.dataset.reference.superpixels")
    image = np.zeros((60, 90, 3), dtype=np.float32)
    image[:, 45:] = 1
    found = label_regions(superpixels.blocks(image, count=12), (120, 180))
    assert len(found) > 3
    assert all(name.startswith("block ") for name in found)
    assert sum(mask.sum() for mask in found.values()) == 120 * 180
    residual = np.where(np.arange(180) < 90, 0.5, -0.5) * np.ones((120, 1), dtype=np.float32)
    # Blocks follow the edge, so that each is wrong to one side only, but for a pixel column at the edge itself.
    assert all(max(of.over or 0, of.under or 0) > 0.9 for of in statistics(residual, found))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SegFormer of three classes, randomly initialised, saved as transformers saves any checkpoint."""
    transformers = pytest.importorskip("transformers", reason="transformers is the extra luxel[segment]")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("checkpoint")
    names = {0: "sky", 1: "face", 2: "tree"}
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=names,
        label2id={name: label for label, name in names.items()},
    )
    torch.manual_seed(0)
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    preparation = {"image_processor_type": "SegformerImageProcessor", "size": {"height": 64, "width": 64}}
    (folder / "preprocessor_config.json").write_text(json.dumps(preparation))
    return folder


def test_a_segmentation_checkpoint_gives_its_classes_at_the_size_of_the_picture(checkpoint: Path) -> None:
    from luxel.regions.segmentation import Segmenter

    segmenter = Segmenter(checkpoint)
    image = RNG.integers(0, 256, (50, 2300, 3)).astype(np.uint8)
    found = segmenter(image)
    assert list(found) == ["sky", "face", "tree"]
    assert found.labels.shape == (50, 2300)
    assert np.stack(list(found.values())).sum(axis=0).min() == 1, "every pixel has one class"
    again = segmenter(image.astype(np.float32) / 255)
    assert np.mean(again.labels == found.labels) > 0.99
    assert [of.name for of in statistics(np.zeros((50, 2300)), found)] == ["sky", "face", "tree"]


def test_segmentation_agrees_with_the_network_run_by_hand(checkpoint: Path) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

    from luxel.regions.segmentation import Segmenter

    image = RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    network = AutoModelForSemanticSegmentation.from_pretrained(checkpoint).eval()
    inputs = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")(images=image, return_tensors="pt")
    with torch.no_grad():
        logits = network(**inputs).logits
    wide = torch.nn.functional.interpolate(logits, (64, 64), mode="bilinear", align_corners=False)
    assert np.array_equal(Segmenter(checkpoint)(image).labels, wide.argmax(1)[0].numpy())


def test_checkpoints_that_cannot_be_used(checkpoint: Path, tmp_path: Path) -> None:
    from luxel.regions.segmentation import Segmenter

    with pytest.raises(RegionsError, match="no such folder; give one that holds a transformers checkpoint"):
        Segmenter(tmp_path / "gone")
    with pytest.raises(RegionsError, match="cannot be loaded for semantic segmentation") as caught:
        Segmenter(tmp_path)
    assert "\n" not in str(caught.value)
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in checkpoint.iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[: 300 if file.suffix == ".safetensors" else None])
    with pytest.raises(RegionsError, match="cannot be loaded for semantic segmentation"):
        Segmenter(broken)


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from luxel.errors import MissingExtraError
    from luxel.regions.segmentation import Segmenter

    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="pip install transformers"):
        Segmenter(tmp_path)
