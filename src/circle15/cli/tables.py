"""How the planning commands print: tables for a reader, or one JSON document for a script."""

import io
import json
import math
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

    from circle15.errors import Notes

UNLIMITED = 10_000
"""Width of what is piped: nothing is folded or cut."""


def plain_table(first: str, *others: str) -> Table:
    """Return an empty table: text in the first column, figures in the others."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="", padding=(0, 1))
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


FOLDED = 12
"""A column that may fold is no longer readable if it is narrower."""
BETWEEN = 3
"""Cells between two columns of a table."""


def fitted(part: RenderableType, width: int) -> RenderableType:
    """Return a table as it is where it fits, else its rows one below the other.

    Parameters
    ----------
    part : renderable
        Whatever is no table stays as it is.
    width : int
        Cells that a line has: a Chinese character takes two.
    """
    if not isinstance(part, Table) or not part.columns:
        return part
    needed = sum(_narrowest(column) for column in part.columns) + BETWEEN * (len(part.columns) - 1)
    if needed <= width:
        return part
    cells = zip(*(column.cells for column in part.columns), strict=True)
    below: list[RenderableType] = [Text(f"{_as_text(part.columns[0].header).plain}:")]
    for row, (first, *others) in zip(part.rows, cells, strict=True):
        below.append(_as_text(first, bold=str(row.style) == "bold"))
        below.append(Padding(_flowing(part.columns[1:], others, width - 2), (0, 0, 0, 2)))
    return Group(*below)


def _narrowest(column: Column) -> int:
    widest = max(cell_len(_as_text(cell).plain) for cell in (column.header, *column.cells))
    return widest if column.no_wrap else min(widest, FOLDED)


def _flowing(columns: Sequence[Column], cells: Sequence[RenderableType], width: int) -> Text:
    """Return a row's cells behind the names of their columns: figures share a line, text has its own."""
    lines: list[str] = []
    room = 0
    for column, cell in zip(columns, cells, strict=True):
        value, name = _as_text(cell).plain, _as_text(column.header).plain
        if not value:
            continue
        piece = f"{name} {value}".lstrip()
        short = column.justify == "right"
        if short and cell_len(piece) + BETWEEN <= room:
            lines[-1] += f" · {piece}"
            room -= cell_len(piece) + BETWEEN
        else:
            lines.append(piece)
            room = width - cell_len(piece) if short else 0
    return Text("\n".join(lines), overflow="fold")


def _as_text(cell: RenderableType, *, bold: bool = False) -> Text:
    text = cell.copy() if isinstance(cell, Text) else Text(str(cell))
    text.overflow = "fold"
    if bold:
        text.stylize("bold")
    return text


def as_text(parts: Sequence[RenderableType], lines: Sequence[str]) -> str:
    """Return tables and closing lines, as wide as stdout bears."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else UNLIMITED
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=terminal, highlight=False, legacy_windows=False)
    for part in parts:
        console.print(fitted(part, width))
        console.print()
    for line in lines:
        console.print(_hanging(line, console) if terminal else Text(line))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


LABEL = re.compile(r" +(?:[\w ]+: +)?")
"""What the rest of an indented line is set in by."""


def _hanging(line: str, console: Console) -> Text:
    """Return a line folded so that what follows its indentation, or its label, stays in one column."""
    found = LABEL.match(line)
    label = found[0] if found and len(found[0]) <= console.width // 2 else ""
    folded = Text(line[len(label) :], overflow="fold").wrap(console, console.width - len(label))
    return Text(label) + Text("\n" + " " * len(label)).join(folded)


def as_document(
    own: Mapping[str, Any],
    tables: Mapping[str, "pd.DataFrame"],
    notes: "Notes",
    files: Mapping[str, str],
    timings: Mapping[str, float],
) -> str:
    """Return one JSON document; what is missing or not finite is null."""
    from circle15.outputs.manifest import plain  # noqa: PLC0415 - brings the geospatial libraries

    records = {name: records_of(table) for name, table in tables.items()}
    told = [{"code": n.code, "count": n.count, "text": n.text} for n in dict.fromkeys(notes.items)]
    document = {**own, **records, "notes": told, "files": files, "timings": timings}
    return json.dumps(plain(document), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def records_of(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return the rows without geometry as dictionaries of plain values."""
    flat = table.drop(columns="geometry", errors="ignore")
    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in flat.to_dict("records")]
    return rows


def money(value: float) -> str:
    """Return a figure with separators of thousands and no needless decimals."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.2f}".rstrip("0").rstrip(".")
