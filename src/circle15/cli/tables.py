"""How the planning commands print: tables for a reader, or one JSON document for a script."""

import io
import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
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


def as_text(parts: Sequence[Table | Text], lines: Sequence[str]) -> str:
    """Return tables and closing lines, as wide as stdout bears."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else UNLIMITED
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=terminal, highlight=False, legacy_windows=False)
    for part in parts:
        console.print(part)
        console.print()
    for line in lines:
        console.print(Text(line, overflow="fold"))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


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
