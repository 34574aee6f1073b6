"""``circle15 check``: the same end as compute, every fault at once, and nothing that isn't so."""

import json
import re
import shutil
import sys
import types
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circle15 import cli, pipeline
from circle15.cli import check_report
from circle15.config import load_config
from circle15.errors import InputError, Problem
from circle15.stages import check as stage
from circle15.stages.check import FACTS, Report, check
from circle15.stages.doubts import pieces
from circle15.stages.salvage import EXIT_BUG, Log
from kit import make_network, make_streets
from tables_kit import write_text

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "configs" / "sample.toml"

sys.path.insert(0, str(ROOT / "docs" / "examples"))
import spoil  # noqa: E402


class Quiet:
    """A progress that tells nobody."""

    def stage(self, name: str, total: int | None = None) -> None:
        pass

    def advance(self, n: int = 1) -> None:
        pass

    def done(self) -> None:
        pass


def look(config: Path, **options) -> Report:
    return check(config, progress=Quiet(), **options)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


def copy_of_sample(folder: Path) -> Path:
    """Write the sample with its data beside the configuration; returns the configuration."""
    for path in sorted((ROOT / "data" / "sample").iterdir()):
        if path.suffix != ".py" and path.is_file():
            shutil.copy(path, folder)
    shutil.copy(ROOT / "configs" / "standards" / "pudong-2021.toml", folder / "own.toml")
    text = SAMPLE.read_text("utf-8").replace("../data/sample/", "")
    config = folder / "circle15.toml"
    config.write_text(text.replace('"pudong-2021"', '"own.toml"'), "utf-8")
    return config


@pytest.fixture
def district(tmp_path) -> Path:
    return copy_of_sample(tmp_path)


def edit(path: Path, old: str, new: str, encoding: str = "utf-8") -> None:
    text = path.read_text(encoding)
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding)


def edit_layer(path: Path, layer: str, change) -> None:
    table = gpd.read_file(path, layer=layer)
    change(table).to_file(path, layer=layer)


def set_cell(column: str, value, row: int = 3):
    def change(table):
        table.loc[row, column] = value
        return table

    return change


def edit_raster(path: Path, value: float) -> None:
    with rasterio.open(path, "r+") as raster:
        band = raster.read(1)
        band[tuple(np.argwhere(band > 0)[0])] = value
        raster.write(band, 1)


# the same end as compute -------------------------------------------------------------------------------------------


def add(folder: Path, name: str, lines: tuple[str, ...], section: str, before: str = "") -> None:
    write_text(folder / name, *lines)
    config = folder / "circle15.toml"
    text = config.read_text("utf-8")
    config.write_text(text.replace(before, f"{section}\n{before}", 1) if before else f"{text}\n{section}\n", "utf-8")


OVERRIDE = "committee_id,type_id,verdict,author,date,reason"
CENSUS = '[population.census]\nsource = "census.csv"\nby = "town"\n'
WATER = '[committees.water]\nsource = "water.geojson"\n'
ENTRANCES = '[facilities.entrances]\nsource = "entrances.csv"\n'

SPOILINGS = {
    "nothing": lambda f: None,
    "a comment": lambda f: edit(f / "circle15.toml", "[run]", "# mine\n[run]"),
    "unknown key": lambda f: edit(f / "circle15.toml", "as_of", "as_off"),
    "no such standard": lambda f: edit(f / "circle15.toml", '"own.toml"', '"pudong-2022"'),
    "broken standard": lambda f: edit(f / "own.toml", "minutes = 15", "minutes = 0"),
    "degrees to measure in": lambda f: edit(f / "circle15.toml", "[run]", '[run]\ncrs = "EPSG:4326"'),
    "no committees": lambda f: (f / "committees.gpkg").unlink(),
    "no such layer": lambda f: edit(f / "circle15.toml", '"committees"', '"committee"'),
    "committee twice": lambda f: edit_layer(f / "committees.gpkg", "committees", set_cell("code", "999001001")),
    "unknown zone": lambda f: edit_layer(f / "committees.gpkg", "committees", set_cell("zone", "suburban")),
    "unknown kind": lambda f: edit_layer(f / "committees.gpkg", "committees", set_cell("kind", "社区")),
    "no zone": lambda f: edit_layer(f / "committees.gpkg", "committees", set_cell("zone", None)),
    "area of nobody": lambda f: edit_layer(f / "committees.gpkg", "committee_areas", set_cell("code", "1")),
    "negative people": lambda f: edit_raster(f / "population.tif", -5.0),
    "a NaN pixel": lambda f: edit_raster(f / "population.tif", float("nan")),
    "no raster": lambda f: (f / "population.tif").write_bytes(b"no raster"),
    "a key of tables for a raster": lambda f: edit(
        f / "circle15.toml", '"population.tif"', '"population.tif"\nlayer = "a"'
    ),
    "text in a number": lambda f: edit(f / "schools.csv", ",1500,", ",约300,"),
    "swapped": lambda f: edit(f / "schools.csv", "121.5919669,31.0895173", "31.0895173,121.5919669"),
    "no coordinates": lambda f: edit(f / "schools.csv", "121.5919669,31.0895173", ","),
    "far away": lambda f: edit(f / "bus_stops.csv", "121.5742493", "112.5742493"),
    "another city": lambda f: (f / "bus_stops.csv").write_text(
        (f / "bus_stops.csv").read_text("utf-8").replace(",121.", ",112."), "utf-8"
    ),
    "not declared GB18030": lambda f: edit(f / "circle15.toml", 'encoding = "gb18030"', ""),
    "no crs of x and y": lambda f: edit(f / "circle15.toml", 'crs = "EPSG:32651"  ', ""),
    "unknown type": lambda f: edit(f / "schools.csv", "kindergarten", "kindergarden"),
    "claims an unknown type": lambda f: edit(f / "circle15.toml", '"metro_station"', '"metro"'),
    "shared ids": lambda f: edit(f / "schools.csv", "\nS001,", "\nB001,"),
    "unknown mapping": lambda f: edit(f / "circle15.toml", 'type_column = "类型"', 'type_column = "类型"\nmapping="x"'),
    "closes first": lambda f: edit(f / "schools.csv", "2009,", "2009,2001"),
    "override of nobody": lambda f: add(
        f, "o.csv", (OVERRIDE, "1,pharmacy,pass,a,2023-01-01,b"), '[overrides]\nsource = "o.csv"'
    ),
    "override": lambda f: add(
        f, "o.csv", (OVERRIDE, "999001003,pharmacy,pass,a,2023-01-01,b"), '[overrides]\nsource = "o.csv"'
    ),
    "census of one town": lambda f: add(f, "census.csv", ("town_id,total", "示例街道,100"), CENSUS, "[[facilities]]"),
    "census": lambda f: add(
        f, "census.csv", ("town_id,total", "示例街道,1000", "样板镇,900", "模拟镇,800"), CENSUS, "[[facilities]]"
    ),
    "water of points": lambda f: add(
        f,
        "water.geojson",
        ('{"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[121.59,31.09]}}',),
        WATER,
        "[population]",
    ),
    "entrance of nothing": lambda f: add(f, "entrances.csv", ("facility_id,lon,lat", "M099,121.5,31.1"), ENTRANCES),
    "no streets": lambda f: (f / "network.osm.pbf").unlink(),
    "half the streets": lambda f: (f / "network.osm.pbf").write_bytes((f / "network.osm.pbf").read_bytes()[:9000]),
    "a datum of OSM": lambda f: edit(f / "circle15.toml", "[network]", '[network]\ndatum = "gcj02"'),
    "people as a folder": lambda f: ((f / "population.tif").unlink(), (f / "population.tif").mkdir()),
}
"""What is done to the sample; about a third of these does no harm."""


def ends(config: Path, cache: Path) -> tuple[int, int]:
    """Return the exit codes of check and of compute."""
    store = ["--cache", str(cache)]
    checked = cli.run(["check", str(config), "-q", *store])
    return checked, cli.run(["compute", str(config), "-q", "--out", str(config.parent / "out"), *store])


def test_there_are_enough_spoilings():
    assert len(SPOILINGS) >= 30


@pytest.mark.parametrize("name", SPOILINGS)
def test_check_ends_as_compute_does(district, cache, name, capsys):
    SPOILINGS[name](district.parent)
    checked, computed = ends(district, cache)
    assert checked == computed
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert checked in (0, 2, 3)
    if checked:  # what compute said, check said as well
        told = re.sub(r"\s+", "", out)
        for line in err.splitlines():
            message = line.removeprefix("error: ").replace(f"{district.parent}/", "")
            if message.endswith("."):
                assert re.sub(r"\s+", "", message.split(" (")[0]).rstrip(".") in told, line


HARD = sorted(set(SPOILINGS) - {"people as a folder", "no committees", "no such layer"})


@given(names=st.lists(st.sampled_from(HARD), min_size=2, max_size=5, unique=True))
@settings(
    max_examples=15,  # each fault alone is tried above
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_several_faults_at_once_end_as_compute_does(tmp_path_factory, cache, names):
    config = copy_of_sample(tmp_path_factory.mktemp("spoiled"))
    for name in names:
        try:
            SPOILINGS[name](config.parent)
        except AssertionError:  # an earlier one took away what this one changes
            continue
    checked, computed = ends(config, cache)
    assert checked == computed


def test_every_note_of_compute_is_a_doubt(cache, tmp_path):
    report = look(SAMPLE, cache=cache)
    outcome = pipeline.compute(load_config(SAMPLE), out=tmp_path / "out", cache=cache, progress=Quiet())
    doubts = {(doubt.code, doubt.count) for doubt in report.doubts}
    told = {(note.code, note.count) for note in outcome.notes.items}
    assert told - doubts <= {(code, count) for code, count in told if code in FACTS}
    assert FACTS == ("population.total", "population.shared", "population.far")
    assert len(told) > 10


# requirements that can't be judged ---------------------------------------------------------------------------------

WANT_OF_DATA = {"no_facility_data", "attribute_unknown", "amount_unknown", "no_group_data", "condition_unknown"}


def cut(path: Path, begin: str, end: str) -> None:
    """Leave out what stands from `begin` to `end`, or to the end of the file."""
    text = path.read_text("utf-8")
    start = text.index(begin)
    path.write_text(text[:start] + (text[text.index(end, start) :] if end else ""), "utf-8")


LACKS = {
    "nothing": lambda f: None,
    "a claim": lambda f: edit(f / "circle15.toml", '"pharmacy"]', "]"),
    "a source": lambda f: cut(f / "circle15.toml", '[[facilities]]\nsource = "stations.gpkg"', ""),
    "an attribute": lambda f: edit(f / "circle15.toml", ', standardised = "标准化"', ""),
    "an age group": lambda f: edit(f / "circle15.toml", "age_60_plus", "age_65_plus"),
    "people": lambda f: cut(f / "circle15.toml", "[population]", "# Facilities:"),
    "capacities": lambda f: edit_layer(f / "facilities.gpkg", "facilities", lambda t: t.assign(capacity=np.nan)),
    "floor areas": lambda f: edit_layer(f / "facilities.gpkg", "facilities", lambda t: t.drop(columns="floor_area_m2")),
    "years": lambda f: edit_layer(f / "facilities.gpkg", "facilities", lambda t: t.drop(columns=["opens", "closes"])),
}


@pytest.mark.parametrize("name", LACKS)
def test_what_cannot_be_judged_is_what_compute_leaves_unknown(district, cache, name):
    """Held against the verdicts of a whole run: nothing unknown for want of data that was not foretold."""
    LACKS[name](district.parent)
    report = look(district, cache=cache)
    assert report.exit_code == 0
    out = district.parent / "out"
    pipeline.compute(load_config(district), out=out, cache=cache, progress=Quiet())
    rows = pd.concat([pd.read_csv(out / "csv" / f"{one}.csv", dtype=str) for one in ("verdicts", "requirements")])
    rows = rows[rows["requirement_id"].notna() & ~rows["reason"].isin(["no_target", "nothing_judged"])]
    wanting = set(rows.loc[(rows["verdict"] == "unknown") & rows["reason"].isin(WANT_OF_DATA), "requirement_id"])
    foretold = {one.requirement_id: one for one in report.requirements}
    assert wanting - set(foretold) == set()
    judged = set(rows.loc[rows["verdict"].isin(["pass", "fail"]), "requirement_id"])
    assert {key for key, one in foretold.items() if one.wholly} & judged == set()
    if name != "nothing":
        assert foretold


def test_a_lack_is_told_with_its_numbers(district, cache):
    beds = (
        '{ id = "care.beds", kind = "total", types = ["elderly_care_institution"], scope = "district", '
        'measure = "capacity", unit = "beds", at_least = 5590, since = 2021, due = 2023, clause = "1" },'
    )
    grade = (
        '{ id = "park.grade", kind = "quality", types = ["community_park"], scope = "district", '
        'attribute = "grade", equals = "A", percent = 50.0, clause = "2" },'
    )
    edit(district.parent / "own.toml", "requirements = [\n", f"requirements = [\n{beds}\n{grade}\n")
    table = gpd.read_file(district.parent / "facilities.gpkg")
    rows = np.flatnonzero(table["type"] == "elderly_care_institution")
    assert len(rows) == 3
    table["opens"] = table["opens"].fillna(2000)
    table.loc[rows[0], "capacity"] = np.nan
    table.loc[rows[:2], "opens"] = np.nan
    table.to_file(district.parent / "facilities.gpkg", layer="facilities")
    found = {one.requirement_id: one for one in look(district, cache=cache).requirements}
    assert found["care.beds"].why == (
        '"capacity" is missing for 1 of 3 facilities',
        '"opens" is missing for 2 of 3 facilities; what opened since 2021 counts',
    )
    assert not found["care.beds"].wholly
    assert found["park.grade"].why == ('no source of facilities has a column "grade"',)
    assert found["park.grade"].wholly


# the spoiled sample ------------------------------------------------------------------------------------------------

TOLD = (
    ("committees.gpkg", '"committee_id" occurs more than once', "999001001"),
    ("committees.gpkg", '"town_id" is empty', "999002003"),
    ("facilities.gpkg", 'unknown type "community_libary"', "F010"),
    ("facilities.gpkg", '"closes" is before "opens"', "F020"),
    ("schools.csv", '"capacity" is not a number: "约300"', "S003"),
    ("schools.csv", "latitudes are beyond 90 degrees", "S005"),
    ("shops_gb18030.csv", "is not UTF-8 text", ""),
    ("parks.shp", "does not say in which CRS", ""),
    ("population.tif", "negative numbers of people", "r"),
    ("census.xlsx", "merged cells in the first row: A1:B1", ""),
    ("overrides.csv", '"committee_id" is of no committee', "999009999"),
    ("entrances.csv", "entrances of facilities that do not exist", "M099"),
    ("bus_stops.csv", "has a spreadsheet eaten their leading zeros", "017"),
    ("bus_stops.csv", "from every committee", "0100"),
    ("bus_stops.csv", "they fit better as GCJ-02", ""),
)
"""How each of `spoil.FAULTS` is told: file, words, row."""


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory) -> Path:
    return spoil.spoil(tmp_path_factory.mktemp("spoiled"))


def test_all_15_faults_are_told_by_file_and_row(spoiled, cache):
    report = look(spoiled, cache=cache)
    assert len(TOLD) == len(spoil.FAULTS) == 15
    for (file, row, fault), (where, words, told_row) in zip(spoil.FAULTS, TOLD, strict=True):
        assert file == where, fault
        assert told_row.startswith(row) or row == "", fault
        found = [one for one in (*report.problems, *report.doubts) if one.where.startswith(file) and words in one.what]
        assert len(found) == 1, fault
        assert told_row == "" or any(told_row in label for label in found[0].rows), fault
        assert found[0].remedy or found[0].what.endswith("?"), fault
    assert report.exit_code == 3
    # nothing else is refused: the untitled column of the sheet's title is the only second word on one fault
    assert len(report.problems) == 13


def test_the_spoiled_sample_fails_in_compute_with_the_same_code(spoiled, cache):
    assert ends(spoiled, cache) == (3, 3)


def test_the_docs_show_what_a_run_prints(spoiled, cache):
    result = CliRunner().invoke(cli.circle15, ["check", str(spoiled), "--cache", str(cache)], obj=cli.Terminal())
    printed = result.stdout.splitlines()
    page = (ROOT / "docs" / "how-to" / "check-your-data.md").read_text("utf-8")
    block = re.search(r"(?s)```\n(would fail: .*?)```", page)[1]
    shown = [line for line in block.splitlines() if line.strip(" …")]
    assert len(shown) > 18
    for line in shown:
        cut = line.endswith("…")
        assert any(one == line or (cut and one.startswith(line.rstrip("…"))) for one in printed), line
    assert result.stderr.splitlines()[-1] in page
    for number, (file, _, _) in enumerate(spoil.FAULTS, start=1):
        assert re.search(rf"(?m)^\| {number} \| `{re.escape(file)}` \|", page), file


# what is left of faulty inputs -------------------------------------------------------------------------------------


def codes(report: Report) -> dict[str, int]:
    return {doubt.code: doubt.count for doubt in report.doubts}


def test_without_committees_the_others_are_looked_at(district, cache):
    (district.parent / "committees.gpkg").unlink()
    edit(district.parent / "schools.csv", ",1500,", ",约300,")
    add(district.parent, "o.csv", (OVERRIDE, "1,pharmacist,pass,a,x,b"), '[overrides]\nsource = "o.csv"')
    report = look(district, cache=cache)
    told = [(one.where, one.what) for one in report.problems]
    assert told[:2] == [("committees.gpkg", "no such file"), ("schools.csv", '"capacity" is not a number: "约300"')]
    assert any(where == "o.csv" and "pharmacist" in what for where, what in told)
    assert not any("1'" in what for where, what in told if where == "o.csv")  # of ids nothing is known
    assert codes(report)["facilities.walk.off_network"] == 2
    assert any("no committee has a place" in text for text in report.skipped)
    assert report.types is not None
    assert report.types.set_index("type_id")["total"]["bus_stop"] == 195


def test_nothing_can_be_read(district):
    for name in ("committees.gpkg", "facilities.gpkg", "schools.csv", "shops_gb18030.csv", "parks.gpkg"):
        (district.parent / name).write_bytes(b"")
    for name in ("bus_stops.csv", "stations.gpkg", "network.osm.pbf"):
        (district.parent / name).unlink()
    report = look(district)
    assert report.exit_code == 3
    assert report.types is None
    assert report.skipped
    text = check_report.as_lines(report, every_row=False)
    assert "not looked at" in text
    assert json.loads(check_report.as_document(report))["counts"] == {"types": [], "committees": []}


def test_a_faulty_census_hides_neither_people_nor_density(district, cache):
    SPOILINGS["census of one town"](district.parent)
    report = look(district, cache=cache)
    assert [one.where for one in report.problems] == ["census.csv"]
    assert "样板镇" in report.problems[0].rows
    assert codes(report)["population.outside"] == codes(look(SAMPLE, cache=cache))["population.outside"]


def test_a_faulty_committee_keeps_its_area_and_its_id(district, cache):
    """The override is of a committee whose own row is faulty: it is there all the same."""
    SPOILINGS["unknown zone"](district.parent)
    add(
        district.parent,
        "o.csv",
        (OVERRIDE, "999001004,pharmacy,pass,a,2023-01-01,b"),
        '[overrides]\nsource = "o.csv"',
    )
    report = look(district, cache=cache)
    assert [one.what for one in report.problems] == ['"zone" has "suburban"']
    assert report.problems[0].rows == ("999001004",)
    outside = codes(look(SAMPLE, cache=cache))["population.outside"]
    assert codes(report)["population.outside"] == outside


def test_configuration_and_standard_are_told_together(district, capsys):
    edit(district, "as_of = 2023", "as_off = 2023")
    edit(district.parent / "own.toml", "minutes = 15", "minutes = 0")
    report = look(district)
    assert report.exit_code == 2
    assert {one.where for one in report.problems} == {"circle15.toml", "own.toml"}
    assert cli.run(["check", str(district), "-q", "--no-cache"]) == 2
    assert "as_off" in capsys.readouterr().out


def test_no_such_configuration(tmp_path, capsys):
    assert cli.run(["check", str(tmp_path / "none.toml"), "--no-cache"]) == 2
    out, err = capsys.readouterr()
    assert "none.toml: no such file" in out
    assert err.splitlines()[-1] == "compute would fail: 1 problem, 0 doubts"


def test_a_bug_is_told_and_the_others_are_looked_at(district, cache, monkeypatch):
    def broken(*_):
        raise KeyError("reason")

    monkeypatch.setattr(stage, "check_places", broken)
    report = look(district, cache=cache)
    assert report.exit_code == EXIT_BUG
    assert [one.what for one in report.problems] == ["a bug in circle15: KeyError: 'reason'"]
    assert codes(report)["facilities.walk.off_network"] == 2


def test_what_goes_wrong_on_faulty_inputs_is_no_bug():
    log = Log()
    log.attempt("committees", lambda: (_ for _ in ()).throw(InputError(Problem("is empty", "a.csv"))))
    assert log.attempt("people", lambda: {}["x"]) is None
    assert [str(one) for one in log.problems] == ["a.csv: is empty."]
    assert log.skipped == ["people, which the faults above leave no basis for (KeyError: 'x')"]
    with pytest.raises(MemoryError):
        log.attempt("people", lambda: (_ for _ in ()).throw(MemoryError()))


# doubts ------------------------------------------------------------------------------------------------------------


def test_pieces_of_a_network():
    """Two streets that meet, and one apart: three nodes and two."""
    network = make_network(make_streets([[(0, 0), (100, 0)], [(100, 0), (100, 90), (50, 200)], [(500, 0), (600, 0)]]))
    size, label = pieces(network)
    of_edge = {tuple(network.xy[network.first[e]]): int(size[label[e]]) for e in range(len(network.u))}
    # contraction joins the two streets to one edge with two ends
    assert sorted(of_edge.values()) == [2, 2]
    assert len(set(label)) == 2


def test_what_stands_on_a_dropped_piece_is_named(cache):
    """The museum on the island, as the sample's README says."""
    report = look(SAMPLE, cache=cache)
    (found,) = (one for one in report.doubts if one.code == "facilities.walk.dropped_piece")
    table = gpd.read_file(ROOT / "data" / "sample" / "facilities.gpkg").set_index("id")
    assert [table["name"][row] for row in found.rows] == ["模拟湖心美术馆"]
    assert found.where == "../data/sample/facilities.gpkg"


def test_what_stands_on_another_piece_is_named(district, cache):
    """With pieces of one node and more kept, the island stays, and nobody can go there."""
    edit(district, "[network]", "[network]\nmin_component_nodes = 1")
    report = look(district, cache=cache)
    (found,) = (one for one in report.doubts if one.code == "facilities.walk.other_piece")
    table = gpd.read_file(district.parent / "facilities.gpkg").set_index("id")
    assert "模拟湖心美术馆" in [table["name"][row] for row in found.rows]
    assert "facilities.walk.dropped_piece" not in codes(report)


def test_a_committee_without_people_and_empty_types(district, cache):
    edit(district, '"pharmacy"]', "]")
    shops = district.parent / "shops_gb18030.csv"
    lines = shops.read_text("gb18030").splitlines()
    shops.write_text("\n".join(line for line in lines if "wet_market" not in line) + "\n", "gb18030")
    report = look(district, cache=cache)
    rows = {one.code: one.rows for one in report.doubts}
    assert rows["facilities.types_without_source"] == ("pharmacy",)
    assert rows["facilities.types_empty"] == ("wet_market",)
    assert report.types is not None
    counts = report.types.set_index("type_id")
    assert counts["covered_by"]["pharmacy"] == ()
    assert counts["total"]["wet_market"] == 0


def test_counts_by_type_and_town_add_up(cache):
    report = look(SAMPLE, cache=cache)
    assert report.types is not None
    assert report.committees is not None
    towns = [name for name in report.types if name not in check_report.HEAD]
    assert set(towns) == {"示例街道", "样板镇", "模拟镇", ""}
    assert (report.types[towns].sum(axis=1) == report.types["total"]).all()
    assert report.types.set_index("type_id")["total"]["bus_stop"] == 195
    assert report.types["total"].sum() == 629 - 2  # of data/sample/README.md; two are not open in 2023
    assert report.committees["committees"].sum() == 32
    kinds = report.committees.groupby("kind")["committees"].sum()
    assert (kinds["residents"], kinds["village"]) == (22, 10)


def test_other_years_and_standards(cache):
    """The cultural centre that closed in 2022 is open in 2021, as is nothing that opened later."""
    report = look(SAMPLE, as_of=2021, cache=cache)
    (closed,) = (one for one in report.doubts if one.code == "facilities.not_open")
    assert "F001" not in closed.rows
    assert "F002" in closed.rows
    assert look(SAMPLE, standard="no-such", cache=cache).exit_code == 2


def test_no_folder_to_write_to_is_a_doubt(district, cache):
    edit(district, 'out = "out/sample"', "")
    assert codes(look(district, cache=cache))["run.no_out"] == 1


# what is printed ---------------------------------------------------------------------------------------------------


def finding(rows: int) -> Report:
    problem = Problem('"x" is empty', "a.csv", tuple(f"r{n}" for n in range(rows)), "Fill it in.")
    return Report(Path("/d"), 3, (problem,))


def test_twenty_rows_or_all():
    text = check_report.as_lines(finding(23), every_row=False)
    assert "(23 rows: r0, r1," in text
    assert "r19, and 3 more). Fill it in." in text
    assert "r20" not in text
    assert "r22). Fill it in." in check_report.as_lines(finding(23), every_row=True)


def test_piped_text_is_plain_and_not_wrapped(spoiled, cache):
    result = CliRunner().invoke(cli.circle15, ["check", str(spoiled), "-q", "--cache", str(cache)], obj=cli.Terminal())
    assert result.exit_code == 3
    assert "\x1b" not in result.stdout
    assert result.stderr == ""
    assert str(spoiled.parent) not in result.stdout
    lines = result.stdout.splitlines()
    assert sum(line.startswith("- ") for line in lines[: lines.index("")]) == 13
    assert all(line == line.rstrip() for line in lines)


def test_in_a_terminal_there_are_tables_as_wide_as_it(spoiled, cache, monkeypatch):
    fake = types.SimpleNamespace(stdout=types.SimpleNamespace(isatty=lambda: True), maxsize=sys.maxsize)
    monkeypatch.setattr(check_report, "sys", fake)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    text = check_report.as_lines(look(spoiled, cache=cache), every_row=False)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(sum(1 + (ord(c) > 0x2E80) for c in line) for line in plain.splitlines()) <= 100
    assert "way out" in plain


def test_many_towns_are_counted_in_a_terminal(monkeypatch):
    head = {"type_id": ["pharmacy"], "name": ["药店"], "covered_by": [("a.csv",)], "unread": [False], "total": [12]}
    towns = {f"t{n}": [n % 2] for n in range(24)} | {"": [0]}
    report = Report(Path("/d"), 0, (), types=pd.DataFrame(head | towns))
    assert "t23" in check_report.as_lines(report, every_row=False)
    fake = types.SimpleNamespace(stdout=types.SimpleNamespace(isatty=lambda: True), maxsize=sys.maxsize)
    monkeypatch.setattr(check_report, "sys", fake)
    text = check_report.as_lines(report, every_row=False)
    assert "12 of 24" in text
    assert "t23" not in text


def test_json_has_the_documented_structure(spoiled, cache):
    arguments = ["check", str(spoiled), "-q", "--json", "--cache", str(cache)]
    document = json.loads(CliRunner().invoke(cli.circle15, arguments, obj=cli.Terminal()).stdout)
    page = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8").split("## circle15 check", 1)[1]
    section = page.split("\n## ")[0]
    keys = set(document) | set(document["summary"]) | set(document["problems"][0]) | set(document["doubts"][0])
    keys |= set(document["counts"]) | set(document["counts"]["types"][0]) | set(document["counts"]["committees"][0])
    for key in keys:
        assert f"`{key}`" in section, key
    assert document["summary"]["would_run"] is False
    assert document["summary"]["problems"] == len(document["problems"]) == 13
    far = next(one for one in document["doubts"] if one["code"] == "facilities.town_outside")
    assert far["count"] == len(far["rows"]) > 20  # every row, not the first few


def test_the_last_line_of_stderr(cache, capsys):
    assert cli.run(["check", str(SAMPLE), "--cache", str(cache)]) == 0
    err = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"compute would run: \d+ doubts", err[-1])
    assert [line.split(" … ")[0] for line in err[:-1]] == ["check", "inputs", "network", "people", "doubts"]


def test_options_are_documented():
    page = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8").split("## circle15 check", 1)[1]
    section = page.split("\n## ")[0]
    for option in cli.circle15.commands["check"].params:
        for name in option.opts:
            if name.startswith("-"):
                assert f"`{name}" in section or f", {name}" in section or f"`{name}`" in section, name


@pytest.mark.parametrize("arguments", [["-q", "-v"], ["--as-of", "soon"], ["--cache", "a", "--no-cache"]])
def test_usage(arguments, capsys):
    assert cli.run(["check", str(SAMPLE), *arguments]) == 2
    assert capsys.readouterr().out == ""
