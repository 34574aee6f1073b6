"""``circle15 compare``: two runs beside each other, and why verdicts changed."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from circle15.cli.common import begin, cache_folder, cache_options
from circle15.cli.tables import as_document
from circle15.cli.terminal import Stages

if TYPE_CHECKING:
    from circle15.comparison import Comparison

EXIT_WORSE = 1

EXAMPLE = """
\b
Examples:
  circle15 compute pudong.toml --as-of 2021 --out out/2021 --archive
  circle15 compute pudong.toml --as-of 2023 --out out/2023 --archive
  circle15 compare out/2021 out/2023 --out out/2021-2023
"""


@click.command(
    short_help="Hold two runs against each other: rates, changed verdicts, causes.",
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write; without it nothing is.")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CSV of committee_a,committee_b: renamed, merged, new or gone committees.",
)
@click.option(
    "--lang", type=click.Choice(["zh", "en"]), default="en", show_default=True, help="Of the summary and the page."
)
@click.option("--fail-on-worse", is_flag=True, help="Exit with 1 if any item passed in RUN_A and fails in RUN_B.")
@cache_options
@click.option("--bom", is_flag=True, help="Begin CSV files with a byte order mark, which some spreadsheets need.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON document instead of the summary.")
@click.option("-q", "--quiet", is_flag=True, help="Print no stages, errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print tracebacks.")
@click.pass_context
def compare(
    context: click.Context,
    *,
    run_a: Path,
    run_b: Path,
    out: Path | None,
    mapping: Path | None,
    lang: str,
    fail_on_worse: bool,
    cache: Path | None,
    no_cache: bool,
    bom: bool,
    json_wanted: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Compare two runs of compute or verify: RUN_A is what was, RUN_B what is; both are folders that a run wrote.

    Shows rates side by side and each verdict that changed. With the inputs that compute --archive keeps, it judges anew
    with one input exchanged at a time, and says which one turns a verdict.
    """
    terminal = begin(context, quiet=quiet, verbose=verbose)
    store = cache_folder(context, cache, no_cache=no_cache)
    from circle15 import comparison  # noqa: PLC0415 - brings the geospatial libraries
    from circle15.comparison.page import summary  # noqa: PLC0415

    with Stages(terminal) as stages:
        found = comparison.compare(
            run_a,
            run_b,
            out=out,
            mapping=mapping,
            lang="zh" if lang == "zh" else "en",
            cache=store,
            bom=bom,
            progress=stages,
        )
    terminal.written = out is not None
    terminal.print_data(
        _document(found, out)
        if json_wanted
        else summary(found, "zh" if lang == "zh" else "en", written=out is not None)
    )
    if out is not None and terminal.verbosity >= 0:
        terminal.say(f"{out}: {', '.join(sorted(found.files))}, run.json")
    changes = found.tables["changes"]
    worse = int(((changes["before"] == "pass") & (changes["after"] == "fail")).sum())
    if fail_on_worse and worse:
        terminal.say(f"worse: {worse} items passed in {run_a} and fail in {run_b}")
        context.exit(EXIT_WORSE)


def _document(found: "Comparison", out: Path | None) -> str:
    from circle15.comparison.run import label_of  # noqa: PLC0415

    own: dict[str, Any] = {
        "folder": None if out is None else str(out),
        "a": label_of(found.a),
        "b": label_of(found.b),
        "unchanged": found.unchanged,
        "items": found.items,
        "alike": found.alike,
        "common_rates": [None if math.isnan(one) else one for one in found.common_rates],
        "only_a": list(found.pairs.only_a),
        "only_b": list(found.pairs.only_b),
        "why_no_causes": found.why_no_causes.text("en") if found.why_no_causes else None,
    }
    return as_document(own, found.tables, found.notes, found.files, found.timings)
