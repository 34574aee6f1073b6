"""``circle15 explain``: one verdict in words, with the way that it rests on."""

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from circle15.cli import completion
from circle15.cli.common import (
    begin,
    cache_folder,
    cache_options,
    config_argument,
    from_here,
    standard_option,
    year_option,
)
from circle15.cli.tables import as_text
from circle15.cli.terminal import Stages
from circle15.errors import OutputError, Problem

if TYPE_CHECKING:
    from circle15.stages.explain import Case, Explanation, NearFacility

EXAMPLE = """
\b
Examples:
  circle15 explain configs/sample.toml --committee 999001001 --type primary_school
  circle15 explain configs/sample.toml --committee 999001001 --type primary_school --geojson route.geojson
"""


@click.command(
    short_help="Say why a verdict is what it is, and what would turn it.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_argument
@click.option("--committee", required=True, metavar="ID", help="The committee.")
@click.option(
    "--type", "type_id", required=True, metavar="ID", shell_complete=completion.types, help="The type of facility."
)
@click.option(
    "--geojson",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the ways to the nearest facilities, with their access legs, as GeoJSON.",
)
@year_option
@standard_option
@cache_options
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of words.")
@click.option("-q", "--quiet", is_flag=True, help="Print no stages and no notes, errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print the rows that notes concern, and tracebacks.")
@click.pass_context
def explain(
    context: click.Context,
    *,
    config: Path,
    committee: str,
    type_id: str,
    geojson: Path | None,
    as_of: int | None,
    standard: str | None,
    cache: Path | None,
    no_cache: bool,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Say which rule held for a committee and type and why, by which way, and what would turn the verdict.

    stdout takes the explanation, stderr the stages and, with -v, the notes.
    """
    terminal = begin(context, quiet=quiet, verbose=verbose, config=config)
    store = cache_folder(context, cache, no_cache=no_cache)

    from circle15 import pipeline  # noqa: PLC0415 - brings the geospatial libraries
    from circle15.config import load_config  # noqa: PLC0415

    with Stages(terminal) as stages:
        case, notes = pipeline.explain(
            load_config(config),
            committee=committee,
            type_id=type_id,
            standard=from_here(standard),
            as_of=as_of,
            cache=store,
            progress=stages,
        )
    if verbose:
        terminal.tell_notes(notes)
    if geojson is not None:
        _write(case, geojson)
        terminal.written = True
    terminal.print_data(_as_json(case) if json_wanted else as_text([], _as_words(case)))


def _write(case: "Case", path: Path) -> None:
    text = case.routes.to_json(drop_id=True, ensure_ascii=False)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(Problem(f"cannot be written ({error.strerror})", str(path))) from error


def _as_json(case: "Case") -> str:
    document = {
        "committee": case.committee,
        "type_id": case.type_id,
        "type_name": case.type_name,
        "override": case.override,
        "requirements": [_requirement(one) for one in case.explanations],
        "routes": json.loads(case.routes.to_json(drop_id=True)),
    }
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _requirement(one: "Explanation") -> dict[str, Any]:
    """Return an explanation as plain values; a figure that there is none of is null."""
    plain = {f.name: getattr(one, f.name) for f in dataclasses.fields(one) if f.name not in ("way", "nearest")}
    plain["nearest"] = [dataclasses.asdict(near) for near in one.nearest]
    plain["turns"] = list(one.turns)
    return {key: _finite(value) for key, value in plain.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def _as_words(case: "Case") -> list[str]:
    one = case.committee
    lines = [f"{one['committee_id']} {one['name']} ({one['kind']}, {one['town_id']}, zone {one['zone'] or 'none'})"]
    lines.append(f"{case.type_id} {case.type_name}")
    for explanation in case.explanations:
        lines += ["", *_lines(explanation, case.override)]
    return lines


def _lines(one: "Explanation", override: dict[str, str] | None) -> list[str]:
    kind = one.kind if one.headline else f"{one.kind}, reported only"
    lines = [f"{one.requirement_id} ({kind}): {one.verdict.upper()} – {one.meaning} [{one.reason}]"]
    if one.computed and override:
        lines.append(f"  computed: {one.computed}; {override['author']} on {override['date']}: {override['reason']}")
    lines.append(f"  asked:    {one.asked}")
    lines.append(f"  rule:     {one.rule}")
    lines.append(f"  found:    {one.found}")
    lines += [f"  {'nearest: ' if n == 0 else '         '} {_near(near)}" for n, near in enumerate(one.nearest)]
    if one.edge_affected:
        lines.append("  edge:     what lies beyond the edge of the network or of the facilities' data might turn it")
    lines += [f"  {'turned by:' if n == 0 else '          '} {text}" for n, text in enumerate(one.turns)]
    lines.append(f"  clause:   {one.clause}{f' ({one.note})' if one.note else ''}")
    return lines


def _near(near: "NearFacility") -> str:
    legs = f"access legs {near.leg_m[0]:.0f} m and {near.leg_m[1]:.0f} m, straight line {near.straight_m:,.0f} m"
    name = f" {near.name}" if near.name else ""
    mark = "within" if near.within else "beyond"
    way = f"{near.time_s:,.1f} s, {near.distance_m:,.1f} m"
    return f"{near.facility_id}{name} ({near.type_id}, {near.source}): {way}, {mark}; {legs}"
