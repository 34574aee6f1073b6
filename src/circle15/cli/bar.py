"""``--fail-under``: whether the district's rate reaches a bar, in exact fractions."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import click

from circle15.cli.terminal import Terminal
from circle15.percent import text_of_rate

if TYPE_CHECKING:
    import pandas as pd

EXIT_NOT_MET = 1
OPTION = "--fail-under"
MEASURES = ("item", "committee", "population")
PERSONS_DECIMALS = 3
"""People are counted as finely as the files have them, so that an unchanged run is judged as it was."""


@dataclass(frozen=True)
class Bar:
    """What a run has to reach.

    Attributes
    ----------
    percent : Fraction
        The least that is enough.
    of : {"item", "committee", "population"}
        Of which rate.
    """

    percent: Fraction
    of: str


def bar_of(context: click.Context, fail_under: float | None, of: str | None) -> Bar | None:
    """Return the bar that the options set, None without one.

    Raises
    ------
    UsageError
        If ``--of`` stands alone, or ``--fail-under`` is not a number.
    """
    if fail_under is None:
        if of is not None:
            raise click.UsageError("--of needs --fail-under", context)
        return None
    if fail_under != fail_under:  # noqa: PLR0124 - NaN
        raise click.UsageError("--fail-under needs a number of percent", context)
    return Bar(Fraction(str(fail_under)), of or MEASURES[0])


def meets(bar: Bar, district: "pd.DataFrame", verdicts: Callable[[], "pd.Series"], terminal: Terminal) -> bool:
    """Return whether the district reaches a bar; if not, say so.

    Parameters
    ----------
    bar : Bar
        What is asked.
    district : DataFrame
        The district's rates: no row or one.
    verdicts : callable
        Returns the committees' verdicts (str, one a committee). Only called where committees count.
    terminal : Terminal
        Takes the message.
    """
    part, whole = _parts(bar.of, district, verdicts)
    asked = f"{float(bar.percent):.12g} %"
    if whole <= 0:
        what = {"item": "no item", "committee": "no committee", "population": "nobody's reach"}[bar.of]
        terminal.fail(
            f"not met: {what} could be judged, so the {bar.of} rate is not known to reach {asked}", title=OPTION
        )
        return False
    if part / whole * 100 >= bar.percent:
        return True
    unit = " persons × types" if bar.of == "population" else ""
    counts = f"{_number(part)} of {_number(whole)}{unit}"
    terminal.fail(
        f"not met: the {bar.of} rate is {text_of_rate(float(part / whole))} ({counts}), below {asked}", title=OPTION
    )
    return False


def _parts(of: str, district: "pd.DataFrame", verdicts: Callable[[], "pd.Series"]) -> tuple[Fraction, Fraction]:
    """Return what passes and what was judged."""
    if of == "committee":
        found = verdicts()
        passed, failed = int((found == "pass").sum()), int((found == "fail").sum())
        return Fraction(passed), Fraction(passed + failed)
    if of == "item":
        passed, failed = (int(district[name].sum()) for name in ("passed", "failed"))
        return Fraction(passed), Fraction(passed + failed)
    names = ("population_covered", "population", "population_unknown")
    covered, people, unknown = (_persons(district, name) for name in names)
    return covered, people - unknown


def _persons(district: "pd.DataFrame", name: str) -> Fraction:
    total = float(district[name].sum()) if name in district else 0.0  # a missing figure adds nothing
    return Fraction(str(round(total, PERSONS_DECIMALS)))


def _number(value: Fraction) -> str:
    return f"{float(value):,.3f}".rstrip("0").rstrip(".")
