"""Sites for `suggest`: means, types, costs, hosts and places, and everything that can be wrong with them."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pandas.testing import assert_frame_equal

from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.candidates import read_candidates
from circle15.tables import CANDIDATES
from tables_kit import EAST, NORTH, STANDARD, codes, make_config, write_text
from test_projects import COMMITTEES, FACILITIES, UTM

COLUMNS = [column.name for column in CANDIDATES]
AT = {"x": EAST + 250, "y": NORTH + 250}


def site(key: str = "S1", **more) -> dict:
    return {"candidate_id": key, "means": "new", **AT, **more}


def hosted(host: str, key: str = "S1", **more) -> dict:
    return site(key, **{"x": "", "y": "", "host_facility_id": host, **more})


def load(folder: Path, notes: Notes | None = None, **keys) -> gpd.GeoDataFrame:
    source = {"source": "sites.csv", "crs": "EPSG:32651", **keys}
    config = make_config(folder, as_of=2020, candidates=source, plan={"years": [2021, 2022, 2023]})
    found = read_candidates(config, STANDARD, COMMITTEES, FACILITIES, notes if notes is not None else Notes())
    assert found is not None
    return found


def read(folder: Path, *rows: dict, notes: Notes | None = None, **keys) -> gpd.GeoDataFrame:
    pd.DataFrame(list(rows)).astype(object).fillna("").to_csv(folder / "sites.csv", index=False)
    return load(folder, notes, **keys)


def faults(folder: Path, *rows: dict, **keys) -> dict[str, tuple[str, ...]]:
    """Return what is wrong with a table of sites, and the rows."""
    with pytest.raises(InputError) as caught:
        read(folder, *rows, **keys)
    assert all(problem.remedy for problem in caught.value.problems)
    return {problem.what: problem.rows for problem in caught.value.problems}


# the table ---------------------------------------------------------------------------------------------------------


def test_no_section():
    assert read_candidates(make_config(Path("x")), STANDARD, COMMITTEES, FACILITIES, Notes()) is None


def test_plain_sites(tmp_path):
    notes = Notes()
    rows = [
        site("010", name="旧仓库", means="盘活存量", fixed_cost=100, cost_pharmacy="12.5", 业主="甲"),
        site("007", town_id="02", types=" pharmacy | kindergarten", cost=30, floor_area_m2=80, earliest_year=2022),
    ]
    table = read(tmp_path, *rows, notes=notes)
    assert list(table.columns) == [*COLUMNS, "cost_pharmacy", "业主", "geometry"]
    assert list(table["candidate_id"]) == ["007", "010"]
    assert list(table["means"]) == ["new", "reuse"]
    assert list(table["types"]) == ["pharmacy|kindergarten", ""]
    assert list(table["town_id"]) == ["02", ""]
    assert list(table["earliest_year"].fillna(0)) == [2022, 0]
    for name, values in {"fixed_cost": [-1, 100], "cost": [30, -1], "cost_pharmacy": [-1, 12.5]}.items():
        assert table[name].dtype == np.float64
        assert list(table[name].fillna(-1)) == values
    assert list(table["业主"]) == ["", "甲"]
    assert table.crs == UTM
    assert table.geometry.distance(shapely.Point(AT["x"], AT["y"])).max() < 0.008
    assert codes(notes) == {}


def test_a_table_of_no_rows(tmp_path):
    write_text(tmp_path / "sites.csv", "candidate_id,means,x,y")
    with pytest.raises(InputError, match=r"has no rows\. Add some, or remove \[candidates\]: sites are then proposed"):
        load(tmp_path)


def test_contract(tmp_path):
    rows = [site("A"), site("A", cost="ten"), site("", fixed_cost=-1), site("D", floor_area_m2="nan ")]
    assert faults(tmp_path, *rows) == {
        '"candidate_id" occurs more than once': ("A",),
        '"candidate_id" is empty': ("row 3",),
        '"cost" is not a number: "ten"': ("A",),
        '"fixed_cost" is below 0': ("row 3",),
        '"floor_area_m2" is not a number: "nan "': ("D",),
    }


def test_everything_at_once(tmp_path):
    rows = [
        site("A", means="", town_id="03", types="pharmcy", earliest_year="later"),
        hosted("E9", "B", cost_pharmacy="dear"),
        hosted("", "C"),
        site("D", x=EAST - 9000, cost_pharmacy=-1),
    ]
    assert faults(tmp_path, *rows) == {
        '"means" is empty': ("A",),
        '"town_id" has "03", not among the committees\' towns': ("A",),
        '"types" has "pharmcy", not among the standard\'s types': ("A",),
        '"earliest_year" has "later": no year': ("A",),
        '"host_facility_id" has "E9", not among the facilities': ("B",),
        '"cost_pharmacy" is not a number: "dear"': ("B",),
        '"cost_pharmacy" is below 0': ("D",),
        "sites without a place": ("C",),
        "outside the district: farther than 3 km from every committee": ("D",),
    }


# means -------------------------------------------------------------------------------------------------------------


def test_words_of_means(tmp_path):
    words = {
        "盘活存量": "reuse",
        "盘活": "reuse",
        "复合利用": "compound",
        "规划完善": "new",
        "新建": "new",
        "Reuse": "reuse",
        "compound": "compound",
    }
    table = read(tmp_path, *(site(f"S{n}", means=word) for n, word in enumerate(words)))
    assert list(table["means"]) == list(words.values())


def test_no_means_tells_what_to_write(tmp_path):
    known = r"reuse \(盘活存量 盘活\), compound \(复合利用\), new \(规划完善 新建\)"
    with pytest.raises(InputError, match=rf'"means" is empty \(1 row: B\)\. Fill it in for every row\. Known: {known}'):
        read(tmp_path, site("A"), site("B", means=" "))
    with pytest.raises(InputError, match=rf'"means" has "租赁" \(1 row: A\)\. Known: {known}'):
        read(tmp_path, site("A", means="租赁"))
    write_text(tmp_path / "sites.csv", "candidate_id,x,y", f"A,{EAST},{NORTH}")
    with pytest.raises(InputError, match=rf'no column "means".*set = {{ means = "reuse" }}.*{known}'):
        load(tmp_path)
    assert list(load(tmp_path, set={"means": "规划完善"})["means"]) == ["new"]


# types and costs ---------------------------------------------------------------------------------------------------


def test_types_are_of_the_standard_and_named_once(tmp_path):
    rows = [
        site("A", types="pharmacy|kindergarden"),
        site("B", types="pharmacy| pharmacy"),
        site("C", types="pharmacy｜kindergarten"),  # a full-width bar
        site("D", types="pharmacy,kindergarten"),
        site("E", types="pharmacy|"),
        site("F", types=""),
    ]
    with pytest.raises(InputError) as caught:
        read(tmp_path, *rows)
    assert {p.what: p.rows for p in caught.value.problems} == {
        '"types" has "kindergarden", "pharmacy,kindergarten", "", not among the standard\'s types': ("A", "D", "E"),
        '"types" names a type twice': ("B",),
    }
    assert 'Join several by |. Did you mean "kindergarten"?' in caught.value.problems[0].remedy
    assert list(read(tmp_path, rows[2], rows[5])["types"]) == ["pharmacy|kindergarten", ""]


def test_costs_by_type(tmp_path):
    rows = [site("A", cost_pharmacy=0, cost_kindergarten="１２"), site("B", cost_pharmacy=7)]
    table = read(tmp_path, *rows)
    assert list(table["cost_pharmacy"]) == [0, 7]
    assert list(table["cost_kindergarten"].fillna(-1)) == [12, -1]
    with pytest.raises(InputError, match=r'column "cost_pharmcy" names no type of the standard.*mean "pharmacy"'):
        read(tmp_path, site("A", cost_pharmcy=3))


def test_costs_by_type_can_be_mapped(tmp_path):
    table = read(tmp_path, site("A", 药店造价=3), columns={"cost_pharmacy": "药店造价"})
    assert list(table["cost_pharmacy"]) == [3]
    with pytest.raises(ConfigError, match=r'unknown key "cost_pharmcy".*"cost_pharmacy"'):
        read(tmp_path, site("A", 药店造价=3), columns={"cost_pharmcy": "药店造价"})


# towns and hosts ---------------------------------------------------------------------------------------------------


def test_towns_and_hosts_that_there_are_not(tmp_path):
    rows = [site("A", town_id="02X"), site("B", host_facility_id="E1"), site("C", town_id="2", host_facility_id="7")]
    with pytest.raises(InputError) as caught:
        read(tmp_path, *rows)
    found = {p.what: (p.rows, p.remedy) for p in caught.value.problems}
    assert found['"town_id" has "02X", "2", not among the committees\' towns'] == (
        ("A",),
        'Did you mean "02"? There are: 01, 02.',
    )
    assert found['"host_facility_id" has "E1", "7", not among the facilities'] == (
        ("B",),
        'Did you mean "E2"? It has to be a facility of this run, open in 2020.',
    )
    zeros = "ids match those of {} only with zeros in front"
    assert found[zeros.format("the committees' towns") + ': "2" here, "02" there'][0] == ("C",)
    assert found[zeros.format("the facilities") + ': "7" here, "007" there'][0] == ("C",)


def test_a_site_without_a_place_is_at_its_host(tmp_path):
    rows = [hosted("007", "A"), hosted("E2", "B"), site("C", host_facility_id="007")]
    table = read(tmp_path, *rows)
    expected = [(100, 100), (200, 200), (250, 250)]  # the host, its first entrance, its own
    for shape, (x, y) in zip(table.geometry, expected, strict=True):
        assert shape.distance(shapely.Point(EAST + x, NORTH + y)) < 0.008


def test_a_file_without_coordinates_is_at_its_hosts(tmp_path):
    write_text(tmp_path / "sites.csv", "candidate_id,means,host_facility_id", "A,复合利用,007")
    table = load(tmp_path)
    assert table.geometry[0].distance(shapely.Point(EAST + 100, NORTH + 100)) < 0.008


def test_an_area_has_no_place_to_lend(tmp_path):
    with pytest.raises(InputError, match=r"sites without a place \(2 rows: A, C\)\. Give lon and lat"):
        read(tmp_path, hosted("PARK", "A"), hosted("007", "B"), hosted("", "C"))


# places ------------------------------------------------------------------------------------------------------------


def test_the_district_ends_3_km_from_areas_and_centres(tmp_path):
    inside = {"A": -2999, "B": 3999, "C": 6001, "D": 11999}
    outside = {"E": -3001, "F": 4001, "G": 5999, "H": 12001}
    rows = [site(key, x=EAST + x, y=NORTH + 500) for key, x in {**inside, **outside}.items()]
    what = "outside the district: farther than 3 km from every committee"
    assert faults(tmp_path, *rows) == {what: ("E", "F", "G", "H")}
    assert len(read(tmp_path, *rows[:4])) == 4


def test_a_site_is_one_point(tmp_path):
    x, y = EAST + 250, NORTH + 250
    shapes = {
        "A": shapely.MultiPoint([(x, y)]),
        "B": shapely.MultiPoint([(x, y), (x + 1, y)]),
        "C": shapely.MultiLineString([[(x, y), (x + 1, y)]]),
        "D": shapely.MultiPolygon([shapely.box(x, y, x + 1, y + 1)]),
        "E": shapely.Point(x, y, 7.5),
    }
    table = pd.DataFrame({"candidate_id": list(shapes), "means": "new"})
    gpd.GeoDataFrame(table, geometry=list(shapes.values()), crs=UTM).to_file(tmp_path / "sites.gpkg")
    with pytest.raises(InputError, match=r"its place is no single point \(3 rows: B, C, D\)\. A site is one point; "
                                         r"give its entrance") as caught:  # fmt: skip
        load(tmp_path, source="sites.gpkg", crs=None)
    assert len(caught.value.problems) == 1  # they aren't told to be without a place as well
    sound = load(tmp_path, source="sites.gpkg", crs=None, where="candidate_id in ['A', 'E']")
    assert sound.geometry[0].equals(sound.geometry[1])
    assert not sound.geometry[1].has_z


def test_coordinates_that_cannot_be_read_are_one_fault(tmp_path):
    assert faults(tmp_path, site("A", x="here"), site("B", x=EAST + 90_000)) == {'"x" is not a number: "here"': ("A",)}


def test_places_no_crs_holds(tmp_path):
    write_text(tmp_path / "sites.csv", "candidate_id,means,x,y", "A,new,1e9,1e9")
    with pytest.raises(InputError, match=r"cannot be projected to WGS 84 / UTM zone 51N \(1 row: A\)"):
        load(tmp_path, crs="EPSG:32650")


def test_a_site_that_comes_too_late_is_noted_and_stays(tmp_path):
    notes = Notes()
    rows = [site("A", earliest_year=2023), site("B", earliest_year=2024), site("C", earliest_year="2030-01-01")]
    table = read(tmp_path, *rows, notes=notes)
    assert list(table["earliest_year"]) == [2023, 2024, 2030]
    assert codes(notes) == {"candidates.dates": 1, "candidates.too_late": 2}
    assert notes.items[1].rows == ("B", "C")


# formats -----------------------------------------------------------------------------------------------------------


def write_with_degrees(table: gpd.GeoDataFrame, path: Path) -> None:
    degrees = table.geometry.to_crs(4326)
    plain = pd.DataFrame(table.drop(columns="geometry"))
    plain["lon"] = [f"{p.x:.12f}" for p in degrees]
    plain["lat"] = [f"{p.y:.12f}" for p in degrees]
    if path.suffix == ".xlsx":
        plain[["lon", "lat"]] = plain[["lon", "lat"]].astype(float)  # as a spreadsheet takes them
        plain.to_excel(path, index=False)
    else:
        plain.to_csv(path, index=False)


@pytest.mark.parametrize("name", ["again.csv", "again.xlsx"])
def test_round_trips_to_the_bit(tmp_path, name):
    rows = [site(f"0{n}", x=EAST + 97.12345 * n, y=NORTH + 33.7654321 * n, cost=n + 0.37) for n in range(9)]
    first = read(tmp_path, *rows, hosted("007", "9", types="pharmacy|micro_park", cost_pharmacy=2.5))
    write_with_degrees(first, tmp_path / name)
    again = load(tmp_path, source=name, crs=None)
    assert shapely.to_wkb(first.geometry.to_numpy()).tolist() == shapely.to_wkb(again.geometry.to_numpy()).tolist()
    assert_frame_equal(pd.DataFrame(first.drop(columns="geometry")), pd.DataFrame(again.drop(columns="geometry")),
                       check_dtype=False, check_exact=True)  # fmt: skip


def test_gb18030(tmp_path):
    lines = ["编号,方式,名称,东,北", f"01,盘活存量,旧仓库,{EAST},{NORTH}"]
    write_text(tmp_path / "sites.csv", *lines, encoding="gb18030")
    names = {"candidate_id": "编号", "means": "方式", "name": "名称", "x": "东", "y": "北"}
    table = load(tmp_path, encoding="gb18030", columns=names)
    assert list(table.loc[0, ["candidate_id", "means", "name"]]) == ["01", "reuse", "旧仓库"]
