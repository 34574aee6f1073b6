"""A ledger of projects applied to the facilities: opened, extended, moved, closed by a year."""

import dataclasses

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from circle15 import tables
from circle15.errors import Notes
from circle15.inputs.towns import facility_towns
from circle15.stages.run import Inputs, Run
from circle15.tables import PROJECTS_SOURCE
from circle15.units import FloatArray

BoolArray = npt.NDArray[np.bool_]

OWN = {
    *(column.name for column in (*tables.PROJECTS, *tables.FACILITIES)),
    *("marginal", "domain", "at_least", "geometry", "on_network", "proposed", "decides", "people", "people_alone"),
    *(
        "people_lost",
        "relative_cost",
        "site_cost",
        "runner_up",
        "runner_up_cost",
        "applied",
        "redundant_for_reach",
        "late",
    ),
}
"""Columns of a ledger that speak of the project, or that circle15 fills itself: no attributes of its facility."""


def years_of_effect(ledger: pd.DataFrame, last: int, build_years: int) -> FloatArray:
    """Return the year from which each project counts: that of its opening, else as long after its start as is built.

    Parameters
    ----------
    ledger : DataFrame
        Columns of `tables.PROJECTS`.
    last : int
        The year of those that have none: the plan's last.
    build_years : int
        So many years after its start (else the year that it is planned for) a project opens.
    """
    begins = ledger["start_year"].fillna(ledger["plan_year"]) + build_years
    return ledger["open_year"].fillna(begins).fillna(float(last)).to_numpy(dtype=np.float64)


def can_change(ledger: gpd.GeoDataFrame) -> BoolArray:
    """Return which projects can change a verdict: real ones, and with a place if they open something."""
    placed = ledger.geometry.notna().to_numpy() | (ledger["action"] != "open").to_numpy()
    return np.asarray((ledger["marginal"] == "").to_numpy() & placed, dtype=bool)


def apply_projects(run: Run, inputs: Inputs, ledger: gpd.GeoDataFrame, year: FloatArray) -> Inputs:
    """Return the inputs with projects applied to the facilities.

    Parameters
    ----------
    ledger : GeoDataFrame
        The projects to apply; facilities of those that extend, move or close are looked up by ``facility_id``. A
        facility that isn't open in the run's year is left as it is, and noted.
    year : float64 array of shape (projects,)
        The year from which each one counts, which is when a facility that it opens has opened.

    Returns
    -------
    Inputs
        Facilities that were opened or moved have the source `tables.PROJECTS_SOURCE`; what sources claim to know is as
        before. Rows stay sorted by ``facility_id``.
    """
    if not len(ledger):
        return inputs
    table = inputs.facilities.table.assign(_town=inputs.facility_town)
    row_of = {name: row for row, name in enumerate(table["facility_id"])}
    gone = np.zeros(len(table), dtype=bool)
    geometry, source = table.geometry.to_numpy().copy(), table["source"].to_numpy(dtype=object).copy()
    town = table["_town"].to_numpy(dtype=object).copy()
    amounts = {name: table[name].to_numpy(dtype=np.float64).copy() for name in ("capacity", "floor_area_m2")}
    absent, endless, fresh = [], [], np.zeros(len(table), dtype=bool)
    changes = ledger[ledger["action"] != "open"]
    for project in changes.itertuples():
        row = row_of.get(str(project.facility_id))
        if row is None:
            absent.append(str(project.project_id))
        elif project.action == "close":
            gone[row] = True
        elif project.action == "move":
            geometry[row], source[row] = project.geometry, PROJECTS_SOURCE
            fresh[row] = True
            town[row] = str(project.town_id)
        else:
            for name, values in amounts.items():
                more = float(getattr(project, name))
                if np.isfinite(more):
                    endless += [str(project.project_id)] if np.isnan(values[row]) else []
                    values[row] += more
    _note(run.notes, absent, endless)
    table = table.assign(source=source, _town=town, _fresh=fresh, **amounts).set_geometry(
        gpd.GeoSeries(geometry, index=table.index, crs=table.crs)
    )
    opened = (ledger["action"] == "open").to_numpy()
    added = _facilities_of(ledger[opened], year[opened], table)
    joined = pd.concat([table[~gone], added], ignore_index=True) if len(added) else table[~gone]
    joined = joined.sort_values("facility_id", ignore_index=True, kind="stable")
    joined = gpd.GeoDataFrame(joined, geometry="geometry", crs=table.crs)
    towns = _towns(inputs, joined)
    facilities = dataclasses.replace(inputs.facilities, table=joined.drop(columns=["_town", "_fresh"]))
    return dataclasses.replace(inputs, facilities=facilities, facility_town=towns)


def with_towns(run: Run, inputs: Inputs, ledger: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the ledger with the towns that it leaves blank: by the place, else the facility's that is changed.

    Projects that have neither stay without a town, and are noted: they are in no town's plan.
    """
    town = ledger["town_id"].to_numpy(dtype=object).copy()
    real = (ledger["marginal"] == "").to_numpy(dtype=bool)
    placed = np.flatnonzero(real & (town == "") & ledger.geometry.notna().to_numpy())
    if len(placed):
        asked = ledger.iloc[placed][["project_id", "geometry"]].rename(columns={"project_id": "facility_id"})
        town[placed] = facility_towns(asked, inputs.committees, Notes())
    of = dict(zip(inputs.facilities.table["facility_id"], inputs.facility_town, strict=True))
    rest = np.flatnonzero(real & (town == ""))
    town[rest] = [of.get(name, "") for name in ledger["facility_id"].to_numpy(dtype=object)[rest]]
    lost = real & (town == "")
    text = f"{lost.sum()} projects are of no town: they are in no town's plan"
    run.notes.add("projects.no_town", int(lost.sum()), text, ledger["project_id"][lost])
    return ledger.assign(town_id=town)


def _note(notes: Notes, absent: list[str], endless: list[str]) -> None:
    text = f"{len(absent)} projects change facilities that are not open in the run's year, and so change nothing"
    notes.add("projects.facility_absent", len(absent), text, absent)
    text = f"{len(endless)} projects extend a facility whose capacity or floor area is not known, which stays unknown"
    notes.add("projects.extends_unknown", len(endless), text, endless)


def _facilities_of(ledger: gpd.GeoDataFrame, year: FloatArray, table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the facilities that projects open, in the columns of the table; attributes of the same name count."""
    shared = [str(name) for name in table.columns if name in ledger.columns and name not in OWN]
    own = {
        "facility_id": ledger["project_id"].to_numpy(dtype=object),
        "type_id": ledger["type_id"].to_numpy(dtype=object),
        "name": ledger["name"].to_numpy(dtype=object),
        "capacity": ledger["capacity"].to_numpy(dtype=np.float64),
        "floor_area_m2": ledger["floor_area_m2"].to_numpy(dtype=np.float64),
        "opens": year,
        "closes": np.nan,
        "source": PROJECTS_SOURCE,
        "_town": ledger["town_id"].to_numpy(dtype=object),
        "_fresh": True,
        **{name: ledger[name].to_numpy() for name in shared},
    }
    rest = {str(n): "" for n in table.columns if n not in own and n != "geometry" and table[n].dtype == object}
    return gpd.GeoDataFrame({**own, **rest}, geometry=ledger.geometry.to_numpy(), crs=table.crs)


def _towns(inputs: Inputs, table: gpd.GeoDataFrame) -> npt.NDArray[np.object_]:
    """Return every facility's town: known ones keep theirs, for the others it is looked up as for any facility."""
    towns: npt.NDArray[np.object_] = table["_town"].to_numpy(dtype=object).copy()
    fresh = np.flatnonzero(table["_fresh"].to_numpy(dtype=bool))
    if len(fresh):
        blank = fresh[towns[fresh] == ""]
        if len(blank):
            towns[blank] = facility_towns(table.iloc[blank][["facility_id", "geometry"]], inputs.committees, Notes())
    return towns
