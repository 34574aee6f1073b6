"""Whole runs on the sample district: planted cases, an independent oracle, determinism, caching, changed inputs."""

import dataclasses
import json
import shutil
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from circle15 import pipeline
from circle15.cache import open_cache
from circle15.config import load_config
from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.streets import read_streets
from circle15.network.graph import build_network
from circle15.network.snap import snap_to_begin, snap_to_end
from circle15.network.travel import Places, nearest
from circle15.stages.read import hash_inputs, mode_speeds
from circle15.stages.run import Clock, xy_of
from circle15.standard.load import load_standard
from kit import Oracle

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "configs" / "sample.toml"
TYPES = {"committee_id": str, "facility_id": str}


class Quiet:
    """A progress that tells nobody, but remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append(name)

    def advance(self, n: int = 1) -> None:
        pass

    def done(self) -> None:
        pass


def run(config: Path, out: Path, **options) -> pipeline.Outcome:
    return pipeline.compute(load_config(config), out=out, progress=Quiet(), **options)


def verdicts(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "csv" / "verdicts.csv", dtype=TYPES)
    return table.set_index(["committee_id", "requirement_id"]).sort_index()


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "run.json"
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    run(SAMPLE, folder)
    return folder


@pytest.fixture
def district(tmp_path) -> Path:
    """Return a configuration of one's own beside a copy of the sample's data, to change."""
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "data" / "sample")
    (tmp_path / "configs").mkdir()
    shutil.copy(ROOT / "configs" / "standards" / "pudong-2021.toml", tmp_path / "configs" / "own.toml")
    shutil.copy(SAMPLE, tmp_path / "configs" / "sample.toml")
    return tmp_path / "configs" / "sample.toml"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new), "utf-8")


# what was planted, and what an independent method says ---------------------------------------------------------------


def test_every_planted_case_has_its_verdict(done):
    expected = pd.read_csv(ROOT / "data" / "sample" / "expected.csv", dtype=TYPES)
    table = verdicts(done)
    for case in expected.itertuples():
        row = table.loc[(case.committee_id, f"{case.type_id}.reach")]
        assert (row.verdict, row.reason) == (case.verdict, case.reason), case.why
        if not np.isnan(case.time_s):
            assert row.time_s == pytest.approx(case.time_s, abs=0.2), case.why
        if not pd.isna(case.edge_affected):
            assert row.edge_affected == case.edge_affected, case.why
    assert len(expected) >= 12


def test_times_agree_with_networkx_on_the_uncontracted_streets(done):
    """One type by points, every committee: the nearest by brute force over all facilities."""
    standard = load_standard("pudong-2021", ROOT)
    committees = gpd.read_file(done / "circle15.gpkg", layer="committees")
    facilities = gpd.read_file(done / "circle15.gpkg", layer="facilities")
    pharmacies = facilities[facilities.type_id == "pharmacy"].explode()
    streets = read_streets(
        ROOT / "data/sample/network.osm.pbf", committees.crs, layer=None, source_crs=None, ferries=False, notes=Notes()
    )
    table = verdicts(done)
    checked = 0
    for mode in ("walk", "cycle"):
        speeds = mode_speeds(standard, mode)
        oracle = Oracle(_large_part(streets, speeds), speeds)
        for row in table[(table.type_id == "pharmacy") & (table["mode"] == mode)].iloc[::3].itertuples():
            here = committees.set_index("committee_id").geometry[row.Index[0]]
            times = [oracle((here.x, here.y), (p.x, p.y)) for p in pharmacies.geometry]
            assert row.count_within == sum(t <= 900 + 1e-6 for t in times) or row.reason == "off_network"
            if np.isfinite(row.time_s):
                assert row.time_s == pytest.approx(min(times), abs=0.001)
                checked += 1
    assert checked >= 8


def _large_part(streets, speeds):
    """Close what the run drops as too small: edges that no vertex of the built network lies on."""
    network = build_network(streets, speeds, 100, Notes())
    kept = {tuple(p) for p in network.xy.tolist()}
    inside = np.array([tuple(streets.xy[i]) in kept for i in streets.first[:-1]])
    flags = np.where(inside, streets.access[speeds.mode], 0).astype(np.uint8)
    return dataclasses.replace(streets, access={**streets.access, speeds.mode: flags})


def test_people_add_up(done):
    manifest = json.loads((done / "run.json").read_text("utf-8"))
    people = manifest["people"]
    assert people["total"] == pytest.approx(people["assigned"] + people["outside"] + people["off_network"], abs=1e-6)
    committees = pd.read_csv(done / "csv" / "committees.csv")
    # shared people are fractions, and each row is written to a thousandth
    assert committees.population.sum() == pytest.approx(people["assigned"], abs=5e-4 * len(committees))
    cells = gpd.read_file(done / "circle15.gpkg", layer="cells")
    assert cells.total.sum() == pytest.approx(people["total"], abs=1e-3)
    assert cells[cells.status == "outside"].total.sum() == pytest.approx(people["outside"], abs=1e-3)


def test_rates_follow_from_the_verdicts(done):
    """The published rates again, from the published verdicts, by plain pandas."""
    table = verdicts(done).reset_index()
    heads = table[table.headline]
    judged = heads[heads.verdict.isin(["pass", "fail"])]
    district = pd.read_csv(done / "csv" / "district.csv").iloc[0]
    assert district.item_rate == pytest.approx((judged.verdict == "pass").mean(), abs=1e-6)
    assert district.unknown == (heads.verdict == "unknown").sum()
    asked = heads[heads.verdict != "exempt"]
    known = asked.population.sum() - asked.population_unknown.sum()
    assert district.population_rate == pytest.approx(asked.population_covered.sum() / known, abs=1e-6)
    worst = heads.groupby("committee_id").verdict.agg(set)
    fails = worst.map(lambda v: "fail" in v).sum()
    passes = worst.map(lambda v: v <= {"pass", "exempt"} and "pass" in v).sum()
    assert district.committee_rate == pytest.approx(passes / (passes + fails), abs=1e-6)
    assert len(pd.read_csv(done / "csv" / "gaps.csv")) == (heads.verdict == "fail").sum()
    types = pd.read_csv(done / "csv" / "types.csv").set_index("type_id")
    assert len(types) == 37
    assert int(types.headline.sum()) == heads.type_id.nunique()


def test_circles_hold_their_committee_s_street_and_nothing_off_the_map(done):
    circles = gpd.read_file(done / "circle15.gpkg", layer="service_circles")
    assert circles.geometry.is_valid.all()
    committees = gpd.read_file(done / "circle15.gpkg", layer="committees").set_index("committee_id")
    for row in circles.itertuples():
        assert row.geometry.distance(committees.geometry[row.committee_id]) < 300
        radius = {"walk": 1000, "cycle": 3000}[row.mode]
        assert committees.geometry[row.committee_id].buffer(radius + 100).covers(row.geometry)


# determinism -------------------------------------------------------------------------------------------------------


def test_cold_warm_and_uncached_runs_give_the_same_bytes(done, tmp_path):
    cold, warm = tmp_path / "cold", tmp_path / "warm"
    run(SAMPLE, cold, cache=tmp_path / "cache")
    run(SAMPLE, warm, cache=tmp_path / "cache")
    assert files_of(cold) == files_of(done)
    assert files_of(warm) == files_of(done)


def test_both_engines_give_the_same_verdicts_and_times(done, tmp_path):
    other = (
        "scipy" if json.loads((done / "run.json").read_text())["engine"]["walk"]["engine"] == "pandana" else "pandana"
    )
    run(SAMPLE, tmp_path, engine=other)
    one, two = verdicts(done), verdicts(tmp_path)
    exact = ["verdict", "reason", "count_within", "edge_affected", "facility_id"]
    pd.testing.assert_frame_equal(one[exact], two[exact])
    np.testing.assert_allclose(one.time_s, two.time_s, atol=0.02)


def test_the_order_of_rows_in_the_inputs_does_not_matter(done, district, tmp_path):
    data = district.parent.parent / "data" / "sample"
    for name in ("committees.gpkg", "facilities.gpkg"):
        for layer in gpd.list_layers(data / name).name:
            table = gpd.read_file(data / name, layer=layer)
            table.sample(frac=1, random_state=1).to_file(data / name, layer=layer, driver="GPKG")
    run(district, tmp_path / "out")
    assert (tmp_path / "out/csv/verdicts.csv").read_bytes() == (done / "csv/verdicts.csv").read_bytes()


def test_a_second_run_with_nothing_changed_leaves_the_files_alone(tmp_path):
    first = run(SAMPLE, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    second = run(SAMPLE, tmp_path)
    assert (first.unchanged, second.unchanged) == (False, True)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
    assert second.gaps == first.gaps
    assert [n.code for n in second.notes.items] == [n.code for n in first.notes.items]
    targets = first.results_rates["targets"]
    assert second.results_rates["targets"].verdict.tolist() == targets.verdict.tolist()
    for name in ("types", "domains", "towns", "zones", "district"):
        table = first.results_rates[name]
        np.testing.assert_allclose(
            table.item_rate.astype(float).sort_values(), second.results_rates[name].item_rate.sort_values(), atol=1e-6
        )


@pytest.mark.parametrize("companion", ["population.tfw", "population.tif.aux.xml", "network.osm.pbf-wal"])
def test_a_changed_companion_file_is_a_changed_input(district, companion):
    data = district.parent.parent / "data" / "sample"
    before = hash_inputs(load_config(district))
    (data / companion).write_text("something else")
    assert hash_inputs(load_config(district)) != before


def test_files_in_a_folder_are_an_input(district):
    folder = district.parent.parent / "data" / "sample" / "districts.gdb"
    folder.mkdir()
    (folder / "a00000001.gdbtable").write_text("one")
    edit(district, "../data/sample/parks.gpkg", "../data/sample/districts.gdb")
    before = hash_inputs(load_config(district))
    (folder / "a00000001.gdbtable").write_text("two")
    assert hash_inputs(load_config(district)) != before


def test_a_damaged_output_is_written_anew(done, tmp_path):
    shutil.copytree(done, tmp_path / "out")
    (tmp_path / "out/csv/gaps.csv").write_text("nothing")
    assert not run(SAMPLE, tmp_path / "out").unchanged
    assert files_of(tmp_path / "out") == files_of(done)


# changed inputs ------------------------------------------------------------------------------------------------------


def test_one_changed_threshold_changes_that_type_only_and_the_cache_agrees(done, district, tmp_path):
    cache = tmp_path / "cache"
    run(district, tmp_path / "a", cache=cache)
    edit(district, '"pudong-2021"', '"own.toml"')
    own = district.parent / "own.toml"
    lines = own.read_text("utf-8").splitlines()
    index = next(i for i, line in enumerate(lines) if '"pharmacy.reach"' in line)
    lines[index] = lines[index].replace("minutes = 15", "minutes = 5")
    own.write_text("\n".join(lines), "utf-8")
    run(district, tmp_path / "b", cache=cache)
    run(district, tmp_path / "c")
    assert files_of(tmp_path / "b") == files_of(tmp_path / "c")
    one, two = verdicts(done), verdicts(tmp_path / "b")
    rest = one.type_id != "pharmacy"
    pd.testing.assert_frame_equal(one[rest], two[rest])
    mine = two[~rest]
    reached = mine[mine.verdict.isin(["pass", "fail"])]
    assert ((reached.verdict == "pass") == (reached.time_s <= 300)).all()
    assert (mine.verdict == "pass").sum() < (one[~rest].verdict == "pass").sum()


def test_a_new_facility_beside_a_gap_closes_it_and_touches_nothing_else(done, district, tmp_path):
    gaps = pd.read_csv(done / "csv" / "gaps.csv", dtype=TYPES)
    gap = gaps[gaps.type_id == "community_cultural_center"].iloc[0]
    data = district.parent.parent / "data" / "sample" / "facilities.gpkg"
    table = gpd.read_file(data)
    here = gpd.read_file(done / "circle15.gpkg", layer="committees").set_index("committee_id").to_crs(table.crs)
    new = table[table["type"] == "community_cultural_center"].iloc[[0]].copy()
    new["id"], new["opens"], new["closes"], new["geometry"] = "NEW", np.nan, np.nan, here.geometry[gap.committee_id]
    pd.concat([table, new]).to_file(data, driver="GPKG")
    cache = tmp_path / "cache"
    run(SAMPLE, tmp_path / "before", cache=cache)
    run(district, tmp_path / "after", cache=cache)
    one, two = verdicts(done), verdicts(tmp_path / "after")
    row = two.loc[(gap.committee_id, "community_cultural_center.reach")]
    assert (row.verdict, row.facility_id, row.time_s <= 900) == ("pass", "NEW", True)
    mine = one.type_id == "community_cultural_center"
    pd.testing.assert_frame_equal(one[~mine], two[~mine])
    was, now = one[mine], two[mine]
    assert (now.time_s.fillna(np.inf) <= was.time_s.fillna(np.inf) + 1e-9).all()
    assert (now.population_covered.fillna(0) >= was.population_covered.fillna(0)).all()


def test_a_type_without_any_source_is_unknown(district, tmp_path):
    text = district.read_text("utf-8")
    blocks = text.split("[[facilities]]")
    kept = [b for b in blocks if "bus_stops.csv" not in b]
    assert len(kept) == len(blocks) - 1
    district.write_text("[[facilities]]".join(kept), "utf-8")
    run(district, tmp_path / "out")
    stops = verdicts(tmp_path / "out").query("type_id == 'bus_stop'")
    assert set(stops.verdict) == {"unknown", "exempt"}
    assert set(stops.reason) <= {"no_facility_data", "off_network", "no_zone"}
    types = pd.read_csv(tmp_path / "out/csv/types.csv").set_index("type_id")
    assert np.isnan(types.item_rate["bus_stop"])
    assert np.isnan(types.population_rate["bus_stop"])


def test_without_areas_people_go_to_the_nearest_committee_and_still_add_up(district, tmp_path):
    text = district.read_text("utf-8")
    begin = text.index("[committees.areas]")
    end = text.index("[population]", begin)
    district.write_text(text[:begin] + text[end:], "utf-8")
    run(district, tmp_path / "out")
    people = json.loads((tmp_path / "out/run.json").read_text("utf-8"))["people"]
    assert people["total"] == pytest.approx(people["assigned"] + people["outside"] + people["off_network"])
    assert 0 < people["outside"] < people["assigned"]


def test_as_of_opens_what_was_not_open_yet(done, tmp_path):
    run(SAMPLE, tmp_path, as_of=2035)
    before, after = (json.loads((f / "run.json").read_text("utf-8")) for f in (done, tmp_path))
    assert after["counts"]["facilities"] == before["counts"]["facilities"] + 1  # one opens later, one has closed


def test_longer_thresholds_never_lower_a_rate(district, tmp_path):
    edit(district, '"pudong-2021"', '"own.toml"')
    rates = []
    own = district.parent / "own.toml"
    text, _ = own.read_text("utf-8").split("\ntargets = [", 1)  # whose figures would no longer be the requirements'
    text += "\n[target]" + own.read_text("utf-8").split("\n[target]", 1)[1]
    for minutes in (10, 15, 20):
        own.write_text(text.replace("minutes = 15,", f"minutes = {minutes},"), "utf-8")
        outcome = run(district, tmp_path / str(minutes), cache=tmp_path / "cache")
        rates.append(outcome.results_rates["types"].set_index("type_id")[["item_rate", "population_rate"]])
    for lower, upper in pairwise(rates):
        assert (upper - lower).min().min() >= -1e-9


# wrong inputs, whole runs --------------------------------------------------------------------------------------------


def test_nothing_is_written_when_an_input_is_missing(district, tmp_path):
    (district.parent.parent / "data/sample/population.tif").unlink()
    with pytest.raises(InputError, match=r"population\.tif"):
        run(district, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_standard_names_the_nearest(district, tmp_path):
    edit(district, '"pudong-2021"', '"pudong-2012"')
    with pytest.raises(ConfigError, match="pudong-2021"):
        run(district, tmp_path / "out")


def test_a_truncated_network_says_so(district, tmp_path):
    path = district.parent.parent / "data/sample/network.osm.pbf"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"network\.osm\.pbf"):
        run(district, tmp_path / "out")


def test_people_in_the_wrong_crs_are_refused_before_any_verdict(district, tmp_path):
    edit(district, "[population]\nsource", '[population]\ncrs = "EPSG:32649"\nsource')
    # a raster is read around the committees only: nobody is there
    with pytest.raises(InputError, match=r"population.tif: nobody lives within 6.0 km of the committees"):
        run(district, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_points_with_swapped_coordinates_are_refused(district, tmp_path):
    path = district.parent.parent / "data/sample/bus_stops.csv"
    text = path.read_text("utf-8-sig")
    head, _, rest = text.partition("\n")
    swapped = head.replace("lon", "L").replace("lat", "lon").replace("L", "lat")
    path.write_text(f"{swapped}\n{rest}", "utf-8")
    with pytest.raises(InputError, match="swapped"):
        run(district, tmp_path / "out")


def test_one_stray_committee_is_named_and_does_not_move_the_crs(district, tmp_path):
    path = district.parent.parent / "data/sample/committees.gpkg"
    table = gpd.read_file(path, layer="committees").to_crs(4326)
    areas = gpd.read_file(path, layer="committee_areas")
    code = table["code"].iloc[4]
    table.loc[4, "geometry"] = type(table.geometry.iloc[4])(0, 0)
    table.to_file(path, layer="committees", driver="GPKG")
    areas.to_file(path, layer="committee_areas", driver="GPKG")
    with pytest.raises(InputError, match=f"far from most others .*{code}"):
        run(district, tmp_path / "out")


def test_people_are_covered_where_they_reach_as_many_as_are_asked_for(district, tmp_path):
    """Cells against a search from each pharmacy of its own; committees that reach too few have no shortfall of time."""
    edit(district, '"pudong-2021"', '"own.toml"')
    own = district.parent / "own.toml"
    lines = own.read_text("utf-8").splitlines()
    index = next(i for i, line in enumerate(lines) if '"pharmacy.reach"' in line)
    lines[index] = lines[index].replace("min_count = 1", "min_count = 3")
    own.write_text("\n".join(lines), "utf-8")
    run(district, tmp_path / "out")
    rows = verdicts(tmp_path / "out").query("type_id == 'pharmacy' and verdict in ('pass', 'fail')")
    assert set(rows.reason) >= {"too_few", "within"}
    assert (rows.query("reason == 'too_few'").value < 3).all()
    gaps = pd.read_csv(tmp_path / "out/csv/gaps.csv").query("reason == 'too_few' and type_id == 'pharmacy'")
    assert gaps.shortfall_s.isna().all()
    assert (gaps.shortfall_count + rows.query("reason == 'too_few'").count_within.to_numpy() == 3).all()

    loaded = load_config(district)
    store = pipeline.Run(loaded, load_standard(str(own), own.parent), {}, open_cache(None), Notes(), Clock(Quiet()))
    inputs, networks, _ = pipeline.prepare(store)
    pharmacies = inputs.facilities.table.query("type_id == 'pharmacy'")
    network = networks.of["walk"]
    cells = inputs.cells.assign(committee=inputs.cell_committee).query("committee >= 0")
    snapped = snap_to_begin(network, xy_of(cells), 300.0)
    count = np.zeros(len(cells), dtype=int)
    for place in xy_of(pharmacies):
        one = Places(snap_to_end(network, place[None, :], 300.0), place[None, :], np.zeros(1, dtype=int))
        count += np.nan_to_num(nearest(network, snapped, one, 900.0).time_s, nan=np.inf) <= 900.0
    covered = cells.total.where(count >= 3, 0.0).groupby(cells.committee).sum()
    checked = 0
    for row, committee in enumerate(inputs.committees.committee_id):
        found = rows.loc[committee].iloc[0] if committee in rows.index else None
        if found is not None and found["mode"] == "walk":
            assert found.population_covered == pytest.approx(covered.get(row, 0.0), abs=5e-4)  # it's written so
            checked += found.population_covered > 0
    assert checked > 5


def test_a_source_that_is_no_plain_file_is_never_taken_for_unchanged(district):
    edit(district, "../data/sample/parks.gpkg", "../data/sample/parks.vrt")
    (district.parent.parent / "data/sample/parks.vrt").write_text("<OGRVRTDataSource/>")
    assert hash_inputs(load_config(district)) != hash_inputs(load_config(district))


def test_notes_so_far_come_with_an_error(district, tmp_path):
    edit(district, "[population]\nsource", '[population]\ncrs = "EPSG:32649"\nsource')
    with pytest.raises(InputError) as caught:
        run(district, tmp_path / "out")
    assert "network.walk.small_components" in [note.code for note in caught.value.notes.items]


def test_a_facility_just_beyond_the_last_street_is_no_wrong_crs(district, tmp_path):
    """One bus stop outside of every street's box, but within max_snap_m of one."""
    network = gpd.read_file(ROOT / "data/sample/network.osm.pbf", layer="lines").to_crs(32651)
    east = network.get_coordinates().sort_values("x").iloc[-1]
    stops = district.parent.parent / "data/sample/bus_stops.csv"
    place = gpd.GeoSeries.from_xy([east.x + 50], [east.y], crs=32651).to_crs(4326).iloc[0]
    head = stops.read_text("utf-8-sig").splitlines()
    columns = head[0].split(",")
    values = dict(zip(columns, head[1].split(","), strict=True)) | {"lon": str(place.x), "lat": str(place.y)}
    stops.write_text(f"{head[0]}\n{','.join(values[c] for c in columns)}\n", "utf-8")
    run(district, tmp_path / "out")
    assert set(verdicts(tmp_path / "out").query("type_id == 'bus_stop'").verdict) <= {
        "pass",
        "fail",
        "exempt",
        "unknown",
    }
