"""GCJ-02 and BD-09 against published points and their own inverse, and wherever geometry is read."""

import geopandas as gpd
import networkx as nx
import numpy as np
import osmnx
import pandas as pd
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from circle15.config import SourceConfig, load_config
from circle15.errors import ConfigError, InputError, Notes
from circle15.inputs.committees import read_committees
from circle15.inputs.datum import CHINA, correct_shapes, distance_m, from_wgs84, outside_china, to_wgs84
from circle15.inputs.population import read_population
from circle15.inputs.streets import read_streets
from circle15.inputs.vector import Wanted, read_vector
from tables_kit import STANDARD, codes, make_config, write_text

UTM = pyproj.CRS("EPSG:32651")
WGS84 = pyproj.CRS("EPSG:4326")

# Published pairs. WGS 84 lon, lat -> GCJ-02 lon, lat, and by how many metres the service or library may differ.
WGS_GCJ = [
    (121.5272106, 31.1774276, 121.531541859215, 31.17530398364597, 1e-6),  # eviltransform, its tests: Shanghai
    (113.912316, 22.543847, 113.9171764808363, 22.540796131694766, 1e-6),  # the same: Shenzhen
    (116.377817, 39.911954, 116.38404722455657, 39.91334545536069, 1e-6),  # the same: Beijing
    (116.404, 39.915, 116.41024449916938, 39.91640428150164, 1e-6),  # wandergis/coordtransform, its README
    (120.596931, 31.280844, 120.601100, 31.278649, 0.1),  # Suzhou, to six digits
    (116.481499, 39.990375, 116.487585177952, 39.991653917101, 0.1),  # an answer of Amap's conversion service
    (114.21892734521, 29.575429778924, 114.22430528428819, 29.57284912109375, 1.0),  # Baidu's service, to=3
]
GCJ_BD = [
    (116.404, 39.915, 116.41036949371029, 39.92133699351021, 1e-6),  # wandergis/coordtransform, its README
    (114.22430528428819, 29.57284912109375, 114.2307519546763, 29.57908428837437, 1e-3),  # Baidu's service, to=5
    (120.026268, 30.279164, 120.032768, 30.285238, 0.1),  # an answer of Aliyun's service, to six digits
]


def arrays(*pairs):
    return tuple(np.array(column, dtype=float) for column in zip(*pairs, strict=True))


@pytest.mark.parametrize(("lon", "lat", "gcj_lon", "gcj_lat", "tolerance_m"), WGS_GCJ)
def test_published_points_of_gcj02(lon, lat, gcj_lon, gcj_lat, tolerance_m):
    there = from_wgs84(*arrays((lon, lat)), "gcj02")
    assert distance_m(*there, *arrays((gcj_lon, gcj_lat)))[0] <= tolerance_m
    back = to_wgs84(*arrays((gcj_lon, gcj_lat)), "gcj02")
    assert distance_m(*back, *arrays((lon, lat)))[0] <= tolerance_m + 1e-3


@pytest.mark.parametrize(("lon", "lat", "bd_lon", "bd_lat", "tolerance_m"), GCJ_BD)
def test_published_points_of_bd09(lon, lat, bd_lon, bd_lat, tolerance_m):
    """BD-09 is GCJ-02 with Baidu's own offset, so both lead to one place of WGS 84."""
    by_gcj, by_bd = to_wgs84(*arrays((lon, lat)), "gcj02"), to_wgs84(*arrays((bd_lon, bd_lat)), "bd09")
    assert distance_m(*by_gcj, *by_bd)[0] <= tolerance_m + 1e-3


@settings(max_examples=300)
@given(st.floats(73.6, 135.0), st.floats(18.2, 53.5), st.sampled_from(["gcj02", "bd09"]))
def test_there_and_back_is_the_same_place_over_china(lon, lat, datum):
    """Half a metre is asked for; the largest found over 4 million random points is 0.00000002 m."""
    start = arrays((lon, lat))
    assert distance_m(*to_wgs84(*from_wgs84(*start, datum), datum), *start)[0] < 1e-3


def test_there_and_back_over_the_whole_box():
    rng = np.random.default_rng(15)
    west, south, east, north = CHINA
    lon, lat = rng.uniform(west, east, 50_000), rng.uniform(south, north, 50_000)
    for datum in ("gcj02", "bd09"):
        away_m = distance_m(*to_wgs84(*from_wgs84(lon, lat, datum), datum), lon, lat)
        assert away_m.max() < 1e-3


def test_offsets_near_shanghai_are_those_of_the_design():
    lon, lat = (grid.ravel() for grid in np.meshgrid(np.linspace(121.3, 121.9, 7), np.linspace(30.9, 31.4, 6)))
    gcj_m = distance_m(*from_wgs84(lon, lat, "gcj02"), lon, lat)
    bd_m = distance_m(*from_wgs84(lon, lat, "bd09"), lon, lat)
    assert (abs(gcj_m - 470) < 30).all()
    assert (abs(bd_m - 1100) < 60).all()


def test_outside_china_gcj02_is_wgs84():
    places = arrays((2.35, 48.85), (-46.6, -23.5), (139.77, 35.68), (72.003, 30.0))
    assert outside_china(*places).all()
    for convert in (to_wgs84, from_wgs84):
        assert np.array_equal(convert(*places, "gcj02"), places)


def test_nan_stays_nan_and_spares_its_neighbours():
    lon, lat = to_wgs84(*arrays((np.nan, 31.2), (121.5, 31.2), (121.5, np.nan)), "bd09")
    assert np.isnan([lon[0], lat[2]]).all()
    assert (lon[1], lat[1]) == tuple(float(one[0]) for one in to_wgs84(*arrays((121.5, 31.2)), "bd09"))
    assert len(to_wgs84(np.empty(0), np.empty(0), "gcj02")[0]) == 0


# layers ------------------------------------------------------------------------------------------------------------


def read(path, notes=None, crs=WGS84, **keys):
    return read_vector(SourceConfig(source=path.name, **keys), path, crs, notes or Notes(), Wanted("things"))


def test_points_of_a_csv(tmp_path):
    path = write_text(tmp_path / "a.csv", "lon,lat", "121.531541859215,31.17530398364597", "2.35,48.85")
    notes = Notes()
    table = read(path, notes, datum="gcj02")
    assert table.geometry.iloc[0].distance(shapely.Point(121.5272106, 31.1774276)) < 1e-9
    assert table.geometry.iloc[1].equals(shapely.Point(2.35, 48.85))
    assert codes(notes) == {"things.datum": 1, "things.datum_outside": 1}
    assert "a.csv: 1 points moved from GCJ-02 to WGS 84, by 475 m on average" in notes.items[0].text
    untouched = Notes()
    assert read(path, untouched).geometry.iloc[0].x == 121.531541859215
    assert codes(untouched) == {}


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4490", "OGC:CRS84", "EPSG:3857"])
def test_every_geometry_is_converted_vertex_by_vertex(tmp_path, datum, crs):
    ring = np.array([(121.5, 31.2), (121.51, 31.2), (121.51, 31.21)])
    shapes = [shapely.Point(ring[0]), shapely.LineString(ring), shapely.Polygon(ring), shapely.MultiPoint(ring)]
    true = gpd.GeoSeries(shapes, crs=4326)
    moved = shapely.transform(np.asarray(true.array), lambda xy: np.column_stack(from_wgs84(*xy.T, datum)))
    path = tmp_path / "a.geojson" if crs == "OGC:CRS84" else tmp_path / "a.gpkg"
    gpd.GeoDataFrame(geometry=moved, crs=4326).to_crs(crs).to_file(path)
    found = read(path, datum=datum).geometry
    away = np.abs(shapely.get_coordinates(found.array) - shapely.get_coordinates(true.array)).max()
    assert away < 1e-8  # a millimetre; GeoJSON rounds to seven digits of a degree


@pytest.mark.parametrize("crs", ["EPSG:32651", "EPSG:4549", "EPSG:4214", "EPSG:3395"])
def test_a_datum_that_contradicts_the_crs(tmp_path, crs):
    path = tmp_path / "a.gpkg"
    gpd.GeoDataFrame(geometry=gpd.GeoSeries([shapely.Point(121.5, 31.2)], crs=4326).to_crs(crs)).to_file(path)
    with pytest.raises(ConfigError, match=r'a.gpkg: datum = "gcj02" contradicts the CRS, .*remove datum'):
        read(path, datum="gcj02")
    assert len(read(path, ballpark=True)) == 1


def test_x_and_y_in_a_projected_crs_have_no_datum(tmp_path):
    path = write_text(tmp_path / "a.csv", "x,y", "350000,3450000")
    with pytest.raises(ConfigError, match=r"contradicts the CRS, WGS 84 / UTM zone 51N"):
        read_vector(SourceConfig(source="a.csv", crs="EPSG:32651", datum="bd09"), path, UTM, Notes(), Wanted("things"))


def test_a_table_without_coordinates_has_no_datum(tmp_path):
    path = write_text(tmp_path / "a.csv", "town_id,total", "A,12")
    wanted = Wanted("census", without_geometry=True)
    with pytest.raises(ConfigError, match=r'datum = "gcj02" means nothing'):
        read_vector(SourceConfig(source="a.csv", datum="gcj02"), path, UTM, Notes(), wanted)


def test_shapes_without_coordinates_pass_through():
    shapes = np.array([None, shapely.Point(121.5, 31.2)], dtype=object)
    found, crs = correct_shapes(shapes, WGS84, "gcj02", "things", "a.gpkg", Notes())
    assert found[0] is None
    assert crs == WGS84
    assert shapes[1].x == 121.5  # what was given is not changed


def test_committees_in_another_datum_than_their_areas(tmp_path):
    """Centres from Amap, areas surveyed: after conversion the centre is in its area again."""
    centre = np.array([[121.5, 31.2]])
    lon, lat = (float(one[0]) for one in from_wgs84(*centre.T, "gcj02"))
    write_text(tmp_path / "committees.csv", "committee_id,kind,town_id,lon,lat", f"1,居委,T,{lon!r},{lat!r}")
    area = gpd.GeoDataFrame({"committee_id": ["1"]}, geometry=[shapely.Point(121.5, 31.2).buffer(0.001)], crs=4326)
    area.to_file(tmp_path / "areas.gpkg")
    keys = {"source": "committees.csv", "areas": {"source": "areas.gpkg"}}
    as_given = read_committees(make_config(tmp_path, committees=keys), UTM, STANDARD, Notes())
    assert not as_given["area"].iloc[0].contains(as_given.geometry.iloc[0])
    table = read_committees(make_config(tmp_path, committees={**keys, "datum": "gcj02"}), UTM, STANDARD, Notes())
    expected = gpd.GeoSeries([shapely.Point(121.5, 31.2)], crs=4326).to_crs(UTM).iloc[0]
    assert table.geometry.iloc[0].distance(expected) < 1e-3
    assert table["area"].iloc[0].contains(table.geometry.iloc[0])


def test_pixels_are_converted_at_their_centres(tmp_path):
    import rasterio  # noqa: PLC0415
    from rasterio.transform import from_origin  # noqa: PLC0415

    lon, lat = (float(one[0]) for one in from_wgs84(*arrays((121.5, 31.2)), "gcj02"))
    size = 0.001
    with rasterio.open(
        tmp_path / "people.tif", "w", driver="GTiff", width=1, height=1, count=1, dtype="float32", crs="EPSG:4326",
        transform=from_origin(lon - size / 2, lat + size / 2, size, size),
    ) as file:  # fmt: skip
        file.write(np.full((1, 1, 1), 7.0, dtype="float32"))
    config = make_config(tmp_path, population={"source": "people.tif", "datum": "gcj02"})
    notes = Notes()
    cells = read_population(config, UTM, notes)
    expected = gpd.GeoSeries([shapely.Point(121.5, 31.2)], crs=4326).to_crs(UTM).iloc[0]
    assert cells.geometry.iloc[0].distance(expected) < 1e-3
    assert codes(notes)["population.datum"] == 1
    bad = make_config(tmp_path, population={"source": "people.tif", "datum": "gcj02", "crs": "EPSG:32651"})
    with pytest.raises(ConfigError, match=r"people.tif: datum"):
        read_population(bad, UTM, Notes())


# streets -----------------------------------------------------------------------------------------------------------

STREET = np.array([(121.5, 31.2), (121.505, 31.2), (121.505, 31.205)])


def streets(path, **keys):
    notes = Notes()
    found = read_streets(path, UTM, layer=None, source_crs=None, ferries=False, notes=notes, **keys)
    return found, notes


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_streets_of_a_line_layer_and_of_graphml(tmp_path, datum):
    shown = np.column_stack(from_wgs84(*STREET.T, datum))
    expected = np.column_stack(pyproj.Transformer.from_crs(4326, UTM, always_xy=True).transform(*STREET.T))
    gpd.GeoDataFrame({"highway": ["residential"]}, geometry=[shapely.LineString(shown)], crs=4326).to_file(
        tmp_path / "a.gpkg"
    )
    graph = nx.MultiDiGraph(crs="EPSG:4326")
    for row, (x, y) in enumerate(shown.tolist()):
        graph.add_node(row, x=x, y=y)
    for u, v in ((0, 1), (1, 2), (1, 0), (2, 1)):
        graph.add_edge(u, v, osmid=1, highway="residential", length=1.0)
    osmnx.save_graphml(graph, tmp_path / "a.graphml")
    for name in ("a.gpkg", "a.graphml"):
        found, notes = streets(tmp_path / name, datum=datum)
        xy = pd.DataFrame(found.xy).drop_duplicates().to_numpy()
        away = np.hypot(*(xy[:, None, :] - expected[None, :, :]).transpose(2, 0, 1))
        assert away.min(axis=1).max() < 1e-3
        assert codes(notes)["streets.datum"] == 3
    plain, _ = streets(tmp_path / "a.gpkg")
    assert np.hypot(*(plain.xy[0] - expected[0])) > 400


def test_osm_is_wgs84(tmp_path):
    path = write_text(tmp_path / "a.osm", "<osm version='0.6'/>")
    with pytest.raises(ConfigError, match=r'a.osm: datum = "gcj02" contradicts an OSM file.*remove \[network\] datum'):
        streets(path, datum="gcj02")
    with pytest.raises(InputError, match="no streets"):
        streets(path)


def test_facilities_from_osm_are_wgs84(tmp_path):
    path = write_text(
        tmp_path / "run.toml",
        '[run]\nname = "a"\nstandard = "b"\nas_of = 2023',
        '[network]\nsource = "a.osm"',
        '[committees]\nsource = "c.csv"',
        '[[facilities]]\nfrom_osm = true\ndatum = "bd09"',
    )
    with pytest.raises(ConfigError, match=r'facilities\[1\]: datum = "bd09" contradicts from_osm'):
        load_config(path)
