"""``circle15 standards``: the shipped standards, one of them in words, the check of a file, and what two differ in."""

import dataclasses
import io
import json
import math
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from circle15.cli import completion
from circle15.cli.common import InOrder, from_here
from circle15.cli.terminal import Stages, Terminal
from circle15.errors import ConfigError, Notes, Problem

if TYPE_CHECKING:
    from rich.table import Table

    from circle15.standard.diff import Change, VerdictCase
    from circle15.standard.model import Standard
    from circle15.standard.requirements import Requirement
    from circle15.standard.resolve import Traits

UNLIMITED = 10_000
"""Width of what is piped: nothing is folded or cut."""

EXAMPLE = """
\b
Examples:
  circle15 standards list
  circle15 standards show gb50180-2018 --type kindergarten
  circle15 standards check my-standard.toml
  circle15 standards diff pudong-2021 my-standard.toml --config configs/sample.toml
"""
_HELP = {"help_option_names": ["-h", "--help"]}
_json = click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of tables.")


@click.group(cls=InOrder, short_help="List, show, check and compare standards.", epilog=EXAMPLE, context_settings=_HELP)
def standards() -> None:
    """List, show, check and compare standards. Data go to stdout.

    A STANDARD is the id of a shipped one, or the path of a TOML file.
    """


ABOUT = {
    "list": ("List the shipped standards.", ["list", "list --json"]),
    "show": (
        "Show what a standard asks, in words.",
        ["show pudong-2021", "show gb50180-2018 --type kindergarten"],
    ),
    "check": (
        "Say everything that is wrong with a standard.",
        ["check pudong-2021", "check my-standard.toml"],
    ),
    "diff": (
        "Compare two standards, and the verdicts that could change.",
        ["diff pudong-2021 gb50180-2018", "diff pudong-2021 my-standard.toml --config configs/sample.toml"],
    ),
    "schema": ("Print the JSON Schema of standards, for editors.", ["schema > standard.schema.json"]),
}
"""Purpose and examples of each command, in the order in which help has them."""


def _command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    purpose, examples = ABOUT[name]
    lines = "\n".join(f"  circle15 standards {one}" for one in examples)
    return standards.command(name, short_help=purpose, epilog=f"\b\nExamples:\n{lines}", context_settings=_HELP)


@_command("list")
@_json
@click.pass_context
def list_(context: click.Context, *, json_wanted: bool) -> None:
    """List the standards that come with circle15."""
    from circle15.standard.load import load_standard, shipped_standards  # noqa: PLC0415 - late, as everywhere here

    every = [load_standard(name, Path()) for name in shipped_standards()]
    rows = [_summary(one) for one in every]
    keys = ("id", "types", "requirements", "targets")

    def table() -> list[Any]:
        cells = [[*(row[key] for key in keys), f"{row['zh']} {row['en']} ({row['status']})"] for row in rows]
        return [_table((*keys, "title"), cells)]

    _print(context, rows, table, json_wanted)


@_command("show")
@click.argument("standard", shell_complete=completion.standards)
@click.option(
    "--type", "type_id", metavar="ID", shell_complete=completion.types, help="Only what concerns this type of facility."
)
@_json
@click.pass_context
def show(context: click.Context, *, standard: str, type_id: str | None, json_wanted: bool) -> None:
    """Show domains, types and requirements in words, each with its clause and how far it was checked."""
    loaded = _load(standard)
    if type_id is not None and type_id not in {one.id for one in loaded.types}:
        from circle15.toml import did_you_mean  # noqa: PLC0415

        remedy = did_you_mean(type_id, [one.id for one in loaded.types])
        raise ConfigError(Problem(f'no type "{type_id}"', loaded.origin, remedy=remedy))
    document = _shown(loaded, type_id)
    _print(context, document, lambda: _show_tables(loaded, document), json_wanted)


@_command("check")
@click.argument("path", metavar="STANDARD", shell_complete=completion.standards)
@_json
@click.pass_context
def check(context: click.Context, *, path: str, json_wanted: bool) -> None:
    """Say everything that is wrong with a standard (exit code 2), or sum it up."""
    from circle15.standard.words import needs  # noqa: PLC0415

    loaded = _load(path)
    required = {type_id for one in loaded.requirements for type_id in one.types}
    document = {
        **_summary(loaded),
        "kinds": dict(Counter(one.kind for one in loaded.requirements)),
        "headline": sum(one.headline for one in loaded.requirements),
        "without_requirement": [one.id for one in loaded.types if one.id not in required],
        "needs": needs(loaded),
    }
    _print(context, document, lambda: _check_tables(document), json_wanted)


@_command("diff")
@click.argument("first", shell_complete=completion.standards)
@click.argument("second", shell_complete=completion.standards)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="CONFIG",
    shell_complete=completion.configs,
    help="Count the committees of this district.",
)
@_json
@click.pass_context
def diff(context: click.Context, *, first: str, second: str, config: Path | None, json_wanted: bool) -> None:
    """Say what SECOND adds, removes and changes against FIRST, and which verdicts of committees that could change."""
    from circle15.standard.diff import changes, verdict_cases  # noqa: PLC0415

    old, new = _load(first), _load(second)
    found, cases = changes(old, new), verdict_cases(old, new)
    concerned = _concerned(context, config, old, cases) if config else None
    document = {
        "first": old.id,
        "second": new.id,
        "changes": [dataclasses.asdict(one) for one in found],
        "verdicts": [_case(one) for one in cases],
        "committees": concerned,
    }
    _print(context, document, lambda: _diff_tables(old, new, found, cases, concerned), json_wanted)


@_command("schema")
@click.pass_context
def schema(context: click.Context) -> None:
    """Print the JSON Schema of standards, for editors."""
    from circle15.standard.schema import schema_text  # noqa: PLC0415

    context.ensure_object(Terminal).print_data(schema_text())


def _load(name: str) -> "Standard":
    from circle15.standard.load import load_standard  # noqa: PLC0415

    return load_standard(from_here(name) or name, Path())


# what is told --------------------------------------------------------------------------------------------------------


def _summary(one: "Standard") -> dict[str, Any]:
    texts = {key: getattr(one, key) for key in ("id", "status", "en", "zh", "source", "note")}
    sections = ("zones", "domains", "types", "requirements", "targets")
    return texts | {section: len(getattr(one, section)) for section in sections}


def _shown(standard: "Standard", type_id: str | None) -> dict[str, Any]:
    """Return the standard as it is shown: everything, or what concerns one type."""
    types = [one for one in standard.types if type_id in (None, one.id)]
    domains = {one.domain for one in types}
    asked = [one for one in standard.requirements if type_id is None or type_id in one.types]
    ids = {one.id for one in asked}
    targets = [one for one in standard.targets if type_id is None or one.requirement in ids]
    return {
        **_summary(standard),
        "speeds_kmh": standard.speeds_kmh.model_dump(mode="json"),
        "target": standard.target.model_dump(mode="json"),
        "zones": [one.model_dump(mode="json") for one in standard.zones],
        "domains": [one.model_dump(mode="json") for one in standard.domains if one.id in domains],
        "types": [one.model_dump(mode="json") for one in types],
        "requirements": [_requirement(one) for one in asked],
        "targets": [one.model_dump(mode="json") for one in targets],
    }


def _requirement(one: "Requirement") -> dict[str, Any]:
    from circle15.standard.words import checked_in_words, in_words  # noqa: PLC0415

    plain = one.model_dump(mode="json", exclude_defaults=True)
    return plain | {"types": list(one.types), "words": in_words(one), "checked_words": checked_in_words(one)}


def _case(case: "VerdictCase") -> dict[str, Any]:
    return dataclasses.asdict(case) | {
        "density": _piece(case.density) if case.density else None,
        "shares": {group: _piece(piece) for group, piece in case.shares},
    }


def _piece(piece: tuple[float, float]) -> dict[str, float | None] | str:
    if math.isnan(piece[0]):
        return "unknown"
    return {"at_least": piece[0], "below": None if math.isinf(piece[1]) else piece[1]}


def _concerned(
    context: click.Context, config: Path, standard: "Standard", cases: Sequence["VerdictCase"]
) -> dict[str, Any]:
    """Return how many committees of a district each type's cases concern."""
    from circle15.standard.diff import changes_for  # noqa: PLC0415

    traits = _traits(context, config, standard, people=any(case.density or case.shares for case in cases))
    every, items = changes_for(cases, traits), changes_for([case for case in cases if case.headline], traits)
    types = {
        type_id: {"items": int(items[type_id].sum()) if type_id in items else 0, "reported": int(mask.sum())}
        for type_id, mask in every.items()
        if mask.any()
    }
    return {"committees": len(traits.zone), "types": types}


def _traits(context: click.Context, config: Path, standard: "Standard", *, people: bool) -> "Traits":
    """Return what rules can ask of a district's committees; people are placed only where a rule asks about them."""
    from circle15.config import load_config  # noqa: PLC0415
    from circle15.inputs.committees import read_committees, run_crs  # noqa: PLC0415
    from circle15.standard.resolve import Traits  # noqa: PLC0415

    loaded, notes = load_config(config), Notes()
    terminal: Terminal = context.ensure_object(Terminal)
    if not people:
        committees = read_committees(loaded, run_crs(loaded), standard, notes)
        terminal.tell_notes(notes)
        return Traits.of(committees["zone"].to_numpy(dtype=object), committees["kind"].to_numpy(dtype=object))
    from circle15.cache import open_cache  # noqa: PLC0415
    from circle15.stages.people import place_people  # noqa: PLC0415
    from circle15.stages.read import build_networks, hash_inputs, read_inputs  # noqa: PLC0415
    from circle15.stages.run import Clock, Run  # noqa: PLC0415
    from circle15.stages.traits import traits_of  # noqa: PLC0415

    with Stages(terminal) as stages:
        run = Run(loaded, standard, hash_inputs(loaded), open_cache(None), notes, Clock(stages))
        inputs = read_inputs(run)
        traits = traits_of(run, place_people(run, inputs, build_networks(run, inputs.crs, inputs.committees)))
    terminal.tell_notes(notes)
    return traits


# tables --------------------------------------------------------------------------------------------------------------


def _print(context: click.Context, document: Any, tables: Callable[[], list[Any]], json_wanted: bool) -> None:
    """Print a document as JSON, or as tables and lines as wide as stdout bears."""
    terminal: Terminal = context.ensure_object(Terminal)
    if json_wanted:
        terminal.print_data(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from circle15.cli.tables import fitted  # noqa: PLC0415

    at_terminal = sys.stdout is not None and sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if at_terminal else UNLIMITED
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=at_terminal, highlight=False, legacy_windows=False)
    for part in tables():
        console.print(Text(part, overflow="fold") if isinstance(part, str) else fitted(part, width))
    terminal.print_data("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


KEPT_WHOLE = ("id", "status", "types", "requirements", "targets", "zone", "domain", "due")


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="", padding=(0, 1))
    for name in head:
        # ids and counts stay whole; only what is long text may fold
        table.add_column(name, overflow="fold", no_wrap=name in KEPT_WHOLE)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def _show_tables(standard: "Standard", document: dict[str, Any]) -> list[Any]:
    speeds = standard.speeds_kmh
    elderly = f", {speeds.elderly_walk:g} for the elderly" if speeds.elderly_walk else ""
    zones = [[z.id, z.zh, z.en, z.modes.residents, z.modes.village] for z in standard.zones]
    domains = [[d["id"], d["zh"], d["en"], d["clause"]] for d in document["domains"]]
    types = [
        [t["id"], t["zh"], t["domain"], t["tier"], ", ".join(t["provides"]), t["group"] or "", t["clause"], t["note"]]
        for t in document["types"]
    ]
    asked = [_asked_row(one) for one in document["requirements"]]
    targets = [
        [t["id"], f"{t['operator']} {t['value']:g} {t['unit']}", t["due"], t["requirement"] or t["measured_by"]]
        for t in document["targets"]
    ]
    return [
        f"{standard.id} ({standard.status}): {standard.en} · {standard.zh}",
        f"source: {standard.source}",
        *([f"note: {standard.note}"] if standard.note else []),
        f"on foot {speeds.walk:g} km/h{elderly}, by bicycle {speeds.cycle:g} km/h",
        "",
        _table(("zone", "zh", "en", "residents", "village"), zones),
        "",
        _table(("domain", "zh", "en", "clause"), domains),
        "",
        _table(("type", "zh", "domain", "tier", "provides", "group", "clause", "note"), types),
        "",
        _table(("requirement", "decides", "types", "asks", "clause", "checked", "note"), asked),
        *(["", _table(("target", "figure", "due", "measured by"), targets)] if targets else []),
    ]


def _asked_row(one: dict[str, Any]) -> list[str]:
    decides = "item" if one.get("headline") else ""
    types, note = " + ".join(one["types"]), one.get("note", "")
    return [one["id"], decides, types, one["words"], one["clause"], one["checked_words"], note]


def _check_tables(document: dict[str, Any]) -> list[Any]:
    kinds = ", ".join(f"{count} {kind}" for kind, count in document["kinds"].items())
    counts = ", ".join(f"{document[name]} {name}" for name in ("zones", "domains", "types", "requirements", "targets"))
    without = document["without_requirement"]
    return [
        f"{document['id']} ({document['status']}) is sound: {counts}",
        f"requirements: {kinds}; {document['headline']} decide items",
        f"types without a requirement: {', '.join(without) or 'none'}",
        "",
        _table(("data needed", "by"), [[need, ", ".join(ids)] for need, ids in document["needs"].items()]),
    ]


def _diff_tables(
    old: "Standard",
    new: "Standard",
    found: Sequence["Change"],
    cases: Sequence["VerdictCase"],
    concerned: dict[str, Any] | None,
) -> list[Any]:
    if not found:
        return [f"{old.id} and {new.id} say the same"]
    rows = [[c.what, c.section, c.id, c.key, _plain(c.before), _plain(c.after)] for c in found]
    parts: list[Any] = [_table(("what", "section", "id", "key", old.id, new.id), rows), ""]
    if not cases:
        return [*parts, "no verdict of a committee could change"]
    head = ("verdicts that could change", "zone", "kind", "people", "what", old.id, new.id)
    parts.append(_table(head, [_case_row(one) for one in cases]))
    if concerned is not None:
        counts = [[name, one["items"], one["reported"]] for name, one in concerned["types"].items()]
        every = f"of {concerned['committees']} committees"
        parts += ["", _table((every, "whose item could change", "any verdict"), counts)]
    return parts


def _case_row(one: "VerdictCase") -> list[str]:
    what = "item" if one.headline else "reported"
    before, after = ("; ".join(asked) or "nothing" for asked in (one.before, one.after))
    return [one.type_id, one.zone, one.kind, _people(one), what, before, after]


def _plain(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _people(case: "VerdictCase") -> str:
    """Return a case's density and shares in words."""
    named = [(" per km²", case.density)] if case.density else []
    named += [(f" % of {group}", piece) for group, piece in case.shares]
    return ", ".join(_range(piece) + what for what, piece in named if piece)


def _range(piece: tuple[float, float]) -> str:
    if math.isnan(piece[0]):
        return "unknown"
    return f"{piece[0]:g} or more" if math.isinf(piece[1]) else f"{piece[0]:g} to {piece[1]:g}"
