"""What a run leaves on disk: the bytes, the contents, and what is left when writing fails."""

import csv
import dataclasses
import errno
import json
import os
import socket
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from circle15.config import Config
from circle15.errors import InputError, InstallationError, Notes, OutputError
from circle15.outputs import geopackage, write
from circle15.outputs.columns import RATE_LAYOUTS, VERDICTS, arrange
from circle15.outputs.csvfiles import write_csvs
from circle15.outputs.lock import locked, place_beside
from circle15.outputs.manifest import Manifest, is_current, plain
from circle15.outputs.write import check_writable, publish, read_rates, write_run
from circle15.tables import Results

CRS = "EPSG:32651"
CENTRES = np.array([[350_000.0, 3_450_000.0], [351_000.0, 3_450_000.0], [352_000.0, 3_451_000.0]])
NASTY = '一村, "东"\n区'
FORMULA = "=1+1"
NAN = float("nan")


@dataclass(frozen=True)
class Label:
    id: str = "test-2021"
    sha256: str = "ab" * 32
    zh: str = "标准"
    en: str = "Standard"
    status: str = "draft"


def make_config(**run) -> Config:
    return Config.model_validate(
        {
            "run": {"name": "test", "standard": "test-2021", "as_of": 2023, "out": "out/test"} | run,
            "network": {"source": "n.osm.pbf"},
            "committees": {"source": "c.gpkg"},
            "facilities": [{"source": "f.csv", "type": "school"}],
        }
    )


def make_manifest(**changes) -> Manifest:
    given_ = {"config": make_config(), "standard": Label(), "inputs": {"n.osm.pbf": "1" * 64}, "code": "c0de"}
    return Manifest(**(given_ | changes))


def make_rates(key: str | None, ids: list[str]) -> pd.DataFrame:
    n = len(ids)
    table = pd.DataFrame(
        {
            "passed": [3] * n,
            "failed": [1] * n,
            "unknown": [0] * n,
            "exempt": [2] * n,
            "edge_affected": [0] * n,
            "item_rate": [0.75] * n,
            "item_rate_without_edge": [NAN] * n,
            "committee_rate": [1 / 3] * n,
            "population": [1200.5] * n,
            "population_covered": [600.25] * n,
            "population_unknown": [0.0] * n,
            "population_rate": [0.5] * n,
        }
    )
    if key:
        table.insert(0, key, ids)
    return table


def make_results(**changes) -> Results:
    """Three committees (given out of order), two requirements, facilities of every geometry."""
    points = shapely.points(CENTRES)
    committees = gpd.GeoDataFrame(
        {
            "committee_id": ["c2", "c1", "c10"],
            "name": ["二村", NASTY, FORMULA],
            "kind": ["village", "residents", "residents"],
            "town_id": ["t1", "t1", "t2"],
            "zone": ["rural", "urban", ""],
            "population": [1000.0, 0.0, 200.5],
            "age_60_plus": [300.0, 0.0, 50.25],
            "verdict": ["pass", "fail", "exempt"],
            "passed": [2, 1, 0],
            "failed": [0, 1, 0],
            "unknown": [0, 0, 0],
            "exempt": [0, 0, 2],
            "edge_affected": [0, 1, 0],
        },
        geometry=points,
        crs=CRS,
    )
    committees["area"] = [shapely.box(349_900, 3_449_900, 350_100, 3_450_100), None, None]
    verdicts = pd.DataFrame(
        {
            "committee_id": ["c2", "c1", "c2", "c1"],
            "type_id": ["school", "school", "park", "park"],
            "requirement_id": ["school.reach", "school.reach", "park.reach", "park.reach"],
            "requirement_kind": "reach",
            "headline": [True, True, False, False],
            "verdict": ["pass", "fail", "pass", "unknown"],
            "reason": ["within", "too_far", "within", "off_network"],
            "edge_affected": [False, True, False, False],
            "mode": ["cycle", "walk", "cycle", "walk"],
            "threshold_s": 900.0,
            "time_s": [900.0, 900.00004, 12.34567, NAN],
            "distance_m": [3000.04, 1000.0, 41.15, NAN],
            "facility_id": ["f1", "f2", "f3", ""],
            "count_within": [1.0, 0.0, 2.0, NAN],
            "population": [1000.0, 0.0, 1000.0, 0.0],
            "population_covered": [999.9996, 0.0, 10.0, NAN],
            "population_unknown": 0.0,
        }
    )
    requirements = pd.DataFrame(
        {
            "requirement_id": ["school.reach", "park.reach"],
            "scope": "district",
            "scope_id": "",
            "subject": ["school", "park"],
            "value": [50.0, 100.0],
            "target": [100.0, NAN],
            "unit": "% of committees",
            "verdict": ["fail", "exempt"],
            "reason": ["below_target", "no_target"],
            "due": pd.Series([2023, None], dtype=object),
        }
    )
    gaps = verdicts.iloc[[1]].assign(town_id="t1", shortfall_s=0.00004, population_affected=0.0)
    gaps = gaps.drop(columns=["requirement_kind", "headline", "verdict", "distance_m", "count_within"])
    facilities = gpd.GeoDataFrame(
        {
            "facility_id": ["f1", "f2", "f3", "f4"],
            "type_id": ["school", "school", "park", "greenway"],
            "name": ["小学", "", "公园", "绿道"],
            "capacity": [100.0, NAN, NAN, NAN],
            "floor_area_m2": NAN,
            "opens": [2020.0, NAN, NAN, NAN],
            "closes": NAN,
            "source": "f.csv",
            "on_network": [True, False, True, True],
            "Name": [{"a": 1}, None, ["x"], 3],
        },
        geometry=[
            shapely.Point(350_010, 3_450_000),
            shapely.MultiPoint([[351_010, 3_450_000], [351_020, 3_450_000]]),
            shapely.Polygon([(0, 0, 5), (10, 0, 5), (10, 10, 5)]),
            shapely.LineString([(0, 0), (10, 10)]),
        ],
        crs=CRS,
    )
    cells = gpd.GeoDataFrame(
        {"cell_id": ["b", "a"], "total": [1.5, 2.0], "committee_id": ["c1", ""], "status": ["assigned", "outside"]},
        geometry=shapely.points([[1.0, 2.0], [3.0, 4.0]]),
        crs=CRS,
    )
    rates = {
        "types": make_rates("type_id", ["school", "park"]),
        "domains": make_rates("domain", ["education"]),
        "towns": make_rates("town_id", ["t2", "t1"]),
        "zones": make_rates("zone", ["urban"]),
        "district": make_rates(None, ["all"]),
    }
    town_shapes = [shapely.MultiPoint([[0, 0], [1, 1]]), shapely.box(0, 0, 5, 5)]
    circles = gpd.GeoDataFrame(
        {"committee_id": ["c2", "c1"], "mode": ["cycle", "walk"], "threshold_s": 900.0, "area_m2": [100.0, 200.04]},
        geometry=[
            shapely.box(0, 0, 10, 10),
            shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10)]),
        ],
        crs=CRS,
    )
    results = Results(
        committees=committees,
        verdicts=verdicts,
        requirements=requirements,
        gaps=gaps.reset_index(drop=True),
        facilities=facilities,
        cells=cells,
        towns=gpd.GeoDataFrame(rates["towns"].copy(), geometry=town_shapes, crs=CRS),
        circles=circles,
        rates=rates,
    )
    return dataclasses.replace(results, **changes)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out"


@pytest.fixture
def written(out: Path) -> Path:
    write_run(make_results(), out, make_manifest(), CRS)
    return out


# the same bytes ----------------------------------------------------------------------------------------------------


def test_two_runs_give_the_same_bytes_but_for_timings(tmp_path):
    for name in ("a", "b"):
        write_run(make_results(), tmp_path / name, make_manifest(timings={"read": 1.0 if name == "a" else 2.0}), CRS)
    a, b = bytes_of(tmp_path / "a"), bytes_of(tmp_path / "b")
    first, second = json.loads(a.pop("run.json")), json.loads(b.pop("run.json"))
    assert len(a) == 15
    assert a == b
    assert first.pop("timings") != second.pop("timings")
    assert first == second


def test_row_order_of_the_tables_does_not_matter(tmp_path, written):
    results = make_results()
    turned = {
        name: table.iloc[::-1].reset_index(drop=True)
        for name in ("committees", "verdicts", "requirements", "gaps", "facilities", "cells", "towns", "circles")
        if (table := getattr(results, name)) is not None
    }
    # types, domains and zones keep the standard's order, which does not come from the inputs
    rates = results.rates | {"towns": results.rates["towns"].iloc[::-1].reset_index(drop=True)}
    other = tmp_path / "turned"
    write_run(make_results(**turned, rates=rates), other, make_manifest(), CRS)
    a, b = bytes_of(written), bytes_of(other)
    assert {k: v for k, v in a.items() if k != "run.json"} == {k: v for k, v in b.items() if k != "run.json"}


# CSV ---------------------------------------------------------------------------------------------------------------


def test_csv_files_are_those_of_the_design(written):
    names = {p.name for p in (written / "csv").iterdir()}
    stems = ["verdicts", "requirements", "committees", "types", "domains", "towns", "zones", "district", "gaps"]
    stems += ["targets", "facility_checks", "groups", "equity", "lorenz"]
    assert names == {f"{stem}.csv" for stem in stems}
    header = (written / "csv" / "verdicts.csv").read_text("utf-8").split("\n", 1)[0]
    assert header == (
        "committee_id,type_id,requirement_id,requirement_kind,headline,verdict,reason,edge_affected,mode,threshold_s,"
        "time_s,distance_m,facility_id,count_within,population,population_covered,population_unknown,"
        "value,target,unit,shortfall,computed_verdict"
    )


def test_csv_verdicts_by_hand(written):
    lines = (written / "csv" / "verdicts.csv").read_bytes().decode().split("\n")
    assert lines[1:] == [
        "c1,park,park.reach,reach,false,unknown,off_network,false,walk,900.000,,,,,0.000,,0.000,,,,,",
        # 900.00004 s fails at 900 s: it is rounded up, for 900.000 would read as a pass
        "c1,school,school.reach,reach,true,fail,too_far,true,walk,900.000,900.001,1000.0,f2,0,0.000,0.000,0.000,,,,,",
        "c2,park,park.reach,reach,false,pass,within,false,cycle,900.000,12.346,41.2,f3,2,1000.000,10.000,0.000,,,,,",
        "c2,school,school.reach,reach,true,pass,within,false,cycle,900.000,900.000,3000.0,f1,1,1000.000,1000.000,0.000,,,,,",
        "",
    ]


def test_rates_have_six_decimals_and_missing_ones_are_empty(written):
    lines = (written / "csv" / "district.csv").read_text("utf-8").splitlines()
    assert lines[1] == "3,1,0,2,0,,0.750000,,0.333333,1200.500,600.250,0.000,0.500000"


def test_types_keep_the_order_of_the_standard(written):
    assert [row["type_id"] for row in rows_of(written / "csv" / "types.csv")] == ["school", "park"]
    assert list(read_rates(written)[0]["types"].type_id) == ["school", "park"]


def test_nearly_all_is_not_all_and_hardly_any_is_not_none():
    table = make_rates(None, ["a", "b", "c", "d"]).assign(item_rate=[1.0, 0.9999999, 0.0, 1e-9])
    assert arrange(table, RATE_LAYOUTS["district"])["item_rate"].tolist() == [1.0, 0.999999, 0.0, 0.000001]


def test_committees_have_degrees_and_nasty_text_comes_back(written):
    rows = {row["committee_id"]: row for row in rows_of(written / "csv" / "committees.csv")}
    assert list(rows) == ["c1", "c10", "c2"]  # by text
    assert rows["c1"]["name"] == NASTY
    assert rows["c10"]["name"] == "'" + FORMULA
    assert rows["c10"]["zone"] == ""
    assert rows["c2"]["age_60_plus"] == "300"
    x, y = gpd.GeoSeries(shapely.points(CENTRES[:1]), crs=CRS).to_crs("EPSG:4326").get_coordinates().to_numpy()[0]
    assert float(rows["c2"]["lon"]) == pytest.approx(x, abs=1e-7)
    assert float(rows["c2"]["lat"]) == pytest.approx(y, abs=1e-7)


def test_defused_cells_are_noted(out):
    notes = Notes()
    write_run(make_results(), out, make_manifest(notes=notes), CRS)
    assert [(n.code, n.count, n.rows) for n in notes.items if n.code == "csv.defused"] == [
        ("csv.defused", 1, ("committees.csv: =1+1",))
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("@cmd", "'@cmd"), ("-12", "-12"), ("+86 21", "'+86 21"), ("-", "'-"), ("a=1", "a=1"), ("\t=1", "'\t=1")],
)
def test_formulas_are_defused_and_numbers_are_not(tmp_path, text, shown):
    results = make_results()
    results.committees["name"] = [text, "x", "y"]
    write_run(results, tmp_path / "o", make_manifest(), CRS)
    assert rows_of(tmp_path / "o" / "csv" / "committees.csv")[2]["name"] == shown


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_comes_back_from_csv(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("text")
    table = pd.DataFrame({"a": pd.Series([text or None, "after"], dtype=object), "b": ["x", "y"]}).astype(object)
    tables = {"t": table, "committees": pd.DataFrame({"zone": []}, dtype=object)}
    write_csvs(tables, gpd.GeoDataFrame(geometry=[], crs=CRS), folder, Notes())
    rows = rows_of(folder / "t.csv")
    assert [row["a"].removeprefix("'") for row in rows] == [text.removeprefix("'"), "after"]
    assert [row["b"] for row in rows] == ["x", "y"]


def test_byte_order_mark_by_choice(tmp_path):
    write_run(make_results(), tmp_path / "bom", make_manifest(bom=True), CRS)
    write_run(make_results(), tmp_path / "no", make_manifest(), CRS)
    with_mark, without = bytes_of(tmp_path / "bom"), bytes_of(tmp_path / "no")
    assert with_mark["csv/towns.csv"] == b"\xef\xbb\xbf" + without["csv/towns.csv"]
    assert b"\r" not in without["csv/towns.csv"]
    assert list(read_rates(tmp_path / "bom")[0]["towns"].town_id) == ["t1", "t2"]


@given(
    st.floats(0, 10_000, allow_nan=False),
    st.sampled_from([600.0, 900.0, 1800.0, 1234.5]),
    st.sampled_from([0.0, 1e-9, 2e-6, 4e-4, -4e-4, 1.0]),
)
def test_what_is_shown_never_contradicts_the_verdict(time, threshold, nudge):
    for t in (time, threshold + nudge):
        row = make_results().verdicts.iloc[[0]].assign(time_s=t, threshold_s=threshold)
        shown = arrange(row, VERDICTS)["time_s"].iloc[0]
        assert (round(shown, 3) <= threshold) == (t <= threshold + 1e-6)
        assert abs(shown - t) <= 0.001


def test_a_missing_column_is_not_passed_over(out):
    results = make_results()
    with pytest.raises(KeyError, match="reason"):
        write_run(make_results(verdicts=results.verdicts.drop(columns="reason")), out, make_manifest(), CRS)
    assert not out.parent.exists()


# GeoPackage --------------------------------------------------------------------------------------------------------


def test_layers_and_their_geometry(written):
    layers = dict(pyogrio.list_layers(written / "circle15.gpkg"))
    assert layers == {
        "committees": "Point",
        "committee_areas": "Polygon",
        "verdicts": "Point",
        "gaps": "Point",
        "facilities": "MultiPoint",
        "facility_areas": "Polygon",
        "facility_lines": "LineString",
        "cells": "Point",
        "towns": "Polygon",
        "town_points": "MultiPoint",
        "service_circles": "MultiPolygon",
        "layer_styles": None,
        "data_dictionary": None,
    }
    layers = {name: shape for name, shape in layers.items() if shape}
    counts = {name: pyogrio.read_info(written / "circle15.gpkg", layer=name)["features"] for name in layers}
    assert counts == {
        "committees": 3,
        "committee_areas": 3,
        "verdicts": 4,
        "gaps": 1,
        "facilities": 2,
        "facility_areas": 1,
        "facility_lines": 1,
        "cells": 2,
        "towns": 1,
        "town_points": 1,
        "service_circles": 2,
    }
    assert {pyogrio.read_info(written / "circle15.gpkg", layer=name)["crs"] for name in layers} == {CRS}


def test_verdict_layer_reads_back(written):
    info = pyogrio.read_info(written / "circle15.gpkg", layer="verdicts")
    kinds = dict(zip(info["fields"], info["dtypes"], strict=True))
    assert list(kinds) == [c for c in VERDICTS.columns if c != "*"]
    assert (kinds["headline"], kinds["time_s"], kinds["count_within"], kinds["reason"]) == (
        "bool",
        "float64",
        "int64",
        "object",
    )
    layer = gpd.read_file(written / "circle15.gpkg", layer="verdicts")
    assert list(layer.committee_id) == ["c1", "c1", "c2", "c2"]
    assert shapely.get_coordinates(layer.geometry).tolist() == CENTRES[[1, 1, 0, 0]].tolist()
    assert layer.time_s.tolist()[1:] == [900.001, 12.346, 900.0]
    assert np.isnan(layer.time_s[0])
    assert layer.facility_id[0] is None or pd.isna(layer.facility_id[0])


def test_text_comes_back_as_given(written):
    layer = gpd.read_file(written / "circle15.gpkg", layer="committees")
    assert dict(zip(layer.committee_id, layer.name, strict=True)) == {"c1": NASTY, "c2": "二村", "c10": FORMULA}


def test_facilities_keep_geometry_in_two_dimensions_and_years_whole(written):
    points = gpd.read_file(written / "circle15.gpkg", layer="facilities")
    assert [shapely.get_num_geometries(g) for g in points.geometry] == [1, 2]
    assert points.opens[0] == 2020
    areas = gpd.read_file(written / "circle15.gpkg", layer="facility_areas")
    assert areas.geometry[0].equals(shapely.Polygon([(0, 0), (10, 0), (10, 10)]))
    assert not areas.geometry.has_z.any()


def test_columns_that_sqlite_would_confuse_are_renamed_and_noted(out):
    notes = Notes()
    write_run(make_results(), out, make_manifest(notes=notes), CRS)
    layer = gpd.read_file(out / "circle15.gpkg", layer="facilities")
    assert layer["Name_2"].iloc[0] == '{"a": 1}'
    assert {n.rows for n in notes.items if n.code == "geopackage.renamed"} == {("Name → Name_2",)}


def test_layers_have_a_description_and_a_fixed_stamp(written):
    with sqlite3.connect(written / "circle15.gpkg") as base:
        rows = base.execute("SELECT description, last_change FROM gpkg_contents").fetchall()
    assert all(text for text, _ in rows)
    assert {stamp for _, stamp in rows} == {"1970-01-01T00:00:00.000Z"}
    assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") is None


def test_run_without_areas_cells_gaps_or_circles(out):
    full = make_results()
    bare = make_results(
        committees=full.committees.drop(columns="area"),
        cells=None,
        gaps=full.gaps.iloc[:0],
        circles=full.circles.iloc[:0],
        requirements=pd.DataFrame(),
    )
    write_run(bare, out, make_manifest(), CRS)
    layers = [name for name, _ in pyogrio.list_layers(out / "circle15.gpkg")]
    assert "committee_areas" not in layers
    assert "cells" not in layers
    assert pyogrio.read_info(out / "circle15.gpkg", layer="gaps")["features"] == 0
    header = (out / "csv" / "requirements.csv").read_text("utf-8")
    assert header.startswith("requirement_id,requirement_kind,scope,scope_id,subject")
    assert read_rates(out)[3] == 0


def test_a_local_grid_without_a_code(out):
    local = "+proj=tmerc +lat_0=31.2354 +lon_0=121.4671 +k=1 +x_0=0 +y_0=0 +ellps=WGS84 +units=m +type=crs"
    results = make_results()
    moved = results.committees.set_crs(local, allow_override=True)
    write_run(make_results(committees=moved), out, make_manifest(), local)
    crs = gpd.read_file(out / "circle15.gpkg", layer="committees").crs
    assert crs.to_epsg() is None
    assert crs.coordinate_operation.params[0].value == pytest.approx(31.2354)


# run.json ----------------------------------------------------------------------------------------------------------


def test_run_json_tells_the_run(out):
    notes = Notes()
    notes.add("facilities.off_network", 30, "facilities lie off the network", [f"f{i}" for i in range(30)])
    manifest = make_manifest(
        notes=notes,
        counts={"committees": np.int64(3)},
        people={"total": NAN},
        timings={"read": 0.5},
        versions={"x": "1"},
    )
    files = write_run(make_results(), out, manifest, CRS)
    document = json.loads((out / "run.json").read_text("utf-8"))
    assert document["fingerprint"] == manifest.fingerprint
    assert document["as_of"] == 2023
    assert document["counts"] == {"committees": 3}
    assert document["people"] == {"total": None}
    assert document["standard"] == {
        "id": "test-2021",
        "sha256": "ab" * 32,
        "zh": "标准",
        "en": "Standard",
        "status": "draft",
    }
    assert document["configuration"]["run"]["out"] == "out/test"
    assert document["outputs"] == files
    assert document["rows"]["verdicts"] == 4
    assert set(document["versions"]) == {"x", "gdal", "geos", "proj"}
    assert document["notes"][0]["count"] == 30
    assert len(document["notes"][0]["rows"]) == 20
    assert document["timings"]["stages"]["read"] == 0.5


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": {"n.osm.pbf": "2" * 64}},
        {"inputs": {"other.osm.pbf": "1" * 64}},
        {"config": make_config(as_of=2022)},
        {"standard": Label(sha256="cd" * 32)},
        {"code": "c0ffee"},
        {"versions": {"numpy": "99"}},
        {"bom": True},
    ],
)
def test_fingerprint_follows_all_that_decides(change):
    assert make_manifest(**change).fingerprint != make_manifest().fingerprint


def test_fingerprint_does_not_follow_what_decides_nothing():
    notes = Notes()
    notes.add("x", 1, "x")
    same = make_manifest(config=make_config(out="elsewhere"), notes=notes, timings={"a": 1.0})
    assert same.fingerprint == make_manifest().fingerprint


def test_current_only_while_everything_is_as_written(written):
    fingerprint = make_manifest().fingerprint
    assert is_current(written, fingerprint)
    assert not is_current(written, make_manifest(code="new").fingerprint)
    assert not is_current(written.parent, fingerprint)
    towns = written / "csv" / "towns.csv"
    before = towns.read_bytes()
    towns.write_bytes(before + b"x")
    assert not is_current(written, fingerprint)
    towns.unlink()
    assert not is_current(written, fingerprint)
    towns.write_bytes(before)
    assert is_current(written, fingerprint)
    (written / "run.json").write_text('{"fingerprint": ')
    assert not is_current(written, fingerprint)


def test_rates_and_notes_are_read_back(out):
    notes = Notes()
    notes.add("a.b", 2, "two of them", ["x", "y"])
    results = make_results()
    results.rates["towns"]["town_id"] = ["=t2", "007"]
    files = write_run(results, out, make_manifest(notes=notes), CRS)
    rates, told, outputs, gaps = read_rates(out)
    assert (told.items[0], outputs, gaps) == (notes.items[0], files, 1)
    assert list(rates["towns"].town_id) == ["007", "=t2"]
    assert rates["district"].item_rate.tolist() == [0.75]
    assert rates["district"].passed.tolist() == [3]
    assert rates["district"].item_rate_without_edge.isna().all()


def test_plain_json_values():
    value = {"a": np.array([1.0, NAN]), 1: (np.bool_(True), pd.NA, float("inf")), "p": Path("x")}
    assert plain(value) == {"a": [1.0, None], "1": [True, None, None], "p": "x"}


# failing -----------------------------------------------------------------------------------------------------------


def test_foreign_files_stay_and_leftovers_of_ours_go(written):
    (written / "mine.txt").write_text("mine")
    (written / "csv" / "mine.csv").write_text("mine")
    (written / "csv" / "old.csv").write_text("from an earlier version")
    (written / "circle15.gpkg-wal").write_bytes(b"left by a viewer")
    document = json.loads((written / "run.json").read_text("utf-8"))
    document["outputs"] |= {"csv/old.csv": "", "../precious.txt": "", "/etc/hostname": ""}
    (written / "run.json").write_text(json.dumps(document))
    (written.parent / "precious.txt").write_text("precious")
    write_run(make_results(), written, make_manifest(), CRS)
    assert (written / "mine.txt").exists()
    assert (written / "csv" / "mine.csv").exists()
    assert not (written / "csv" / "old.csv").exists()
    assert not (written / "circle15.gpkg-wal").exists()
    assert (written.parent / "precious.txt").read_text() == "precious"
    assert sorted(p.name for p in written.parent.iterdir()) == ["out", "precious.txt"]


@pytest.mark.parametrize("number", [1, 5, 11])
def test_old_run_stays_whole_when_moving_fails(written, monkeypatch, number):
    before = bytes_of(written)
    real, calls = Path.replace, []

    def full(self, target):
        calls.append(target)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, "No space left on device", str(self), None, str(target))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", full)
    (written / "circle15.gpkg-wal").write_bytes(b"")
    other = make_results()
    other.committees["name"] = "other"
    with pytest.raises(OutputError, match=r"No space left on device.*Free some space") as caught:
        write_run(other, written, make_manifest(code="new"), CRS)
    assert caught.value.exit_code == 5
    assert (written / "circle15.gpkg-wal").exists()
    (written / "circle15.gpkg-wal").unlink()
    assert bytes_of(written) == before
    assert [p.name for p in written.parent.iterdir()] == ["out"]


def test_interrupted_while_moving_leaves_the_old_run(written, monkeypatch):
    before = bytes_of(written)
    real = Path.replace

    def stopped(self, target):
        if Path(target).name == "towns.csv" and "before" not in self.parts:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    other = make_results()
    other.committees["name"] = "other"
    with pytest.raises(KeyboardInterrupt):
        write_run(other, written, make_manifest(), CRS)
    assert bytes_of(written) == before
    assert [p.name for p in written.parent.iterdir()] == ["out"]


def test_a_first_run_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(write, "_write_json", broken)
    with pytest.raises(OutputError, match="read-only: choose"):
        write_run(make_results(), tmp_path / "a" / "b", make_manifest(), CRS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["file", "file/below", "folder_with_csv_file"])
def test_a_file_in_the_way(tmp_path, where):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder_with_csv_file").mkdir()
    (tmp_path / "folder_with_csv_file" / "csv").write_text("in the way")
    before = bytes_of(tmp_path)
    for attempt in (check_writable, lambda folder: write_run(make_results(), folder, make_manifest(), CRS)):
        with pytest.raises(OutputError, match=r"--out") as caught:
            attempt(tmp_path / where)
        assert where.split("/")[0] in caught.value.problems[0].where
    assert bytes_of(tmp_path) == before


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("elsewhere/input.csv", InputError),
        (str(Path(write.__file__).parent / "templates" / "none.j2"), InstallationError),
        (str(Path(os.__file__).parent / "none.py"), InstallationError),
        ("out/report.html", OutputError),
        (".out.circle15.tmp/none/report.html", OutputError),
    ],
)
def test_what_cannot_be_read_while_writing_is_not_told_as_not_written(tmp_path, place, kind):
    """A file that isn't where the run writes was to be read: an input is one, a part of the installation another."""

    def fill(staging: Path):
        (tmp_path / place).read_bytes()

    with pytest.raises(kind) as caught:
        publish(tmp_path / "out", Manifest(make_config(), Label(), {}), fill)
    assert ("cannot be written" in str(caught.value)) == (kind is OutputError)
    assert place in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_check_writable_leaves_nothing(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("limit", [60_000, 170_000, 260_000])
def test_a_disk_that_is_full_is_told_of(tmp_path, limit):
    """A limit on file size stands for the full disk; GDAL builds indices on closing and hides what fails there."""
    program = f"""
        import resource, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_outputs import *
        results = make_results()
        n = 1500
        cells = gpd.GeoDataFrame(
            {{"cell_id": [f"{{i:04}}" for i in range(n)], "total": 1.0, "committee_id": "c1", "status": "assigned"}},
            geometry=shapely.points(np.random.default_rng(1).random((n, 2))), crs=CRS)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            write_run(make_results(cells=cells), Path({str(tmp_path / "out")!r}), make_manifest(), CRS)
        except OutputError as error:
            print(error)
        else:
            print("written")
    """
    told = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert f"{tmp_path / 'out' / 'circle15.gpkg'}: the GeoPackage could not be written" in told.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_geopackage_without_its_index_is_refused(out, monkeypatch):
    real = geopackage._write_layer

    def crippled(layer, path, crs, notes):
        real(layer, path, crs, notes)
        if layer.name == "cells":
            with sqlite3.connect(path) as base:
                base.execute("DELETE FROM rtree_cells_geom_rowid WHERE rowid = 1")

    monkeypatch.setattr(geopackage, "_write_layer", crippled)
    with pytest.raises(OutputError, match="not complete"):
        write_run(make_results(), out, make_manifest(), CRS)


# two at once -------------------------------------------------------------------------------------------------------


def test_a_second_run_is_turned_away(written):
    before = bytes_of(written)
    with locked(written):
        with pytest.raises(OutputError, match=f"another run is writing.*process {os.getpid()}.*Wait for it"):
            write_run(make_results(), written, make_manifest(code="new"), CRS)
        with pytest.raises(OutputError, match="another run"):
            check_writable(written)
    assert bytes_of(written) == before
    write_run(make_results(), written, make_manifest(), CRS)


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("holder", "free"),
    [
        ({"pid": "dead", "host": "here"}, True),
        ({"pid": "own", "host": "here"}, True),  # in a container every process may have the same number
        ({"pid": "parent", "host": "here"}, False),
        ({"pid": "dead", "host": "elsewhere"}, False),
    ],
)
def test_locks_of_dead_processes_are_taken_over(out, holder, free):
    pid = {"dead": dead_pid, "own": os.getpid, "parent": os.getppid}[holder["pid"]]()
    host = socket.gethostname() if holder["host"] == "here" else "elsewhere"
    out.mkdir(parents=True)
    lock = place_beside(out, "lock")
    lock.write_text(json.dumps({"pid": pid, "host": host, "token": "x"}))
    if free:
        write_run(make_results(), out, make_manifest(), CRS)
        assert not lock.exists()
    else:
        with pytest.raises(OutputError, match=f"process {pid} on {host}.*delete"):
            write_run(make_results(), out, make_manifest(), CRS)
        assert lock.exists()


def test_what_a_killed_run_left_is_cleared_away(tmp_path):
    out = tmp_path / "out [1]"
    left = place_beside(out, f"{dead_pid()}.tmp")
    (left / "csv").mkdir(parents=True)
    other = place_beside(tmp_path / "out 1", "1.tmp")
    other.mkdir()
    write_run(make_results(), out, make_manifest(), CRS)
    assert sorted(tmp_path.iterdir()) == sorted([out, other])


def test_an_empty_lock_is_respected_while_it_is_young(out):
    out.mkdir(parents=True)
    lock = place_beside(out, "lock")
    lock.touch()
    with pytest.raises(OutputError, match="another run"), locked(out):
        pass
    os.utime(lock, (0, 0))
    with locked(out):
        assert lock.read_text()
    assert not lock.exists()


def test_a_mounted_folder_holds_its_own_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path)
    assert place_beside(tmp_path, "lock").parent == tmp_path
    write_run(make_results(), tmp_path, make_manifest(), CRS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["circle15.gpkg", "csv", "run.json"]
