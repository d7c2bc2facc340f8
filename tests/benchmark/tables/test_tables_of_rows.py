"""Tables made of a benchmark's rows: means, spread, order and significance."""

from pathlib import Path

import numpy as np
import pytest

from luxel.benchmark.protocol.results import read_errors, read_row, write_row
from luxel.benchmark.protocol.significance import holm, signed_rank
from luxel.benchmark.tables.table import tables
from stand_ins.benchmark_rows import PICTURES, errors, row
from stand_ins.benchmark_tables import column


def test_a_table_has_means_and_sample_deviations_over_splits(folder: Path) -> None:
    pixel, _ = tables(folder)
    means = [read_row(folder, "zero", "pixel", split, 0).mae for split in (0, 1)]
    record = next(record for record in pixel.records if record["method"] == "zero")
    assert record["mae"] == pytest.approx(np.mean(means))
    assert record["mae_sd"] == pytest.approx(np.std(means, ddof=1))
    assert column(pixel, "MAE")["zero map"] == f"{record['mae']:.4f} ± {record['mae_sd']:.4f}"
    assert record["ssim_sd"] == 0.0


def test_seeds_are_averaged_before_splits(tmp_path: Path) -> None:
    for split, seed, mae in ((0, 0, 0.1), (0, 1, 0.3), (1, 0, 0.6)):
        write_row(tmp_path, row(split=split, seed=seed, mae=mae))
    (table,) = tables(tmp_path)
    assert table.records[0]["mae"] == pytest.approx(0.4)
    assert table.records[0]["mae_sd"] == pytest.approx(np.std([0.2, 0.6], ddof=1))


def test_the_spread_of_one_split_is_over_its_seeds(tmp_path: Path) -> None:
    for seed, mae in enumerate((0.1, 0.2, 0.6)):
        write_row(tmp_path, row(seed=seed, mae=mae))
    (table,) = tables(tmp_path)
    assert column(table, "MAE")["P-IEANet †"] == f"0.3000 ± {np.std([0.1, 0.2, 0.6], ddof=1):.4f}"
    assert "or over seeds where there is one split" in table.notes[0]


def test_seeds_are_not_counted_as_pictures(tmp_path: Path) -> None:
    write_row(tmp_path, row("zero"), errors(0.2))
    for seed in range(3):
        write_row(tmp_path, row(seed=seed), errors(0.1, seed))
    (table,) = tables(tmp_path)
    assert table.records[0]["scenes"] == PICTURES
    mean = np.mean([errors(0.1, seed).astype(float) for seed in range(3)], axis=0)
    assert table.records[0]["p_holm"] == pytest.approx(signed_rank(errors(0.2), mean).p)


def test_one_split_has_no_spread_and_what_does_not_apply_is_a_dash(folder: Path) -> None:
    pixel, score = tables(folder)
    assert column(score, "SRCC") == {
        "zero map": "-",
        "Luma entropy (Rahman)": "0.500",
        "Gradient percentile (Zhang)": "0.300",
        "P-IEANet †": "0.800",
    }
    assert column(score, "ACC")["Gradient percentile (Zhang)"] == "-"
    assert column(score, "against P-IEANet")["Gradient percentile (Zhang)"] == "-"
    assert column(pixel, "sign right")["zero map"] == "-"
    assert column(pixel, "params")["zero map"] == column(pixel, "latency ms")["zero map"] == "-"
    assert column(pixel, "against P-IEANet")["P-IEANet †"] == "-"


def test_methods_stand_in_the_order_of_their_registries(folder: Path) -> None:
    pixel, score = tables(folder)
    assert [r["method"] for r in pixel.records] == ["zero", "mid_grey", "pieanet", "released", "shipped"]
    assert [r["method"] for r in score.records] == ["zero", "rahman", "zhang", "pieanet"]


def test_names_of_nobody_stand_under_their_own_name(tmp_path: Path) -> None:
    write_row(tmp_path, row("my own network", mae=0.2, params=999))
    (table,) = tables(tmp_path)
    assert table.rows[0][0] == "my own network"
    assert column(table, "params")["my own network"] == "999"


def test_significance_is_that_of_the_means_of_scenes(folder: Path) -> None:
    """Both splits show the same scenes, so there are as many observations as scenes, not twice as many."""
    pixel, _ = tables(folder)
    errors_of = {
        name: np.mean([read_errors(folder, read_row(folder, name, "pixel", split, 0)) for split in (0, 1)], axis=0)
        for name in ("pieanet", "zero", "mid_grey", "shipped")
    }
    expected = holm([signed_rank(errors_of[n], errors_of["pieanet"]).p for n in ("zero", "mid_grey", "shipped")])
    records = {str(record["method"]): record for record in pixel.records}
    assert [records[n]["p_holm"] for n in ("zero", "mid_grey", "shipped")] == pytest.approx(expected, rel=1e-3)
    assert records["zero"]["scenes"] == PICTURES
    said = column(pixel, "against P-IEANet")
    assert said["zero map"] == "worse, p < 0.001"
    assert said["luxel shipped"].startswith("undecided, p = ")
    assert any("Wilcoxon signed-rank" in note and "Holm for 3 comparisons" in note for note in pixel.notes)
    assert any(f"{PICTURES} test scenes" in note for note in pixel.notes)


def test_many_exposures_of_few_scenes_are_few_observations(tmp_path: Path) -> None:
    """Forty pictures of four scenes cannot decide: of 2^4 sign patterns none is rarer than 2/16."""
    scenes = tuple(str(i % 4) for i in range(PICTURES))
    write_row(tmp_path, row(scenes=scenes), errors(0.2))
    write_row(tmp_path, row("shipped", scenes=scenes), errors(0.1))
    (table,) = tables(tmp_path)
    record = next(r for r in table.records if r["method"] == "shipped")
    assert (record["scenes"], record["p_holm"]) == (4, pytest.approx(2 / 16))


def test_a_better_method_is_called_better(tmp_path: Path) -> None:
    write_row(tmp_path, row(), errors(0.2))
    write_row(tmp_path, row("shipped"), errors(0.1))
    (table,) = tables(tmp_path)
    assert column(table, "against P-IEANet")["luxel shipped"] == "better, p < 0.001"


def test_without_the_reference_nothing_is_tested_and_the_table_says_so(tmp_path: Path) -> None:
    write_row(tmp_path, row("zero", mae=0.2), errors(0.2))
    (table,) = tables(tmp_path)
    assert column(table, "against P-IEANet") == {"zero map": "-"}
    assert any("not tested" in note for note in table.notes)
