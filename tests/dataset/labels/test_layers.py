"""Expert layers: stored and read back, merged by the median, agreement against published numbers."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from luxel.dataset.labels.layers import (
    Layer,
    blocks_fingerprint,
    expert_agreement,
    expert_maps,
    icc,
    merge,
    new_layer_id,
    read_layers,
    touched_by,
    write_layer,
)
from luxel.errors import DatasetError

SIZE = (8, 12)
BLOCKS = np.repeat(np.arange(4, dtype=np.int32), 3)[None] * np.ones((8, 1), np.int32)
AUTOMATIC = np.linspace(-0.5, 0.5, 96, dtype=np.float32).reshape(SIZE)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def layer(
    expert: str, amount: float | np.ndarray, *, mode: str = "set", blocks: tuple[int, ...] = (1,), minute: int = 0
) -> Layer:
    made = NOON + timedelta(minutes=minute)
    return Layer(
        id=new_layer_id(expert, made),
        expert=expert,
        made=made.isoformat(),
        mode=mode,  # type: ignore[arg-type]
        amount=amount,
        where=blocks,
        blocks_sha256=blocks_fingerprint(BLOCKS),
    )


def test_no_layer_no_change() -> None:
    merged = merge(AUTOMATIC, expert_maps(AUTOMATIC, [], BLOCKS))
    np.testing.assert_array_equal(merged.residual, AUTOMATIC)
    assert not merged.touched.any()
    assert merged.experts == ()


def test_set_and_add_change_their_blocks_only_and_stay_in_range() -> None:
    maps = expert_maps(AUTOMATIC, [layer("anna", -0.9), layer("anna", 0.8, mode="add", blocks=(3,), minute=1)], BLOCKS)
    merged = merge(AUTOMATIC, maps)
    assert np.all(merged.residual[BLOCKS == 1] == np.float32(-0.9))
    np.testing.assert_allclose(merged.residual[BLOCKS == 3], np.clip(AUTOMATIC[BLOCKS == 3] + 0.8, -1, 1), atol=1e-6)
    np.testing.assert_array_equal(
        merged.residual[(BLOCKS == 0) | (BLOCKS == 2)], AUTOMATIC[(BLOCKS == 0) | (BLOCKS == 2)]
    )
    np.testing.assert_array_equal(merged.touched, (BLOCKS == 1) | (BLOCKS == 3))


def test_one_experts_layers_follow_each_other() -> None:
    first, second = layer("anna", 0.2), layer("anna", 0.1, mode="add", minute=5)
    merged = merge(AUTOMATIC, expert_maps(AUTOMATIC, [first, second], BLOCKS))
    np.testing.assert_allclose(merged.residual[BLOCKS == 1], 0.3, atol=1e-6)


def test_the_median_of_the_experts_who_touched_a_pixel_counts() -> None:
    layers = [layer("anna", 0.1), layer("ben", 0.3), layer("cleo", -0.9), layer("ben", 0.5, blocks=(2,), minute=1)]
    merged = merge(AUTOMATIC, expert_maps(AUTOMATIC, layers, BLOCKS))
    np.testing.assert_allclose(merged.residual[BLOCKS == 1], 0.1, atol=1e-6)
    np.testing.assert_allclose(merged.residual[BLOCKS == 2], 0.5, atol=1e-6)
    assert merged.experts == ("anna", "ben", "cleo")


def test_two_experts_meet_in_the_middle() -> None:
    merged = merge(AUTOMATIC, expert_maps(AUTOMATIC, [layer("anna", 0.1), layer("ben", 0.4)], BLOCKS))
    np.testing.assert_allclose(merged.residual[BLOCKS == 1], 0.25, atol=1e-6)


def test_the_order_of_experts_does_not_matter() -> None:
    layers = [layer(name, amount) for name, amount in (("anna", 0.1), ("ben", -0.4), ("cleo", 0.7), ("dan", 0.2))]
    one = merge(AUTOMATIC, expert_maps(AUTOMATIC, layers, BLOCKS))
    other = merge(AUTOMATIC, expert_maps(AUTOMATIC, layers[::-1], BLOCKS))
    np.testing.assert_array_equal(one.residual, other.residual)


def test_layers_come_back_from_their_files_in_the_order_they_were_made(tmp_path: Path) -> None:
    painted = np.linspace(-1, 1, 96, dtype=np.float32).reshape(SIZE)
    mask = AUTOMATIC > 0
    late = Layer(
        id="zz",
        expert="Ben",
        made=(NOON + timedelta(hours=1)).isoformat(),
        mode="add",
        amount=painted,
        where=mask,
        note="glare",
    )
    early = layer("anna", -0.9)
    write_layer(tmp_path / "f", late)
    write_layer(tmp_path / "f", early)
    back = read_layers(tmp_path / "f")
    assert [found.id for found in back] == [early.id, "zz"]
    assert back[0] == early
    assert (back[1].expert, back[1].mode, back[1].note, back[1].made) == ("Ben", "add", "glare", late.made)
    np.testing.assert_array_equal(touched_by(back[1], BLOCKS), mask)
    assert isinstance(back[1].amount, np.ndarray)
    np.testing.assert_allclose(back[1].amount, painted, atol=1.6e-5)


def test_order_follows_the_time_not_its_spelling(tmp_path: Path) -> None:
    tokyo = Layer(id="a", expert="x", made="2026-11-23T23:00:00+09:00", mode="set", amount=0.1, where=AUTOMATIC > 0)
    paris = Layer(id="b", expert="x", made="2026-11-23T14:30:00+01:00", mode="set", amount=0.2, where=AUTOMATIC > 0)
    for one in (tokyo, paris):
        write_layer(tmp_path, one)
    assert [found.id for found in read_layers(tmp_path)] == ["b", "a"]


def test_a_layer_is_never_overwritten(tmp_path: Path) -> None:
    write_layer(tmp_path, layer("anna", 0.1))
    with pytest.raises(DatasetError, match="never changed"):
        write_layer(tmp_path, layer("anna", 0.2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": 1.5}, "leaves"),
        ({"amount": float("nan")}, "leaves"),
        ({"mode": "multiply"}, "neither"),
        ({"expert": " "}, "no expert"),
        ({"id": "../escape"}, "file name"),
        ({"made": "yesterday"}, "ISO 8601"),
        ({"made": "2026-11-23T12:00:00"}, "time zone"),
        ({"blocks_sha256": ""}, "which"),
    ],
)
def test_a_wrong_layer_is_rejected(tmp_path: Path, change: dict[str, object], message: str) -> None:
    from dataclasses import replace

    with pytest.raises(DatasetError, match=message):
        write_layer(tmp_path, replace(layer("anna", 0.1), **change))  # type: ignore[arg-type]
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 99}', "not json"])
def test_a_broken_layer_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DatasetError, match=r"x\.json"):
        read_layers(tmp_path)


def test_a_lost_mask_is_named(tmp_path: Path) -> None:
    write_layer(tmp_path, Layer(id="m", expert="x", made=NOON.isoformat(), mode="set", amount=0.1, where=AUTOMATIC > 0))
    (tmp_path / "m.mask.png").unlink()
    with pytest.raises(DatasetError, match=r"m\.json"):
        read_layers(tmp_path)


def test_layers_on_other_blocks_or_another_size_are_rejected() -> None:
    with pytest.raises(DatasetError, match="other blocks"):
        touched_by(layer("anna", 0.1), BLOCKS[:, ::-1])
    wide = Layer(id="m", expert="x", made=NOON.isoformat(), mode="set", amount=0.1, where=np.ones((8, 13), bool))
    with pytest.raises(DatasetError, match="13"):
        touched_by(wide, BLOCKS)
    with pytest.raises(DatasetError, match="no block 9"):
        touched_by(layer("anna", 0.1, blocks=(1, 9)), BLOCKS)


def test_files_say_who_when_where_and_how_much(tmp_path: Path) -> None:
    record = json.loads(write_layer(tmp_path, layer("Anna B.", -0.9)).read_text())
    assert record["expert"] == "Anna B."
    assert record["made"] == "2026-11-23T12:00:00+00:00"
    assert record["where"]["blocks"] == [1]
    assert record["amount"] == -0.9


def test_icc_is_that_of_shrout_and_fleiss() -> None:
    # Table 2 of Shrout and Fleiss 1979: six subjects, four judges; ICC(2,1) is printed as .29.
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc(table) == pytest.approx(0.29, abs=0.005)


def test_icc_of_perfect_and_of_no_agreement() -> None:
    values = np.random.default_rng(0).normal(size=(500, 1))
    assert icc(np.repeat(values, 3, axis=1)) == pytest.approx(1)
    assert abs(icc(np.random.default_rng(1).normal(size=(5000, 3)))) < 0.05
    assert np.isnan(icc(np.zeros((10, 3))))
    assert np.isnan(icc([[1, 2, 3]]))


def test_a_constant_offset_between_experts_lowers_absolute_agreement() -> None:
    values = np.random.default_rng(0).normal(size=(500, 1))
    assert icc(np.concatenate([values, values + 1], axis=1)) < 0.75


def test_agreement_counts_touched_pixels_and_finds_the_block_they_disagree_on() -> None:
    layers = [
        layer("anna", 0.2),
        layer("ben", 0.2),
        layer("anna", -0.5, blocks=(3,), minute=1),
        layer("ben", 0.5, blocks=(3,), minute=1),
    ]
    found = expert_agreement(expert_maps(AUTOMATIC, layers, BLOCKS), BLOCKS)
    assert found.experts == ("anna", "ben")
    assert found.pixels == 48
    assert found.mean_difference == pytest.approx(0.5)
    np.testing.assert_allclose(found.per_block, [np.nan, 0, np.nan, 1], atol=1e-6)


def test_leaving_a_pixel_alone_is_a_vote_for_its_automatic_value() -> None:
    maps = expert_maps(np.zeros(SIZE, np.float32), [layer("anna", 0.4), layer("ben", 0.1, blocks=(2,))], BLOCKS)
    found = expert_agreement(maps, BLOCKS)
    np.testing.assert_allclose(found.per_block[1:3], [0.4, 0.1], atol=1e-6)


def test_agreement_of_one_is_none() -> None:
    with pytest.raises(ValueError, match="two experts"):
        expert_agreement(expert_maps(AUTOMATIC, [layer("anna", 0.1)], BLOCKS), BLOCKS)
