"""`luxel benchmark methods` and `table`, and the help of every benchmark command."""

import importlib.util
import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from luxel.benchmark import listing, registry
from luxel.benchmark.methods.ablations import ABLATIONS
from luxel.benchmark.methods.controls import CONTROLS
from luxel.benchmark.methods.statistical import STATISTICAL
from luxel.benchmark.protocol.results import write_row
from luxel.benchmark.protocol.trivial import TRIVIAL
from luxel.benchmark.tables.table import tables
from luxel.benchmark.tables.table_formats import FORMATS, csv_text
from luxel.cli import app
from luxel.cli.benchmark import benchmark as group
from stand_ins.benchmark_rows import row
from stand_ins.benchmark_tables import flat, luxel

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"
COMMANDS = sorted(typer.main.get_command(group).commands)  # type: ignore[attr-defined]


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
