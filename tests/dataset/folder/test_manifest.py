"""Manifest, splits, card, Croissant metadata and coverage page, from rows alone."""

import json
import re
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from luxel.dataset.folder import card, coverage
from luxel.dataset.folder.croissant import croissant_problem, write_croissant
from luxel.dataset.folder.manifest import (
    FrameRow,
    read_json,
    read_manifest,
    row_from,
    scene_rows,
    scenes_of,
    schema,
    sha256_of,
    write_json,
    write_manifest,
)
from luxel.dataset.folder.splits import NAMES, SHARES, assign, leaks, split_rows
from luxel.dataset.folder.upkeep import BuildSettings
from luxel.dataset.sources.taxonomy import load_taxonomy
from luxel.errors import DatasetError
from luxel.jobs.atomic import hidden_name

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def a_row(scene: str = "alley", level: str = "P0", **more: object) -> FrameRow:
    place = f"scenes/{scene}"
    facts = {
        "scene_id": scene,
        "level": level,
        "group": scene,
        "kind": "bracket",
        "ev": 0.0,
        "width": 768,
        "height": 512,
        "image": f"{place}/{level}.png",
        "reference": f"{place}/reference.png",
        "residual": f"{place}/{level}.residual.png",
        "confidence": f"{place}/{level}.confidence.png",
        "flags": f"{place}/{level}.flags.png",
        "image_sha256": "a" * 64,
        "reference_sha256": "b" * 64,
        "residual_sha256": "c" * 64,
        "confidence_sha256": "d" * 64,
        "flags_sha256": "e" * 64,
        "device": "Test camera",
        "lens": None,
        "iso": 100.0,
        "exposure_s": 1 / 60,
        "f_number": None,
        "scene": "",
        "light": "backlight",
        "tone": "",
        "source": "alley.jpg",
        "licence": "CC0-1.0",
        "score": 8.25,
        "score_source": "map",
        "over": 0.125,
        "under": 0.25,
        "confidence_mean": 0.9,
        "severe": 0.0,
        "cleaned": 0.001,
        "moving": 0.0,
        "experts": "",
    }
    return FrameRow(**{**facts, **more})  # type: ignore[arg-type]


def many_rows(scenes: int) -> list[FrameRow]:
    return split_rows(
        [a_row(f"s{n:03}", level, ev=ev) for n in range(scenes) for level, ev in (("N1", -1.0), ("P1", 1.0))]
    )


def test_rows_come_back_exactly(tmp_path: Path) -> None:
    rows = [
        *many_rows(3),
        a_row("given", ev=None, confidence=None, flags=None, confidence_sha256=None, flags_sha256=None),
    ]
    write_manifest(tmp_path / "m.parquet", rows)
    assert read_manifest(tmp_path / "m.parquet") == rows


def test_the_manifest_is_plain_parquet_anybody_can_read(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", many_rows(2))
    table = pq.read_table(tmp_path / "m.parquet")
    assert table.column_names == [field.name for field in fields(FrameRow)]
    assert table.schema.field("score").type == pa.float64()
    assert table.schema.field("lens").nullable
    assert not table.schema.field("image").nullable
    assert Counter(table["scene_id"].to_pylist()) == {"s000": 2, "s001": 2}


def test_an_empty_manifest_is_a_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", [])
    assert read_manifest(tmp_path / "m.parquet") == []


def test_wrong_manifests_are_named(tmp_path: Path) -> None:
    place = tmp_path / "m.parquet"
    with pytest.raises(DatasetError, match="no manifest"):
        read_manifest(place)
    place.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DatasetError, match="cannot be read as a manifest"):
        read_manifest(place)
    pq.write_table(pa.table({"scene_id": ["x"]}), place)
    with pytest.raises(DatasetError, match="no column 'level'"):
        read_manifest(place)


def test_a_row_of_another_luxel_is_rejected() -> None:
    with pytest.raises(DatasetError, match=r"unknown key 'mood'.*newer"):
        row_from({"mood": "blue"}, "scene.json")
    with pytest.raises(DatasetError, match="has no level"):
        row_from({"scene_id": "x"}, "scene.json")


def test_the_checksum_of_an_empty_file_is_known(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty") == EMPTY_SHA256


def test_json_must_be_an_object_of_finite_numbers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(DatasetError, match="list"):
        read_json(tmp_path / "x.json")


def test_scenes_being_written_are_not_read(tmp_path: Path) -> None:
    for name in (hidden_name(), "y"):
        (tmp_path / "scenes" / name).mkdir(parents=True)
        record = {field.name: getattr(a_row(name), field.name) for field in fields(FrameRow)}
        facts = {"format": 1, "scene_id": name, "group": name, "kind": "bracket"}
        write_json(tmp_path / "scenes" / name / "scene.json", {**facts, "rows": [record]})
    assert [row.scene_id for row in scene_rows(tmp_path, pytest.fail)] == ["y"]


def test_every_group_gets_one_split_whatever_their_order() -> None:
    for n in range(40):
        groups = [f"group {i % 17} ü{n}" for i in range(n)]
        split = assign(groups, seed=n)
        assert split.keys() == set(groups)
        assert set(split.values()) <= set(NAMES)
        assert assign(reversed(groups), seed=n) == split


def test_shares_are_kept_to_within_one_group() -> None:
    for n in range(0, 400, 7):
        counts = Counter(assign([f"g{i}" for i in range(n)], seed=1).values())
        for name, share in zip(NAMES, SHARES, strict=True):
            assert abs(counts[name] - n * share) <= 1.5
        if n >= 3:
            assert min(counts[name] for name in NAMES) >= 1


def test_seeds_differ_and_one_seed_is_always_the_same() -> None:
    groups = [f"g{i}" for i in range(50)]
    splits = [tuple(sorted(assign(groups, seed=seed).items())) for seed in range(5)]
    assert len(set(splits)) == 5
    # Pinned: a published split must never change under a new version.
    test = sorted(group for group, name in assign(groups, seed=0).items() if name == "test")
    assert test == ["g13", "g16", "g22", "g31", "g35"]


def test_a_share_of_zero_stays_empty() -> None:
    assert set(assign([f"g{i}" for i in range(10)], seed=0, shares=(0.7, 0.3, 0)).values()) == {"train", "val"}


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.2, -0.1), (0.5, 0.2, 0.2)])
def test_shares_that_make_no_sense_are_rejected(shares: tuple[float, ...]) -> None:
    with pytest.raises(DatasetError, match="sum to 1"):
        assign(["a"], seed=0, shares=shares)


def test_views_of_one_panorama_are_never_parted() -> None:
    rows = split_rows([a_row(f"pano{n}@{view}", group=f"pano{n}") for n in range(20) for view in range(5)])
    assert leaks(rows) == []
    for n in range(20):
        assert len({row.splits for row in rows if row.group == f"pano{n}"}) == 1
    spoiled = [replace(rows[0], split_3="train" if rows[0].split_3 != "train" else "test"), *rows[1:]]
    assert [(column, name) for column, name, _ in leaks(spoiled)] == [("split_3", f"group {rows[0].group}")]


def test_a_split_that_a_frame_came_with_is_kept() -> None:
    rows = split_rows([a_row("x", split="val"), a_row("y")])
    assert rows[0].split == "val"
    assert rows[1].split == rows[1].split_0


RECORD = {
    "name": "Test set",
    "settings": BuildSettings().facts(),
    "split": {"seed": 0, "shares": list(SHARES)},
    "luxel": "0.1.0",
    "datePublished": "2026-11-23",
}
FAILED = {"scene_id": "x", "state": "failed", "reason": "truncated <HDR>", "dropped": [], "frames": 0}
DROPPED = {"scene_id": "y", "state": "built", "reason": "", "dropped": [["f.jpg", "SSIM 0.2"]], "frames": 2}


def test_the_card_states_what_the_rows_say() -> None:
    rows = [*many_rows(6), a_row("odd|name", kind="photo", licence="unknown", experts="anna")]
    text = card.card(RECORD, rows, [FAILED, DROPPED])
    assert "13 exposures of 7 scenes" in text
    assert "| bracket | 6 | 12 |" in text
    assert "Corrected by anna" in text
    assert "unknown licence are for your own use only" in text
    assert "1 source scenes failed and 1 frames were dropped" in text
    for column in schema().names:
        assert f"| {column} |" in text
    assert text.startswith("---\nlicense: other\n")


def test_every_table_of_the_card_has_rows_of_its_width() -> None:
    text = card.card(RECORD, [*many_rows(4), a_row("a|b", source="c|d")], [])
    for table in re.findall(r"(?:^\|.*\n)+", text + "\n", re.M):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_croissant_points_at_the_manifest(tmp_path: Path) -> None:
    rows = many_rows(3)
    write_manifest(tmp_path / "manifest.parquet", rows)
    write_croissant(tmp_path, RECORD, rows)
    record = json.loads((tmp_path / "croissant.json").read_text())
    assert record["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert record["distribution"][0]["sha256"] == sha256_of(tmp_path / "manifest.parquet")
    assert [f["name"] for f in record["recordSet"][0]["field"]] == schema().names
    assert croissant_problem(tmp_path) == ""
    write_manifest(tmp_path / "manifest.parquet", rows[:1])
    assert "checksum" in croissant_problem(tmp_path)
    (tmp_path / "croissant.json").write_text("{}")
    assert "cannot be read" in croissant_problem(tmp_path)


def test_columns_are_all_described() -> None:
    assert list(card.COLUMNS) == schema().names


def test_levels_of_real_frames_that_share_a_stop_count_together() -> None:
    rows = [a_row("s", "P1b", ev=1.2), a_row("s", "N2", ev=-2.0), a_row("s", "P1", ev=0.9)]
    assert [(level, len(group)) for level, group in card.by_level(rows).items()] == [("N2", 1), ("P1", 2)]


def test_thin_and_missing() -> None:
    rows = [a_row(f"a{n}", tone="dark") for n in range(40)] + [a_row(f"b{n}", tone="clear") for n in range(4)]
    found = coverage.rare(coverage.counts(rows, load_taxonomy()), {"tone": ["dark", "clear", "neutral"]})
    assert found == {"tone": (["clear"], ["neutral"])}


def test_levels_beyond_the_nine_are_neither_thin_nor_missed(tmp_path: Path) -> None:
    rows = [a_row(f"s{n}", level, ev=float(n)) for n in range(8) for level in ("P0", "P1")]
    rows += [a_row("night", level, ev=-6.0) for level in ("N6", "N1")]
    page = coverage.page(tmp_path, "", rows, [])
    assert "<tr><td>exposure</td><td>N1</td><td>N4, N3, N2, P2, P3, P4</td></tr>" in page


def test_shown_scenes_are_of_all_kinds() -> None:
    rows = [a_row(f"p{n:02}", kind="photo") for n in range(50)] + [a_row("b", kind="bracket")]
    shown = coverage.shown(scenes_of(rows), 6)
    assert "b" in shown
    assert len(shown) <= 6
    assert {"p00", "b"} <= set(shown)


def test_the_page_needs_nothing_beside_it_and_escapes_what_it_prints(tmp_path: Path) -> None:
    page = coverage.page(tmp_path, "Test <set>", [a_row("<script>", device="<b>")], [FAILED, DROPPED])
    assert "<script>" not in page
    assert "truncated &lt;HDR&gt;" in page
    assert "SSIM 0.2" in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_a_page_of_nothing_is_a_page(tmp_path: Path) -> None:
    assert "0</b><span>scenes" in coverage.page(tmp_path, "", [], [])
