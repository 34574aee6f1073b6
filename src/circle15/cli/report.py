"""What goes to stdout after a run: tables for a reader, or one JSON document for a script."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from circle15.cli.annotations import Annotation, file_of
from circle15.cli.tables import as_text, plain_table
from circle15.cli.terminal import Terminal
from circle15.percent import text_of_rate

if TYPE_CHECKING:
    import pandas as pd

    from circle15.pipeline import Outcome

WORST = 5
NAMES = ("name", "zh", "name_zh", "domain_zh", "type_zh", "town", "zone_zh")
"""Columns that may carry a name beside the id."""


def as_json(outcome: "Outcome") -> str:
    """Return the outcome as a JSON document; a rate that nothing is known of is null."""
    document: dict[str, Any] = {
        "folder": str(outcome.folder),
        "unchanged": outcome.unchanged,
        "gaps": outcome.gaps,
        **{name: _records(table) for name, table in _shown(outcome).items()},
        "notes": [{"code": n.code, "count": n.count, "text": n.text} for n in dict.fromkeys(outcome.notes.items)],
        "files": outcome.files,
        "timings": outcome.timings,
    }
    document["district"] = next(iter(document["district"]), None)
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def as_tables(outcome: "Outcome") -> str:
    """Return the result table, the worst towns and types, and where the files lie, as wide as stdout bears."""
    rates = _shown(outcome)
    types = rates["types"]
    counted = types[types["headline"].astype(bool)] if "headline" in types else types
    parts = [
        _domains(rates["domains"], rates["district"]),
        _worst("towns", rates["towns"], "town_id"),
        _worst("types", counted, "type_id"),
    ]
    lines = [
        _targets(rates["targets"]),
        f"{outcome.gaps} gaps · rates are rounded down",
        f"{outcome.folder}: {', '.join(sorted(outcome.files))}, run.json",
    ]
    return as_text(parts, lines)


def annotate_rates(terminal: Terminal, rates: Mapping[str, "pd.DataFrame"]) -> None:
    """Annotate a run's rates, its gaps by type, the most first, and the targets that are not met.

    Parameters
    ----------
    terminal : Terminal
        Takes them, if annotations are wanted.
    rates : mapping of str to DataFrame
        ``district``, ``types`` and ``targets``.
    """
    if not terminal.annotating:
        return
    file = file_of("", terminal.config)
    types = rates["types"]
    if "headline" in types:
        types = types[types["headline"].astype(bool)]
    failing = types[types["failed"] > 0].sort_values(["failed", "type_id"], ascending=[False, True])
    found = [
        Annotation("notice", f"{_rates_in_words(row)}: {int(row['failed'])} items failed", "district", file)
        for row in rates["district"].to_dict("records")
    ]
    terminal.annotate(found)
    found = [
        Annotation(
            "notice",
            f"{int(row['failed'])} of {int(row['passed'] + row['failed'])} committees lack it",
            f"gaps: {_label(row, 'type_id').plain}",
            file,
        )
        for row in failing.to_dict("records")
    ]
    terminal.annotate(found, "csv/types.csv")
    missed = rates["targets"][rates["targets"]["verdict"] == "fail"]
    if len(missed):
        lines = [_missed(row) for row in missed.to_dict("records")]
        terminal.annotate([Annotation("warning", "\n".join(lines), f"{len(lines)} targets not met", file)])


def _rates_in_words(row: dict[Any, Any]) -> str:
    names = {"item_rate": "items", "committee_rate": "committees", "population_rate": "population"}
    return ", ".join(f"{word} {text_of_rate(float(row[name]))}" for name, word in names.items())


def _missed(row: dict[Any, Any]) -> str:
    asked = row.get("measured_target", float("nan"))
    asked = row["value"] if asked != asked else asked  # noqa: PLR0124 - NaN
    return f"{row['target_id']}: {row['measured']:g} of {asked:g} {row['measured_unit']}, due {row['due']}"


def _shown(outcome: "Outcome") -> dict[str, "pd.DataFrame"]:
    """Return the rates as the CSV files have them, so that a run and its unchanged repetition print the same."""
    from circle15.outputs.columns import RATE_LAYOUTS, TARGETS, arrange  # noqa: PLC0415 - brings the geospatial libraries

    layouts = RATE_LAYOUTS | {"targets": TARGETS}
    return {name: arrange(outcome.results_rates[name], layout) for name, layout in layouts.items()}


def _targets(targets: "pd.DataFrame") -> str:
    """Return how many of the standard's dated targets are met."""
    verdicts = targets["verdict"].tolist()
    words = {"pass": "met", "fail": "not met", "exempt": "not due", "unknown": "unknown"}
    counts = [f"{verdicts.count(verdict)} {word}" for verdict, word in words.items() if verdict in verdicts]
    return f"targets: {', '.join(counts) or 'none'}"


def _domains(domains: "pd.DataFrame", district: "pd.DataFrame") -> Table:
    table = plain_table("domain", "items", "committees", "population", "passed", "failed", "unknown")
    for row in domains.to_dict("records"):
        table.add_row(_label(row, "domain"), *_rates(row))
    table.add_section()
    for row in district.to_dict("records"):
        table.add_row("all", *_rates(row), style="bold")
    return table


def _worst(what: str, rates: "pd.DataFrame", key: str) -> Table | Text:
    """Return the groups with the lowest item rates, those with most fails first among equals."""
    failing = rates[rates["failed"] > 0]
    if failing.empty:
        return Text(f"no gap in any of the {what}")
    worst = failing.sort_values(["item_rate", "failed", key], ascending=[True, False, True]).head(WORST)
    table = plain_table(f"worst {what}", "items", "passed", "failed", "unknown")
    for row in worst.to_dict("records"):
        table.add_row(_label(row, key), text_of_rate(row["item_rate"]), *_counts(row))
    return table


def _label(row: dict[Any, Any], key: str) -> Text:
    name = next((str(row[c]) for c in NAMES if isinstance(row.get(c), str) and row[c]), "")
    return Text(f"{row[key]} {name}" if name else str(row[key]))


def _rates(row: dict[Any, Any]) -> list[str]:
    return [*(text_of_rate(float(row[c])) for c in ("item_rate", "committee_rate", "population_rate")), *_counts(row)]


def _counts(row: dict[Any, Any]) -> list[str]:
    return [f"{int(row[c])}" for c in ("passed", "failed", "unknown")]


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return the rows as dictionaries of plain JSON values."""
    plain = table.astype(object).where(table.notna(), None)
    rows: list[dict[str, Any]] = json.loads(json.dumps(plain.to_dict("records"), default=lambda v: v.item()))
    return rows
