"""That exactly one rule of a requirement holds for every committee there can be, whatever its zone, kind and people.

Conditions are intervals and lists, so finitely many cases stand for all committees: every zone × kind, and of density
and of each group's share the lower ends of all intervals (from one end to the next nothing changes).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from circle15.errors import Problem
from circle15.standard.requirements import Band, Conditions, Reach
from circle15.tables import KINDS

WHOLE = 100.0
"""Percent: no share is larger."""


@dataclass(frozen=True)
class Case:
    """What a committee is, as far as rules can ask.

    Attributes
    ----------
    zone, kind : str
        Its zone and kind.
    density : float
        People per km² of land; NaN where unknown.
    share : dict of str to float
        Percent of its people by group; NaN where unknown.
    """

    zone: str
    kind: str
    density: float = float("nan")
    share: dict[str, float] = field(default_factory=dict)


def holds(conditions: Conditions, case: Case) -> bool:
    """Return whether all conditions hold; one on an unknown figure does not."""
    if conditions.zones and case.zone not in conditions.zones:
        return False
    if conditions.kinds and case.kind not in conditions.kinds:
        return False
    if conditions.density_per_km2 is not None and not conditions.density_per_km2.holds(case.density):
        return False
    share = conditions.share_percent
    return share is None or share.holds(case.share.get(share.group, float("nan")))


def groups_of(conditions: Sequence[Conditions]) -> tuple[str, ...]:
    """Return the population groups whose share some condition asks about."""
    return tuple(sorted({c.share_percent.group for c in conditions if c.share_percent}))


def unclear_cases(requirement: Reach, zones: Sequence[str], where: str) -> list[Problem]:
    """Return a problem for the first case in which no rule holds, and for the first in which two do."""
    label = (requirement.id,)
    uncovered = ambiguous = None
    for case in _cases(requirement, zones):
        if not holds(requirement, case):
            continue
        found = [number for number, rule in enumerate(requirement.limits, start=1) if holds(rule, case)]
        if not found:
            uncovered = uncovered or case
        elif len(found) > 1 and ambiguous is None:
            ambiguous = (case, found)
    problems = []
    if uncovered:
        near = _nearly(requirement, uncovered)
        what = f"of its {len(requirement.limits)} rules none holds for {_told(uncovered)}; the nearest are {near}"
        problems.append(Problem(what, where, label, "Widen one of them, or add a rule (exempt = true asks nothing)."))
    if ambiguous:
        case, found = ambiguous
        names = " and ".join(f"rules[{number}]" for number in found)
        what = f"{names} both hold for {_told(case)}"
        problems.append(Problem(what, where, label, "Let each committee meet the conditions of one rule only."))
    return problems


def _cases(requirement: Reach, zones: Sequence[str]) -> Iterator[Case]:
    every: list[Conditions] = [requirement, *requirement.limits]
    groups = groups_of(every)
    densities = _ends([c.density_per_km2 for c in every])
    shared = [c.share_percent for c in every if c.share_percent]
    shares = [[end for end in _ends([b for b in shared if b.group == g]) if end <= WHOLE] for g in groups]
    for zone, kind, density in product(zones, KINDS, densities):
        for share in product(*shares):
            yield Case(zone, kind, density, dict(zip(groups, share, strict=True)))


def _ends(bands: Sequence[Band | None]) -> list[float]:
    """Return where intervals begin and end, 0 included: one figure for each piece between them."""
    return sorted({0.0} | {end for b in bands if b for end in (b.at_least, b.below) if end is not None})


def _nearly(requirement: Reach, case: Case) -> str:
    """Name the two rules of which the most conditions hold."""

    def unmet(number: int) -> int:
        rule = requirement.limits[number - 1]
        parts = ("zones", "kinds", "density_per_km2", "share_percent")
        return sum(not holds(Conditions(**{p: getattr(rule, p)}), case) for p in parts)

    numbers = sorted(range(1, len(requirement.limits) + 1), key=unmet)[:2]
    return " and ".join(f"rules[{number}]" for number in sorted(numbers))


def _told(case: Case) -> str:
    figures = [f"{case.density:g} people per km²"] + [f"{value:g} % of {group}" for group, value in case.share.items()]
    return f"zone {case.zone}, kind {case.kind}, {', '.join(figures)}"
