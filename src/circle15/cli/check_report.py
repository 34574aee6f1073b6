"""What ``circle15 check`` prints: lines for a pipe, tables for a terminal, or one JSON document."""

import io
import json
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from circle15.cli.tables import fitted

if TYPE_CHECKING:
    from circle15.errors import Problem
    from circle15.stages.check import Doubt, Report

ROWS = 20
"""Rows of a finding that are shown unless all are asked for."""
UNLIMITED = 100_000
"""Width of what is piped: nothing is folded or cut."""
TOWNS_SHOWN = 8
"""With more towns than this a terminal shows in how many of them a type is found; a pipe and JSON have them all."""

HEAD = ("type_id", "name", "covered_by", "unread", "total")
"""Columns of the table of types that are no towns."""


def last_line(report: "Report") -> str:
    """Return whether a detection would run."""
    doubts = _number(len(report.doubts), "doubt")
    if report.exit_code == 0:
        return f"compute would run: {doubts}"
    return f"compute would fail: {_number(len(report.problems), 'problem')}, {doubts}"


def as_document(report: "Report") -> str:
    """Return the report as a JSON document with all rows."""
    document = {
        "summary": {
            "would_run": report.exit_code == 0,
            "exit_code": report.exit_code,
            "problems": len(report.problems),
            "doubts": len(report.doubts),
            "requirements": report.requirements_asked,
            "cannot_be_judged": sum(one.wholly for one in report.requirements),
            "in_part": sum(not one.wholly for one in report.requirements),
            "waiting": report.requirements_waiting,
        },
        "folder": str(report.folder),
        "problems": [_finding(one) for one in report.problems],
        "doubts": [{"code": one.code, "count": one.count, **_finding(one)} for one in report.doubts],
        "not_looked_at": list(report.skipped),
        "counts": _counts(report),
        "requirements": [
            {
                "requirement_id": one.requirement_id,
                "kind": one.kind,
                "scope": one.scope,
                "types": list(one.types),
                "headline": one.headline,
                "wholly": one.wholly,
                "why": list(one.why),
            }
            for one in report.requirements
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _finding(one: "Problem | Doubt") -> dict[str, Any]:
    return {"where": one.where, "what": one.what, "rows": list(one.rows), "remedy": one.remedy}


def _counts(report: "Report") -> dict[str, Any]:
    types, committees = report.types, report.committees
    return {
        "types": [
            {
                "type_id": row["type_id"],
                "name": row["name"],
                "covered_by": list(row["covered_by"]),
                "unread": bool(row["unread"]),
                "total": int(row["total"]),
                "by_town": {str(town): int(row[town]) for town in row if town not in HEAD},
            }
            for row in ([] if types is None else types.to_dict("records"))
        ],
        "committees": [
            {**row, "committees": int(row["committees"])}
            for row in ([] if committees is None else committees.to_dict("records"))
        ],
    }


def as_lines(report: "Report", *, every_row: bool) -> str:
    """Return the report as text: in a terminal tables as wide as it, else a line for each finding."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else UNLIMITED
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=terminal, highlight=False, legacy_windows=False)
    for title, body in _sections(report, sys.maxsize if every_row else ROWS, terminal=terminal):
        console.print(Text(title, style="bold", overflow="fold"))
        for part in body:
            console.print(fitted(part, width))
        console.print()
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _sections(report: "Report", rows_shown: int, *, terminal: bool) -> list[tuple[str, list[RenderableType]]]:
    sections: list[tuple[str, list[RenderableType]]] = []
    if report.problems:
        sections.append(
            (f"would fail: {len(report.problems)}", _findings(report.problems, rows_shown, terminal=terminal))
        )
    if report.skipped:
        sections.append(("not looked at", [_line(one) for one in report.skipped]))
    if report.doubts:
        sections.append((f"doubts: {len(report.doubts)}", _findings(report.doubts, rows_shown, terminal=terminal)))
    counts = [*(_line(one) for one in report.facts), *_tables(report, terminal=terminal)]
    if counts:
        of_what = " of what could be read" if report.exit_code else ""
        sections.append((f"counts{of_what}", counts))
    if report.types is not None:
        sections.append((_title_of_requirements(report), [_requirements(report)] if report.requirements else []))
    return sections


def _title_of_requirements(report: "Report") -> str:
    wholly = sum(one.wholly for one in report.requirements)
    title = (
        f"requirements that can't be judged: {wholly} of {report.requirements_asked}; "
        f"in part: {len(report.requirements) - wholly}"
    )
    waiting = report.requirements_waiting
    return f"{title}; not known before the faults are mended: {waiting}" if waiting else title


def _findings(found: "Sequence[Problem | Doubt]", rows_shown: int, *, terminal: bool) -> list[RenderableType]:
    if not terminal:
        return [_line(_sentence(one, rows_shown)) for one in found]
    table = _table("file", "what", "rows", "way out")
    for one in found:
        cells = (one.where, one.what, _rows(one.rows, rows_shown), one.remedy)
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    return [table]


def _sentence(one: "Problem | Doubt", rows_shown: int) -> str:
    text = f"{one.where}: {one.what}" if one.where else one.what
    if one.rows:
        text += f" ({_rows(one.rows, rows_shown)})"
    text += "" if text.endswith((".", "?")) else "."
    return f"{text} {one.remedy}".rstrip()


def _rows(rows: tuple[str, ...], shown: int) -> str:
    if not rows:
        return ""
    more = len(rows) - shown
    return f"{_number(len(rows), 'row')}: {', '.join(rows[:shown])}{f', and {more} more' if more > 0 else ''}"


def _tables(report: "Report", *, terminal: bool) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if report.committees is not None and len(report.committees):
        table = _table("town", "zone", "kind", "committees")
        for row in report.committees.to_dict("records"):
            cells = (row["town_id"] or "–", row["zone"] or "–", row["kind"] or "–", row["committees"])
            table.add_row(*(Text(str(cell)) for cell in cells))
        parts += [Text(), table]
    if report.types is not None:
        towns = [name for name in report.types if name not in HEAD]
        few = not terminal or len(towns) <= TOWNS_SHOWN
        columns = [name or "no town" for name in towns] if few else ["in towns", "no town"]
        table = _table("type", "covered by", "facilities", *columns)
        for row in report.types.to_dict("records"):
            numbers = [row[name] for name in towns]
            if not few:
                numbers = [f"{sum(n > 0 for n in numbers[:-1])} of {len(towns) - 1}", numbers[-1]]
            name = Text(f"{row['type_id']} {row['name']}" if few else row["type_id"], overflow="fold")
            sources = [*row["covered_by"], *(["not read"] if row["unread"] else [])]
            figures = [str(n) for n in (row["total"], *numbers)] if row["covered_by"] or not row["unread"] else []
            table.add_row(name, Text(", ".join(sources) or "no source", overflow="fold"), *figures)
        parts += [Text(), table]
    return parts


def _requirements(report: "Report") -> Table:
    table = _table("requirement", "kind", "scope", "", "what is missing")
    for one in sorted(report.requirements, key=lambda one: not one.wholly):
        name = f"{one.requirement_id} *" if one.headline else one.requirement_id
        cells = (name, one.kind, one.scope, "" if one.wholly else "in part", "; ".join(one.why))
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    if any(one.headline for one in report.requirements):
        table.caption, table.caption_justify = "* headline", "left"
    return table


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="", padding=(0, 1))
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _line(text: str) -> Text:
    return Text(f"- {text}", overflow="fold")


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
