"""Which requirements the data cannot carry, and what is missing for them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import geopandas as gpd
import numpy as np

from circle15.assess.quality import attribute_of
from circle15.assess.supply import supply_of
from circle15.stages.run import Inputs, RuleBook, Run
from circle15.standard.requirements import (
    Adjacency,
    Conditions,
    Presence,
    Provision,
    Quality,
    Reach,
    Requirement,
    Total,
)
from circle15.standard.resolve import serving_any
from circle15.tables import CONDITION_UNKNOWN

Lack = tuple[str, bool]
"""What is missing, and whether nothing at all can be judged for want of it."""


@dataclass(frozen=True)
class Unjudged:
    """A requirement that the data cannot carry.

    Attributes
    ----------
    requirement_id, kind, scope : str
        Which one.
    types : tuple of str
        The types that it speaks of.
    headline : bool
        Whether it decides the item.
    wholly : bool
        Whether it can't be judged at all; else some of its verdicts may be unknown.
    why : tuple of str
        What is missing.
    """

    requirement_id: str
    kind: str
    scope: str
    types: tuple[str, ...]
    headline: bool
    wholly: bool
    why: tuple[str, ...]


def unjudged(run: Run, inputs: Inputs, book: RuleBook, unread: Collection[str]) -> tuple[Unjudged, ...]:
    """Return the requirements that can't be judged, wholly or in part, in the standard's order.

    Parameters
    ----------
    run, inputs
        The run; people need not be placed.
    book : RuleBook
        The rule of each committee, by which it is known whose density or age group is missing; may be empty.
    unread : collection of str
        Types of sources that could not be read, of which nothing is said.
    """
    stand = _Stand(run, inputs, frozenset(unread), {one.id: rules.reason for one, rules in book})
    found = []
    for one in run.standard.requirements:
        lacks = list(stand.lacks(one))
        if lacks:
            wholly = any(whole for _, whole in lacks)
            why = tuple(text for text, _ in lacks)
            found.append(Unjudged(one.id, one.kind, one.scope, tuple(one.types), one.headline, wholly, why))
    return tuple(found)


def waiting(run: Run, inputs: Inputs, unread: Collection[str]) -> int:
    """Return how many requirements ask for types, or for people, whose files could not be read."""
    lost = set(unread)
    no_people = run.config.population is not None and inputs.cells is None
    found = 0
    for one in run.standard.requirements:
        types = {*one.types, *(one.to_types if isinstance(one, Adjacency) else ())}
        found += bool(types & lost) or (no_people and isinstance(one, Provision))
    return found


@dataclass(frozen=True)
class _Stand:
    """What there is to judge by."""

    run: Run
    inputs: Inputs
    unread: frozenset[str]
    reasons: dict[str, np.ndarray[tuple[int], np.dtype[np.object_]]]

    def lacks(self, one: Requirement) -> Iterator[Lack]:
        """Yield everything that a requirement lacks."""
        yield from self._sources(one.types, all_of_them=isinstance(one, Provision | Presence | Total))
        if isinstance(one, Adjacency):  # what is known to be near is near, whoever else there may be
            yield from ((text, False) for text, _ in self._sources(one.to_types, all_of_them=False))
        if isinstance(one, Provision | Total) and one.measure != "count":
            supply = supply_of(self.run.standard, self.inputs.facilities.table, one.types, one.measure)
            missing, every = int((supply.serving & np.isinf(supply.high)).sum()), int(supply.serving.sum())
            if missing:  # where there is no facility at all, it is known to be too little
                text = f'"{one.measure}" is missing for {missing} of {every} facilities'
                yield text, missing == every and one.scope == "district"
        if isinstance(one, Total) and one.since is not None:
            rows = self._serving(one.types)
            missing = int(rows["opens"].isna().sum())
            if missing:  # if all of them together are too few, that is known
                text = (
                    f'"opens" is missing for {missing} of {len(rows)} facilities; what opened since {one.since} counts'
                )
                yield text, False
        if isinstance(one, Quality):
            yield from self._attribute(one)
        if isinstance(one, Provision):
            yield from self._group(one.group)
        if isinstance(one, Reach):
            yield from self._conditions(one)

    def _sources(self, types: tuple[str, ...], *, all_of_them: bool) -> Iterator[Lack]:
        """Yield types that no source covers: one that is covered is enough, unless amounts are added up."""
        known = [t for t in types if t in self.inputs.facilities.covered or t in self.unread]
        missing = [t for t in types if t not in known]
        if missing and (all_of_them or not known):
            yield f"no source covers {', '.join(missing)}", not known

    def _serving(self, types: tuple[str, ...]) -> gpd.GeoDataFrame:
        table = self.inputs.facilities.table
        return table[table["type_id"].isin(serving_any(self.run.standard, types)).to_numpy()]

    def _attribute(self, one: Quality) -> Iterator[Lack]:
        """Yield the attribute, if it is missing; committees without any facility in reach fail all the same."""
        rows, share = self._serving(one.types), one.scope != "committee"
        if one.attribute not in self.inputs.facilities.table:
            if not set(one.types) & self.unread:
                yield f'no source of facilities has a column "{one.attribute}"', share
            return
        unknown = int(attribute_of(rows, one).unknown.sum())
        if unknown:
            text = f'"{one.attribute}" is missing or not understood for {unknown} of {len(rows)} facilities'
            yield text, share and unknown == len(rows)

    def _group(self, group: str) -> Iterator[Lack]:
        if self.run.config.population is None:
            yield "there is no [population]", True
        elif self.inputs.cells is not None and group not in self.inputs.groups:
            yield f'the population has no figures for the group "{group}"', True

    def _conditions(self, one: Reach) -> Iterator[Lack]:
        """Yield the figures that decide which rule holds, where they are missing."""
        reason = self.reasons.get(one.id)
        if reason is None or not (reason == CONDITION_UNKNOWN).any():
            return
        every: list[Conditions] = [one, *one.limits]
        figures = ["people per km² of land"] if any(c.density_per_km2 for c in every) else []
        figures += sorted({f'the share of "{c.share_percent.group}"' for c in every if c.share_percent})
        unknown = int((reason == CONDITION_UNKNOWN).sum())
        asked = unknown + int((reason == "").sum())
        yield f"{' and '.join(figures)} not known for {unknown} of {asked} committees", unknown == asked
