"""The tables made of a benchmark's rows; `luxel benchmark methods` and `table`."""

import csv
import importlib.util
import io
import itertools
import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from luxel.benchmark import listing, registry
from luxel.benchmark.methods.ablations import ABLATIONS
from luxel.benchmark.methods.controls import CONTROLS
from luxel.benchmark.methods.statistical import STATISTICAL
from luxel.benchmark.protocol.results import read_errors, read_row, write_row
from luxel.benchmark.protocol.significance import holm, signed_rank
from luxel.benchmark.protocol.trivial import TRIVIAL
from luxel.benchmark.tables.table import Table, tables
from luxel.benchmark.tables.table_formats import FORMATS, csv_text, latex, markdown, terminal
from luxel.cli import app
from luxel.cli.benchmark import benchmark as group
from luxel.errors import LuxelError
from stand_ins.benchmark_rows import PICTURES, errors, row

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
COMMANDS = sorted(typer.main.get_command(group).commands)  # type: ignore[attr-defined]


def luxel(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["benchmark", *map(str, arguments)])


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rows of a small run: two splits of the pixel task, one of the score task, failures among them."""
    for split in (0, 1):
        for i, (name, mean) in enumerate({"pieanet": 0.05, "zero": 0.25, "mid_grey": 0.1, "shipped": 0.0501}.items()):
            values = errors(mean * (1 + split / 10), seed=10 * split + i)
            made = row(name, split=split, mae=float(values.mean()), ssim=0.5, psnr=20.0, sign=None)
            if name == "pieanet":
                made = replace(made, params=1_950_036, latency_ms=80.0, memory_mb=300.0, images_seen=900, device="cpu")
                made = replace(made, sign=0.9)
            write_row(tmp_path, made, values)
    write_row(tmp_path, row("released", status="failed", reason="no file | given\nuse --released", data=""))
    write_row(tmp_path, row("pieanet", "score", srcc=0.8, lcc=0.7, acc=0.9), errors(1.0))
    write_row(tmp_path, row("rahman", "score", srcc=0.5, lcc=0.4, acc=0.6), errors(2.0, seed=1))
    write_row(tmp_path, row("zero", "score", srcc=float("nan"), acc=0.5), errors(2.0, seed=2))
    write_row(tmp_path, row("zhang", "score", srcc=0.3, lcc=0.2))
    return tmp_path


# Tables ---------------------------------------------------------------------------------------------------------------


def column(table: Table, title: str) -> dict[str, str]:
    return {cells[0]: cells[table.columns.index(title)] for cells in table.rows}


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


# Formats --------------------------------------------------------------------------------------------------------------


def test_markdown_parses_back(folder: Path) -> None:
    found = tables(folder)
    for part, table in zip(markdown(found).split("## ")[1:], found, strict=True):
        lines = [line for line in part.splitlines() if line.startswith("|")]
        cells = [[c.strip().replace("\\", "") for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        assert tuple(cells[0]) == table.columns
        assert all(set(rule) <= set("-:") for rule in cells[1])
        assert tuple(map(tuple, cells[2:])) == table.rows
        notes = [line[2:].replace("\\", "") for line in part.splitlines() if line.startswith("- ")]
        assert tuple(notes) == table.notes


def test_latex_parses_back(folder: Path) -> None:
    names = {
        r"\textbar{}": "|",
        r"\textless{}": "<",
        r"$\pm$": "±",
        r"$^\dagger$": "†",
        r"\textquotedbl{}": '"',
        r"\_": "_",
        r"\%": "%",
    }

    def plain(text: str) -> str:
        for written, meant in names.items():
            text = text.replace(written, meant)
        assert not set(text) & set("\\$^{}"), text
        return text.strip()

    found = tables(folder)
    text = latex(found)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == len(found)
    for part, table in zip(text.split(r"\begin{tabular}")[1:], found, strict=True):
        assert re.match(rf"{{[lr]{{{len(table.columns)}}}}}\n", part)
        body = part.split(r"\end{tabular}")[0]
        lines = [line.removesuffix(r" \\") for line in body.splitlines() if line.endswith(r"\\")]
        cells = [tuple("-" if c == "--" else plain(c) for c in re.split(r"(?<!\\) & ?", line)) for line in lines]
        assert cells[0] == table.columns
        assert tuple(cells[1:]) == table.rows
        notes = [line.removesuffix(r"\par") for line in part.splitlines() if line.endswith(r"\par")]
        assert tuple(map(plain, notes)) == table.notes


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.notes: list[str] = []
        self.into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        self.into = {"th": self.rows[-1:] and self.rows[-1], "td": self.rows[-1:] and self.rows[-1]}.get(tag) or (
            self.notes if tag == "li" else self.rows[-1] if tag in ("th", "td") else None
        )
        if self.into is not None:
            self.into.append("")

    def handle_data(self, data: str) -> None:
        if self.into is not None:
            self.into[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.into = None


def test_html_parses_back(folder: Path) -> None:
    write_row(folder, row("<b>mine & yours</b>", mae=0.1))
    found = tables(folder)
    page = _Page()
    text = FORMATS["html"](found)
    page.feed(text)
    assert page.rows == [list(cells) for table in found for cells in (table.columns, *table.rows)]
    assert page.notes == [note for table in found for note in table.notes]
    assert "<b>" not in text
    assert "http:" not in text
    assert "https:" not in text


def test_csv_has_every_number_with_all_its_digits(folder: Path) -> None:
    found = tables(folder)
    read = list(csv.DictReader(io.StringIO(csv_text(found))))
    records = [record for table in found for record in table.records]
    assert len(read) == len(records)
    for cells, record in zip(read, records, strict=True):
        assert list(cells) == list(record)
        for key, value in record.items():
            assert cells[key] == ("" if value is None else str(value))


def test_csv_tells_what_is_recreated(tmp_path: Path) -> None:
    for name in ("mslt", "skf", "gsad"):
        write_row(tmp_path, row(name, mae=0.1))
    for name in ("rahman", "dong"):
        write_row(tmp_path, row(name, "score", srcc=0.1))
    rows = {line["method"]: line for line in csv.DictReader(io.StringIO(csv_text(tables(tmp_path))))}
    assert (rows["mslt"]["kind"], rows["mslt"]["note"]) == ("exact", "")
    assert (rows["skf"]["kind"], rows["skf"]["note"]) == ("re-creation", registry.facts("skf").note)
    assert (rows["gsad"]["kind"], rows["gsad"]["note"]) == ("denoiser", registry.facts("gsad").note)
    assert (rows["rahman"]["kind"], rows["rahman"]["note"]) == ("statistical", "")
    assert (rows["dong"]["kind"], rows["dong"]["note"]) == ("re-creation", STATISTICAL["dong"].note)
    assert int(rows["skf"]["macs"]) == registry.facts("skf").costs["pixel"].macs


def test_marks_tell_denoisers_and_recreations_apart(tmp_path: Path) -> None:
    for name in ("rahman", "liu", "torres", "efimov", "dong", "pydiff", "gsad", "smg", "mslt", "mslt-map-score"):
        write_row(tmp_path, row(name, "score", srcc=0.1))
    (score,) = tables(tmp_path)
    titles = [cells[0] for cells in score.rows]
    recreated = {title.split("(")[-1].rstrip(") †") for title in titles if title.endswith("†")}
    assert recreated == {"Liu", "Torres", "Efimov", "Dong", "SMG"}
    assert sorted(title for title in titles if title.endswith("‡")) == ["GSAD ‡", "PyDiff ‡"]
    assert any(note.startswith("‡ denoiser, GSAD: the U-Net of the diffusion") for note in score.notes)
    assert any(note.startswith("† re-creation, Block exposures (Dong): ") for note in score.notes)
    assert any(note.startswith("Score of its map: a control.") for note in score.notes)
    macs = score.columns.index("GMACs")
    assert {cells[0]: cells[macs] for cells in score.rows}["GSAD ‡"] == "63.2"


def test_the_terminal_table_says_the_same(folder: Path) -> None:
    found = tables(folder)
    text = terminal(found)
    lines = text.splitlines()
    for table in found:
        assert table.caption in text
        for cells in (table.columns, *table.rows):
            assert any(re.split(r"\s{2,}", line.strip()) == [c for c in cells if c] for line in lines), cells
        for note in table.notes:
            assert note in lines


@pytest.mark.parametrize("width", [60, 100])
def test_a_narrow_terminal_gets_the_columns_below_each_other(folder: Path, width: int) -> None:
    (table,) = tables(folder, "pixel")
    text = terminal([table], width=width)
    lines = text.split("Means over")[0].splitlines()
    assert max(map(len, lines)) <= width
    heads = [line for line in lines if line.strip().startswith("method")]
    assert len(heads) > 1
    titles = [title for head in heads for title in re.split(r"\s{2,}", head.strip())[1:]]
    assert ["method", *titles] == list(table.columns)
    zeros = [re.split(r"\s{2,}", line.strip())[1:] for line in lines if line.strip().startswith("zero map")]
    assert ["zero map", *itertools.chain(*zeros)] == [cell for cell in table.rows[0] if cell]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
def test_every_format_for_readers_has_footnotes_and_marks(folder: Path, name: str) -> None:
    text = flat(FORMATS[name](tables(folder)))
    assert "Holm for 3 comparisons" in text
    assert "mostly the size of a checkpoint file in MB" in text
    assert "P-IEANet " + ("$^\\dagger$" if name == "latex" else "†") in text


# Methods --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (999, "999"),
        (8098, "8.10k"),
        (151_977, "152k"),
        (1_950_036, "1.95M"),
        (97_811_523, "97.8M"),
        (8_200_000_000, "8.20B"),
    ],
)
def test_counts_are_said_in_three_figures(number: int, text: str) -> None:
    assert listing.short_count(number) == text


def test_methods_lists_both_registries() -> None:
    shown = luxel("methods", "--json")
    assert shown.exit_code == 0, shown.output
    records = {record["name"]: record for record in json.loads(shown.stdout)}
    assert list(records) == [*registry.TRAINED, *STATISTICAL]
    for name in registry.NETWORKS:
        facts, record = registry.facts(name), records[name]
        assert record["kind"] == facts.kind
        assert record["tasks"] == list(facts.tasks) == list(record["costs"])
        assert all(cost["params"] > 0 and cost["macs"] > 0 for cost in record["costs"].values())
        assert {key: record[key] for key in ("reference", "licence", "paper_params", "official_params")} == {
            key: asdict(facts)[key] for key in ("reference", "licence", "paper_params", "official_params")
        }
    assert {record["kind"] for name, record in records.items() if name in ABLATIONS} == {"ablation"}
    assert {record["kind"] for name, record in records.items() if name in CONTROLS} == {"control"}
    assert [name for name, record in records.items() if record["kind"] == "denoiser"] == ["pydiff", "gsad"]
    recreated = {name for name, record in records.items() if record["kind"] == "re-creation"}
    assert recreated >= {"liu", "torres", "efimov", "dong", "smg", "skf", "alamp", "tanet", "qalign", "pieanet"}
    for name, method in STATISTICAL.items():
        assert records[name]["ours"] == method.ours
        assert records[name]["costs"] == {}


def test_methods_prints_a_table_with_the_footnote() -> None:
    shown = luxel("methods")
    assert shown.exit_code == 0, shown.output
    lines = {
        cells[0]: cells for line in shown.stdout.splitlines() if len(cells := re.split(r"\s{2,}", line.strip())) > 4
    }
    assert set(lines) >= {"name", *registry.NETWORKS, *STATISTICAL}
    assert lines["pieanet"][-1] == "2.7M"
    assert lines["pieanet"][4] == "re-creation"
    assert lines["gsad"][4] == "denoiser"
    assert lines["datta"][-5:] == ["-"] * 5
    assert listing.PAPER_PARAMS_NOTE in flat(shown.stdout)
    for name in registry.NETWORKS:
        known = registry.facts(name)
        assert (f"{known.kind}, {known.title}: {known.note}." in shown.stdout) == (known.kind != "exact")
    for method in STATISTICAL.values():
        assert (f"re-creation, {method.title}: {method.source}; ours: " in shown.stdout) == method.recreation


# Commands -------------------------------------------------------------------------------------------------------------


def test_table_prints_and_exits_1_for_failed_rows(folder: Path) -> None:
    shown = luxel("table", folder)
    assert shown.exit_code == 1, shown.output
    assert "failed: no file | given use --released" in shown.stdout
    assert "Residual maps" in shown.stdout
    assert "Scores" in shown.stdout
    assert luxel("table", folder, "--task", "score").exit_code == 0


@pytest.mark.parametrize("name", FORMATS)
def test_table_writes_every_format_to_a_file(folder: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "table.out"
    shown = luxel("table", folder, "--task", "score", "--format", name, "--out", out)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == ""
    assert out.read_text() == FORMATS[name](tables(folder, "score"))


def test_csv_on_stdout_is_csv_and_the_footnotes_go_to_stderr(folder: Path) -> None:
    shown = luxel("table", folder, "--format", "csv")
    assert shown.stdout == csv_text(tables(folder))
    assert "Holm" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["empty"], "empty: has no benchmark rows"),
        (["rows", "--task", "pixels"], "'pixels' is not one of"),
        (["rows", "--format", "word"], "'word' is not one of"),
        (["rows", "--out", "missing/table.md"], "cannot be written"),
        ([], "Missing argument 'FOLDER'"),
    ],
)
def test_wrong_usage_exits_2_in_words(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: str
) -> None:
    work = tmp_path / "work"
    (work / "empty").mkdir(parents=True)
    (work / "rows").mkdir()
    write_row(work / "rows", row(mae=0.1))
    monkeypatch.chdir(work)
    shown = luxel("table", *arguments)
    assert shown.exit_code == 2
    assert expected in flat(shown.stderr)


def test_a_damaged_row_exits_2(folder: Path) -> None:
    path = next(folder.glob("*.json"))
    path.write_text("{}")
    shown = luxel("table", folder)
    assert shown.exit_code == 2
    assert shown.stderr.startswith(f"luxel: {path}: is not a benchmark row")


def test_a_missing_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else found(name, *rest)
    )
    for arguments in (["methods"], ["table", folder]):
        shown = luxel(*arguments)
        assert shown.exit_code == 2
        assert "pip install torch" in shown.stderr


def options_of(command: str) -> set[str]:
    shown = CliRunner().invoke(app, ["benchmark", command, "--help"], env={"COLUMNS": "200"}).stdout
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", shown, re.MULTILINE))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples_whose_options_exist(command: str) -> None:
    shown = CliRunner().invoke(app, ["benchmark", command, "--help"], env={"COLUMNS": "200"}).stdout
    examples = re.findall(rf"^ *(luxel benchmark {command}.*)$", shown, re.MULTILINE)
    assert examples
    for example in examples:
        assert set(re.findall(r"--[a-z][a-z-]*", example)) <= options_of(command), example


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_lists_exactly_the_options_of_each_command(command: str) -> None:
    found = re.search(rf"^## luxel benchmark {command}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"docs/cli.md has no section '## luxel benchmark {command}'"
    listed = set(re.findall(r"^\| `(?:-\w`, `)?(--[a-z-]+)", found[1], re.MULTILINE))
    assert listed == options_of(command) - {"--help"}


def test_trivial_rows_have_titles() -> None:
    from luxel.benchmark.tables.summary import TITLES

    assert set(TRIVIAL) < set(TITLES)
