"""What a table says beside its numbers: failures, the paper's figures, footnotes, rows it rejects."""

from pathlib import Path

import numpy as np
import pytest

from luxel.benchmark import listing, registry
from luxel.benchmark.protocol.results import write_row
from luxel.benchmark.tables.table import tables
from luxel.errors import LuxelError
from stand_ins.benchmark_rows import errors, row
from stand_ins.benchmark_tables import column


def test_failures_are_rows_with_the_reason(folder: Path) -> None:
    write_row(folder, row("mid_grey", split=2, status="failed", reason="killed"))
    pixel, score = tables(folder)
    remarks = column(pixel, "remarks")
    assert remarks["released checkpoint"] == "failed: no file | given use --released"
    assert remarks["mid-grey"] == "1 of 3 runs failed: killed"
    assert remarks["zero map"] == ""
    assert column(pixel, "splits")["mid-grey"] == "2"
    assert column(pixel, "MAE")["released checkpoint"] == "-"
    assert "remarks" not in score.columns


def test_the_papers_figures_stand_beside_ours(folder: Path) -> None:
    known = registry.facts("pieanet")
    pixel, score = tables(folder)
    for table, title, value in (
        (pixel, "paper MAE", known.paper_mae),
        (pixel, "paper PSNR", known.paper_psnr),
        (score, "paper SRCC", known.paper_srcc),
    ):
        assert column(table, title)["P-IEANet †"] == f"{value:.2f}"
        assert column(table, title)["zero map"] == "-"
        assert table.columns[table.columns.index(title) - 1].split()[0] == title.split()[1]
    assert column(pixel, "params")["P-IEANet †"] == "1.95M"
    assert column(pixel, "paper Params")["P-IEANet †"] == "2.7M"


def test_acc_is_printed_for_the_ablations_of_table_3(tmp_path: Path) -> None:
    write_row(tmp_path, row("pieanet", "score", srcc=0.8, acc=0.9))
    assert "paper ACC" not in tables(tmp_path)[0].columns
    write_row(tmp_path, row("pieanet-no-lightness", "score", srcc=0.8, acc=0.9))
    (score,) = tables(tmp_path)
    assert column(score, "paper ACC") == {"P-IEANet †": "-", "P-IEANet, without lightness †": "0.73"}
    assert column(score, "paper SRCC")["P-IEANet, without lightness †"] == "0.71"
    assert any("Table 2, on SPAQ (ablations: 3, on IEA40K;" in note for note in score.notes)


def test_ssim_of_the_other_range_is_in_the_csv_only(tmp_path: Path) -> None:
    for split, value in ((0, 0.5), (1, 0.7)):
        write_row(tmp_path, row(split=split, ssim=0.4, ssim_2=value))
    (table,) = tables(tmp_path)
    assert table.records[0]["ssim_2"] == pytest.approx(0.6)
    assert table.records[0]["ssim_2_sd"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert "0.600" not in table.rows[0]
    assert any("PSNR is 6.02 dB higher" in note and "ssim_2" in note for note in table.notes)


def test_a_head_start_is_stated(tmp_path: Path) -> None:
    write_row(tmp_path, row("nima", "score", srcc=0.5, rules="batch 8"))
    (score,) = tables(tmp_path)
    assert any("120 s; batch 8. Networks start from random weights." in note for note in score.notes)
    assert not any(note.startswith("Trained elsewhere") for note in score.notes)
    write_row(tmp_path, row("nima", "score", srcc=0.5, rules="batch 8", backbones="backbone=inception.pth"))
    write_row(tmp_path, row("shipped", "score", srcc=0.9))
    (score,) = tables(tmp_path)
    assert any("but for backbones of NIMA (backbone=inception.pth)." in note for note in score.notes)
    assert any(note.startswith("Trained elsewhere") and "luxel shipped" in note for note in score.notes)
    write_row(tmp_path, row("nima", "score", split=1, srcc=0.5, rules="batch 36", backbones="backbone=inception.pth"))
    (score,) = tables(tmp_path)
    assert any("120 s; batch 36; batch 8; rows differ in it" in note for note in score.notes)


def test_footnotes_say_what_a_reader_must_know(folder: Path) -> None:
    write_row(folder, row("local_mid_grey", budget="60 s", version="0.0.9", mae=0.1))
    write_row(folder, row("zero", split=1, budget="none", mae=0.1), errors(0.2))
    for table in tables(folder):
        assert listing.PAPER_PARAMS_NOTE in table.notes
        assert any(note.startswith("† re-creation, P-IEANet: ") for note in table.notes)
        assert any("± is the sample standard deviation over splits" in note for note in table.notes)
    pixel, score = tables(folder)
    assert any("Statistical methods are not trained" in note for note in score.notes)
    assert not any("Statistical methods" in note for note in pixel.notes)
    assert any("120 s or 60 s; rows differ in it" in note for note in pixel.notes)
    assert any("Latency and memory: one picture at a time on cpu" in note for note in pixel.notes)
    assert any("luxel 0.0.9 and 0.1.0" in note for note in pixel.notes)
    assert any("of made," in note for note in pixel.notes)


def test_rows_that_do_not_belong_together_are_rejected(folder: Path) -> None:
    write_row(folder, row("local_mid_grey", data="other"))
    with pytest.raises(LuxelError, match=r"different data \(made, other\)"):
        tables(folder)
    write_row(folder, row("local_mid_grey", scenes=("a", "b")), [0.1, 0.2])
    with pytest.raises(LuxelError, match="test pictures of split 0 are others for local_mid_grey than for pieanet"):
        tables(folder)
    write_row(folder, row("local_mid_grey"))
    write_row(folder, row("pieanet", params=7, seed=1))
    with pytest.raises(LuxelError, match="pieanet: rows of 2 different sizes"):
        tables(folder)


def test_one_task_can_be_asked_for(folder: Path) -> None:
    assert [table.task for table in tables(folder, "score")] == ["score"]
    for path in folder.glob("*.score.*"):
        path.unlink()
    with pytest.raises(LuxelError, match="no rows of the score task; it has pixel"):
        tables(folder, "score")
