"""Stage 6: everything that was judged, as the tables of a run; the service circles are still to be drawn."""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import pandas as pd

from circle15 import tables
from circle15.assess.assemble import (
    Judged,
    committee_table,
    gap_table,
    item_table,
    rate_tables,
    reach_shares,
    town_table,
    verdict_table,
    with_people,
)
from circle15.assess.coverage import CellVerdicts, both, sum_people
from circle15.assess.equity import equity_table, lorenz_table
from circle15.assess.groups import group_rates
from circle15.assess.targets import target_table
from circle15.stages.run import Inputs, Run
from circle15.stages.travel import ModeSurvey
from circle15.standard.requirements import Provision
from circle15.units import FloatArray


def assemble(
    run: Run,
    inputs: Inputs,
    judged: Sequence[Judged],
    scopes: pd.DataFrame,
    checks: pd.DataFrame,
    surveys: dict[str, ModeSurvey],
) -> tables.Results:
    """Make the tables of a run.

    Parameters
    ----------
    judged : sequence of Judged
        Every requirement of committees.
    scopes, checks : DataFrame
        Requirements of towns and the district, and single facilities' verdicts (`stages.scopes.judge_scopes`).
    surveys : dict of str to ModeSurvey
        For which facilities are off the network.
    """
    standard, committees, facilities = run.standard, inputs.committees, inputs.facilities.table
    ids = committees["committee_id"].to_numpy()
    judged = [with_people(one, _sharers(inputs, one), inputs.cell_committee, len(committees)) for one in judged]
    cells_of = _cells_of_types(judged)
    verdicts = verdict_table(ids, facilities["facility_id"].to_numpy(), judged)
    items = _items(run, inputs, judged, cells_of)
    rates = rate_tables(items, standard, sorted(committees["town_id"].unique()))
    requirements = _in_order([reach_shares(verdicts, committees, standard, run.config.run.as_of), scopes], run)
    on_network = np.ones(len(facilities), dtype=bool)
    for one in surveys.values():
        on_network[one.lost] = False
    return tables.Results(
        committees=committee_table(committees, items, inputs.population),
        verdicts=verdicts,
        requirements=requirements,
        gaps=gap_table(verdicts, committees),
        facilities=facilities.assign(on_network=on_network, town_id=inputs.facility_town),
        cells=_cells(inputs, ids),
        towns=town_table(committees, rates["towns"]),
        circles=gpd.GeoDataFrame(geometry=[], crs=inputs.crs),
        rates=rates,
        targets=target_table(standard, requirements, rates["district"], run.config.run.as_of),
        facility_checks=checks,
        groups=_groups(run, inputs, cells_of),
        **_equity(run, inputs, judged),
    )


def rates_of(run: Run, inputs: Inputs, judged: Sequence[Judged]) -> dict[str, pd.DataFrame]:
    """Return the rates alone: ``types``, ``domains``, ``towns``, ``zones``, ``district``."""
    size = len(inputs.committees)
    judged = [with_people(one, _sharers(inputs, one), inputs.cell_committee, size) for one in judged]
    items = _items(run, inputs, judged, _cells_of_types(judged))
    return rate_tables(items, run.standard, sorted(inputs.committees["town_id"].unique()))


def _items(run: Run, inputs: Inputs, judged: Sequence[Judged], cells_of: dict[str, CellVerdicts]) -> pd.DataFrame:
    size = len(inputs.committees)
    people_of = {t: sum_people(cells, inputs.persons, inputs.cell_committee, size) for t, cells in cells_of.items()}
    return item_table(inputs.committees, judged, run.standard, people_of)


def _sharers(inputs: Inputs, one: Judged) -> FloatArray:
    """Return the people of each cell whom a requirement is about: those of its group, or everybody."""
    group = one.requirement.group if isinstance(one.requirement, Provision) else "total"
    persons = inputs.group(group)
    return inputs.persons if persons is None else persons


def _cells_of_types(judged: Sequence[Judged]) -> dict[str, CellVerdicts]:
    """Return for each type which cells meet all its headline requirements."""
    found: dict[str, CellVerdicts] = {}
    for one in judged:
        if one.requirement.headline and one.cells is not None:
            type_id = one.rules.type_id
            found[type_id] = both(found[type_id], one.cells) if type_id in found else one.cells
    return found


def _in_order(parts: Sequence[pd.DataFrame], run: Run) -> pd.DataFrame:
    place = {one.id: number for number, one in enumerate(run.standard.requirements)}
    filled = [part for part in parts if len(part)]
    if not filled:
        return parts[0]
    joined = pd.concat(filled, ignore_index=True)
    return joined.sort_values("requirement_id", key=lambda c: c.map(place), kind="stable").reset_index(drop=True)


def _cells(inputs: Inputs, ids: tables.TextArray) -> gpd.GeoDataFrame | None:
    if inputs.cells is None:
        return None
    names = np.append(ids, "")  # row -1 is nobody's
    return inputs.cells.assign(committee_id=names[inputs.cell_committee], status=inputs.cell_status)


def _groups(run: Run, inputs: Inputs, cells_of: dict[str, CellVerdicts]) -> pd.DataFrame:
    """Return the population rates of the groups that types are for."""
    people = {}
    for one in run.standard.types:
        persons = inputs.group(one.group) if one.group else None
        if one.group and persons is not None and one.id in cells_of:
            of_committee = sum_people(cells_of[one.id], persons, inputs.cell_committee, len(inputs.committees))
            people[one.id, one.group] = of_committee
    return group_rates(people, inputs.committees)


def _equity(run: Run, inputs: Inputs, judged: Sequence[Judged]) -> dict[str, pd.DataFrame]:
    """Return how evenly people are served: by the facilities that their committee reaches, or by their catchment.

    Of a type, its first headline requirement counts (without any, its first). What is unknown or exempt is not counted.
    """
    population = inputs.population
    if not population:
        return {}
    reached: dict[str, FloatArray] = {}
    shared: dict[tuple[str, str], dict[str, FloatArray]] = {}
    for one in sorted(judged, key=lambda one: not one.requirement.headline):
        verdict = one.verdict if one.computed is None else np.where(one.computed != "", one.computed, one.verdict)
        known = np.isin(verdict.astype(str), ("pass", "fail"))
        if isinstance(one.requirement, Provision):
            if one.value is None or one.value_high is None or one.requirement.group not in population:
                continue
            known &= one.value_high == one.value  # else it is only the least that there may be
            values = shared.setdefault((one.requirement.group, one.unit), {})
            values[one.requirement.id] = np.where(known, one.value, np.nan)
        elif one.requirement.kind == "reach":
            reached.setdefault(one.rules.type_id, np.where(known, one.access.count_within, np.nan))
    reached = {t.id: reached[t.id] for t in run.standard.types if t.id in reached}
    committees = inputs.committees
    town, zone = committees["town_id"].to_numpy(dtype=object), committees["zone"].to_numpy(dtype=object)
    towns, zones = sorted(set(town)), [z.id for z in run.standard.zones if z.id in set(zone)]
    measures = {("total", FACILITIES_WITHIN): reached, **shared}
    equity = [
        equity_table(of, population[group], town, zone, towns, zones, name) for (group, name), of in measures.items()
    ]
    curves = [lorenz_table(of, population[group]) for (group, _), of in measures.items()]
    return {"equity": pd.concat(equity, ignore_index=True), "lorenz": pd.concat(curves, ignore_index=True)}


FACILITIES_WITHIN = "facilities within the threshold"
