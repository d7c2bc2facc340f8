"""A benchmark's tables as text: Markdown, LaTeX, CSV, HTML; and how they are divided for a terminal."""

import html
from collections.abc import Callable, Sequence

from luxel.benchmark.tables.table import Table
from luxel.pages import standalone_page
from luxel.text import csv_table


def markdown(tables: Sequence[Table]) -> str:
    """Tables as Markdown with a heading each, footnotes as a list."""
    parts = []
    for table in tables:
        rules = ["---" if is_text(table, i) else "---:" for i in range(len(table.columns))]
        lines = [_markdown_row(cells) for cells in (table.columns, rules, *table.rows)]
        parts += [f"## {table.caption}", "\n".join(lines), "\n".join(f"- {_markdown(note)}" for note in table.notes)]
    return "\n\n".join(parts) + "\n"


def latex(tables: Sequence[Table]) -> str:
    """Tables as LaTeX floats over both columns; the document needs the package booktabs."""
    parts = [r"% needs \usepackage{booktabs}"]
    for table in tables:
        columns = "".join("l" if is_text(table, i) else "r" for i in range(len(table.columns)))
        notes = (f"{_latex(note)}\\par" for note in table.notes)
        parts += [
            r"\begin{table*}",
            r"\centering\scriptsize",
            f"\\caption{{{_latex(table.caption)}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex_row(table.columns),
            r"\midrule",
            *(_latex_row(row) for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\raggedright",
            *notes,
            r"\end{table*}",
        ]
    return "\n".join(parts) + "\n"


def csv_text(tables: Sequence[Table]) -> str:
    """Every method of every table as one line of numbers with all their digits, empty cells for no value.

    No footnotes, so that any program reads it; `Table.notes` has them.
    """
    records = [record for table in tables for record in table.records]
    return csv_table(list(records[0]), records)


def html_page(tables: Sequence[Table]) -> str:
    """Tables as one page that needs no other file and no network; every text is escaped."""
    parts = [
        "<h1>Exposure assessment: benchmark</h1>",
    ]
    for table in tables:
        head = "".join(f'<th scope="col"{_side(table, i)}>{_html(c)}</th>' for i, c in enumerate(table.columns))
        parts += [
            f"<h2>{_html(table.caption)}</h2>",
            f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>',
            *(_html_row(table, row) for row in table.rows),
            "</tbody>\n</table></div>\n<ul>",
            *(f"<li>{_html(note)}</li>" for note in table.notes),
            "</ul>",
        ]
    return standalone_page("Exposure assessment: benchmark", "\n".join(parts), style=_STYLE)


FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": csv_text,
    "html": html_page,
}
"""What writes a format, by the name commands use."""


def blocks(table: Table, width: int) -> list[list[int]]:
    """Columns in groups that fit the width, as far as they can; the first column leads every group."""
    gap, edges = 3, 2
    wide = [max(map(len, cells)) + gap for cells in zip(table.columns, *table.rows, strict=True)]
    blocks = [[0]]
    for i in range(1, len(table.columns)):
        if len(blocks[-1]) > 1 and edges + sum(wide[j] for j in blocks[-1]) + wide[i] - gap > width:
            blocks.append([0])
        blocks[-1].append(i)
    return blocks


def is_text(table: Table, column: int) -> bool:
    """Whether a column holds words, which stand on the left."""
    return table.columns[column] in ("method", "against P-IEANet", "remarks")


def _markdown(text: str) -> str:
    for mark in "\\|<*_`[]":
        text = text.replace(mark, "\\" + mark)
    return text


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"


_LATEX = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join("--" if cell == "-" else _latex(cell) for cell in cells) + r" \\"


def _html(text: str) -> str:
    return html.escape(text)


def _html_row(table: Table, row: Sequence[str]) -> str:
    first, *rest = row
    cells = "".join(f"<td{_side(table, i)}>{_html(cell)}</td>" for i, cell in enumerate(rest, start=1))
    return f'<tr><th scope="row">{_html(first)}</th>{cells}</tr>'


def _side(table: Table, column: int) -> str:
    if table.columns[column] == "remarks":
        return ' class="text remarks"'
    return ' class="text"' if is_text(table, column) else ""


_STYLE = """
main { max-width: 1500px; }
ul { max-width: 100ch; padding-left: 18px; color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
table { font-size: 13px; }
th, td { text-align: right; }
td, tbody th { vertical-align: top; white-space: nowrap; }
td.remarks { white-space: normal; min-width: 40ch; }
th[scope=row], .text { text-align: left; }
"""
