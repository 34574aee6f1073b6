"""Whole runs with each kind of requirement, held against sums and searches that are made here."""

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from circle15 import pipeline
from circle15.cache import open_cache
from circle15.config import load_config
from circle15.errors import Notes
from circle15.network.snap import snap_to_begin, snap_to_end
from circle15.network.travel import Places, nearest
from circle15.stages.run import Clock, Run, xy_of
from circle15.standard.load import load_standard
from test_trust import Quiet, table

ROOT = Path(__file__).parents[1]
CARE = ["elderly_care_home", "elderly_day_care_center", "elderly_canteen"]
RULES = """
  { id = "x.floor", kind = "provision", types = TYPES, scope = "town", measure = "floor_area_m2", unit = "m²", at_least = 40, clause = "1" },
  { id = "x.2sfca", kind = "provision", types = ["elderly_care_home"], scope = "committee", measure = "capacity", unit = "beds", group = "age_60_plus", at_least = 5, method = "2sfca", minutes = 15, mode = "walk", clause = "1" },
  { id = "x.gaussian", kind = "provision", types = ["pharmacy"], scope = "committee", measure = "count", unit = "pharmacies", at_least = 0.2, method = "gaussian", minutes = 15, mode = "walk", clause = "1" },
  { id = "x.market", kind = "quality", types = ["wet_market"], scope = "committee", attribute = "standardised", equals = true, minutes = 15, mode = "zone", clause = "1" },
  { id = "x.markets", kind = "quality", types = ["wet_market"], scope = "district", attribute = "standardised", equals = true, percent = 100, clause = "1" },
  { id = "x.metro", kind = "adjacency", types = ["metro_station"], to_types = ["bus_stop"], scope = "district", metres = 100, percent = 95, clause = "1" },
  { id = "x.homes", kind = "presence", types = ["elderly_fitness_home"], scope = "town", clause = "1" },
  { id = "x.beds", kind = "total", types = ["elderly_care_institution"], measure = "capacity", unit = "beds", at_least = 845, due = 2023, clause = "1" },
  { id = "x.metres", kind = "reach", type = "pharmacy", metres = 500, mode = "walk", headline = false, clause = "1" },
  { id = "x.dense", kind = "reach", type = "pharmacy", headline = false, clause = "1", rules = [
    { density_per_km2 = { at_least = 5000 }, minutes = 5, mode = "walk" },
    { density_per_km2 = { below = 5000 }, share_percent = { group = "age_60_plus", at_least = 30 }, minutes = 20, mode = "walk" },
    { density_per_km2 = { below = 5000 }, share_percent = { group = "age_60_plus", below = 30 }, exempt = true },
  ] },
  { id = "x.slow", kind = "reach", type = "pharmacy", minutes = 15, mode = "elderly_walk", headline = false, clause = "1" },
"""  # noqa: E501 - a requirement a line, as in the standards


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The sample, held against its standard with one more requirement of each kind."""
    folder = tmp_path_factory.mktemp("kinds")
    shutil.copytree(ROOT / "data" / "sample", folder / "data" / "sample")
    (folder / "configs").mkdir()
    shutil.copy(ROOT / "configs" / "sample.toml", folder / "configs" / "sample.toml")
    text = (ROOT / "configs" / "standards" / "pudong-2021.toml").read_text("utf-8")
    head, rest = text.split("\nrequirements = [\n", 1)
    rules = RULES.replace("TYPES", str(CARE).replace("'", '"'))
    (folder / "configs" / "own.toml").write_text(f"{head}\nrequirements = [\n{rules}{rest}", "utf-8")
    config = load_config(folder / "configs" / "sample.toml")
    pipeline.compute(config, out=folder / "out", standard="own.toml", progress=Quiet())
    return folder


@pytest.fixture(scope="module")
def verdicts(folder) -> pd.DataFrame:
    return table(folder / "out", "verdicts").set_index(["requirement_id", "committee_id"]).sort_index()


@pytest.fixture(scope="module")
def requirements(folder) -> pd.DataFrame:
    return table(folder / "out", "requirements").set_index(["requirement_id", "scope"]).sort_index()


@pytest.fixture(scope="module")
def layers(folder) -> dict[str, gpd.GeoDataFrame]:
    """Layers of the run, the facilities of all shapes together."""
    path = folder / "out" / "circle15.gpkg"
    names = {"committees", "committee_areas", "cells"}
    found = {name: gpd.read_file(path, layer=name) for name in names}
    parts = [gpd.read_file(path, layer=name) for name in ("facilities", "facility_areas")]
    facilities = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=parts[0].crs)
    return found | {"facilities": facilities.assign(at=facilities.representative_point())}


@pytest.fixture(scope="module")
def prepared(folder):
    config = load_config(folder / "configs" / "sample.toml")
    standard = load_standard("own.toml", folder / "configs")
    run = Run(config, standard, {}, open_cache(None), Notes(), Clock(Quiet()))
    return pipeline.prepare(run)


def times_to_each(prepared, points, places) -> np.ndarray:
    """Return seconds on foot from every point to every place: one search a place, none of the code under test."""
    _, networks, _ = prepared
    network = networks.of["walk"]
    on = snap_to_begin(network, points, 300.0)
    columns = []
    for place in places:
        one = Places(snap_to_end(network, place[None, :], 300.0), place[None, :], np.zeros(1, dtype=np.int64))
        columns.append(np.nan_to_num(nearest(network, on, one, np.inf).time_s, nan=np.inf))
    return np.stack(columns, axis=1)


def test_provision_by_town_is_the_sum_of_the_files(requirements, layers):
    """Places in each town by a spatial join of its own; people of a town from its cells."""
    areas = layers["committee_areas"].dissolve("town_id")
    care = layers["facilities"].query("type_id in @CARE")
    care = care.set_geometry("at").drop(columns=["geometry", "town_id"])
    inside = gpd.sjoin(care, areas[["geometry"]], predicate="within")
    town = layers["committees"].set_index("committee_id").town_id
    people = layers["cells"].groupby(layers["cells"].committee_id.map(town)).total.sum()
    rows = requirements.loc[("x.floor", "town")].set_index("scope_id")
    assert len(rows) == 3
    for name, row in rows.iterrows():
        own = inside[inside.town_id == name]
        sure = 1000 * own.floor_area_m2.sum() / people[name]
        assert row.value == pytest.approx(sure, abs=2e-6)
        if sure >= 40:
            assert row.verdict == "pass"
        else:
            assert row.verdict == ("unknown" if own.floor_area_m2.isna().any() else "fail")
    summary = requirements.loc[[("x.floor", "district")]].iloc[0]
    assert (summary.value, summary.unit) == ((rows.verdict == "pass").sum(), "towns")


@pytest.mark.parametrize("name", ["2sfca", "gaussian"])
def test_catchments_by_brute_force(name, verdicts, layers, prepared):
    """All cells × all facilities, the two steps as loops over facilities."""
    inputs, _, _ = prepared
    cells, facilities = inputs.cells, layers["facilities"]
    if name == "2sfca":
        own, supply = facilities.query("type_id in ('elderly_care_home', 'elderly_service_center')"), None
        own = own[own.type_id == "elderly_care_home"]
        people, supply = cells["age_60_plus"].to_numpy(), own.capacity.fillna(0).to_numpy()
    else:
        own = facilities.query("type_id == 'pharmacy'")
        people, supply = cells["total"].to_numpy(), np.ones(len(own))
    time = times_to_each(prepared, xy_of(cells), xy_of(own.set_geometry("at")))
    if name == "2sfca":
        weight = (time <= 900.0 + 1e-6).astype(float)
    else:
        cut = np.exp(-0.5)
        weight = np.where(time <= 900.0, (np.exp(-((time / 900.0) ** 2) / 2) - cut) / (1 - cut), 0.0)
    access = np.zeros(len(people))
    for j in range(len(own)):
        demand = (people * weight[:, j]).sum()
        if demand > 0:
            access += supply[j] / demand * weight[:, j]
    network = prepared[1].of["walk"]
    known = snap_to_begin(network, xy_of(cells), 300.0).on_network
    rows = verdicts.loc[f"x.{name}"]
    target = rows.target.dropna().iloc[0]
    checked = 0
    for number, committee in enumerate(inputs.committees.committee_id):
        mine = (inputs.cell_committee == number) & known
        row = rows.loc[committee]
        if row.verdict in ("pass", "fail"):
            expected = 1000 * (access[mine] * people[mine]).sum() / people[mine].sum()
            assert row.value == pytest.approx(expected, abs=1e-6)
            assert row.verdict == ("pass" if expected >= target else "fail")
            checked += 1
    assert checked > (5 if name == "2sfca" else 20)


def test_a_good_one_within_reach(verdicts, layers, prepared):
    """Standardised markets within each walking committee's 15 minutes, counted by hand from the attribute."""
    inputs, _, _ = prepared
    markets = layers["facilities"].query("type_id == 'wet_market'")
    good = (markets.standardised == "是").to_numpy()
    assert 0 < good.sum() < len(good)
    time = times_to_each(prepared, xy_of(inputs.committees), xy_of(markets.set_geometry("at")))
    checked = {"pass": 0, "fail": 0}
    for number, committee in enumerate(inputs.committees.committee_id):
        row = verdicts.loc[("x.market", committee)]
        if row["mode"] != "walk" or row.verdict not in checked:
            continue
        near = time[number] <= 900.0 + 1e-6
        assert (row.verdict == "pass") == bool((near & good).any())
        if row.verdict == "pass":
            assert row.time_s == pytest.approx(time[number][near & good].min(), abs=1e-3)
        checked[row.verdict] += 1
    assert min(checked.values()) > 0


def test_quality_and_total_of_the_district(requirements, layers):
    markets = layers["facilities"].query("type_id == 'wet_market' and town_id.notna()")
    row = requirements.loc[[("x.markets", "district")]].iloc[0]
    assert row.value == pytest.approx(100 * (markets.standardised == "是").mean())
    assert row.verdict == "fail"
    homes = layers["facilities"].query("type_id == 'elderly_care_institution' and town_id.notna()")
    row = requirements.loc[[("x.beds", "district")]].iloc[0]
    assert row.value == homes.capacity.sum()
    assert row.verdict == ("pass" if row.value >= 845 else "fail")


def test_metro_stations_and_bus_stops(folder, requirements, layers, prepared):
    checks = table(folder / "out", "facility_checks").query("requirement_id == 'x.metro'").set_index("facility_id")
    stations = layers["facilities"].query("type_id == 'metro_station'")
    stops = layers["facilities"].query("type_id == 'bus_stop'")
    assert set(checks.index) == set(stations.facility_id)
    for station in stations.itertuples():
        gates = shapely.get_coordinates(station.geometry)
        seconds = times_to_each(prepared, gates, xy_of(stops.set_geometry("at"))).min()
        row = checks.loc[station.facility_id]
        if np.isfinite(row.distance_m):
            assert row.distance_m == pytest.approx(seconds / 900 * 1000, abs=0.06)
        assert row.straight_m == pytest.approx(stops.distance(station.geometry).min(), abs=0.06)
        assert row.verdict == ("pass" if seconds / 900 * 1000 <= 100 else "fail")
    inside = checks[checks.town_id.notna()]
    row = requirements.loc[[("x.metro", "district")]].iloc[0]
    assert row.value == pytest.approx(100 * (inside.verdict == "pass").mean())
    assert row.value_straight == pytest.approx(100 * (inside.straight_m <= 100).mean())


def test_presence_in_each_town(requirements, layers):
    homes = layers["facilities"].query("type_id == 'elderly_fitness_home'").groupby("town_id").size()
    rows = requirements.loc[("x.homes", "town")].set_index("scope_id")
    for town, row in rows.iterrows():
        assert row.value == homes.get(town, 0)


def test_metres_are_walked_at_the_standards_speed(verdicts):
    """500 m at 4 km/h are 450 s; the planted pharmacy 230 m away is within, by distance as by time."""
    rows = verdicts.loc["x.metres"]
    assert set(rows.threshold_s.dropna()) == {450.0}
    known = rows[rows.verdict.isin(["pass", "fail"]) & rows.distance_m.notna()]
    assert ((known.distance_m <= 500.0) == (known.verdict == "pass")).all()
    assert {"pass", "fail"} <= set(known.verdict)


def test_the_elderly_walk_the_same_way_for_longer(verdicts):
    slow, usual = verdicts.loc["x.slow"], verdicts.loc["x.metres"]
    both = slow.time_s.notna() & usual.time_s.notna()
    assert both.sum() > 20
    np.testing.assert_allclose(slow.time_s[both], usual.time_s[both] * 4 / 2.9, atol=2e-3)
    assert (slow.distance_m[both] - usual.distance_m[both]).abs().max() < 0.11
    asked = slow.verdict.isin(["pass", "fail"])
    assert ((slow.time_s[asked] <= 900) == (slow.verdict[asked] == "pass")).all()


def test_rules_by_density_and_age(verdicts, layers):
    """Density from the areas and cells, shares of the elderly as planted by town."""
    area_km2 = layers["committee_areas"].set_index("committee_id").area / 1e6
    people = layers["cells"].groupby("committee_id")[["total", "age_60_plus"]].sum()
    rows = verdicts.loc["x.dense"]
    seen = set()
    for committee in area_km2.index:
        row = rows.loc[committee]
        if row.reason == "no_zone":
            continue
        density = people.total[committee] / area_km2[committee]
        share = 100 * people.age_60_plus[committee] / people.total[committee]
        case = "dense" if density >= 5000 else "old" if share >= 30 else "young"
        seen.add(case)
        if case == "young":
            assert (row.verdict, row.reason) == ("exempt", "not_required")
        else:
            assert row.threshold_s == {"dense": 300.0, "old": 1200.0}[case]
    assert seen == {"dense", "old", "young"}
