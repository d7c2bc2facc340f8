"""The command line and the cells of a table, for the tests of tables."""

from typer.testing import CliRunner, Result

from luxel.benchmark.tables.table import Table
from luxel.cli import app


def luxel(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["benchmark", *map(str, arguments)])


def flat(text: str) -> str:
    return " ".join(text.split())


def column(table: Table, title: str) -> dict[str, str]:
    return {cells[0]: cells[table.columns.index(title)] for cells in table.rows}
