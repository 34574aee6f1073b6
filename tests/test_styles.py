"""The GeoPackage's own styles: what QGIS finds in them, held against the layers, and drawn."""

import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from circle15.errors import Notes
from circle15.outputs.colours import MEANS_COLOURS, VERDICT_COLOURS
from circle15.outputs.dictionary import load_dictionary
from circle15.outputs.geopackage import Layer, write_layers
from circle15.outputs.styles import THEMES, style_of
from circle15.outputs.write import write_run
from circle15.tables import MEANS, VERDICTS
from test_outputs import CRS, make_manifest, make_results

SLD = {"sld": "http://www.opengis.net/sld", "ogc": "http://www.opengis.net/ogc"}
# As `QgsOgrProvider` of QGIS 3.22 makes the table where it is absent.
QGIS_COLUMNS = [
    *("id", "f_table_catalog", "f_table_schema", "f_table_name", "f_geometry_column", "styleName", "styleQML"),
    *("styleSLD", "useAsDefault", "description", "owner", "ui", "update_time"),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("styled") / "out"
    write_run(make_results(), out, make_manifest(), CRS)
    return out / "circle15.gpkg"


def rows_of(path: Path, table: str) -> pd.DataFrame:
    with closing(sqlite3.connect(path)) as base:
        return pd.read_sql_query(f'SELECT * FROM "{table}"', base)


def qml_of(text: str) -> ET.Element:
    assert text.startswith("<!DOCTYPE qgis")
    return ET.fromstring(text)


def planning_layers() -> list[Layer]:
    """Points with every value that the layers of suggest, verify and plan are drawn by."""
    found = []
    for name, by, values in (
        ("changes", "status", ["closed", "left", "opened", "unsettled", "settled"]),
        ("projects", "means", [*MEANS, None]),
        ("ledger", "means", [*MEANS, None]),
        ("suggestions", "means", list(MEANS)),
        ("suggestions_2", "means", list(MEANS)),
        ("candidates", "means", list(MEANS)),
        ("outcomes", "status", ["closed", "open"]),
    ):
        table = pd.DataFrame({by: pd.Series(values, dtype=object), "name": "</category><script>"})
        points = shapely.points(np.arange(len(values)), np.zeros(len(values)))
        found.append(Layer(name, table, points, "Point", name))
    return found


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("planned") / "circle15.gpkg"
    write_layers(planning_layers(), path, CRS, Notes())
    return path


# The table ---------------------------------------------------------------------------------------------------------


def test_the_table_is_the_one_that_qgis_looks_for(path):
    styles = rows_of(path, "layer_styles")
    assert list(styles) == QGIS_COLUMNS
    # QGIS asks for catalogue and schema '' and the geometry's column, and takes the default.
    assert set(styles["f_table_catalog"]) == set(styles["f_table_schema"]) == {""}
    assert set(styles["f_geometry_column"]) == {"geom"}
    assert set(styles["useAsDefault"]) == {1}
    assert not styles["f_table_name"].duplicated().any()
    assert {stamp[:10] for stamp in styles["update_time"]} == {"1970-01-01"}
    contents = rows_of(path, "gpkg_contents").set_index("table_name")["data_type"]
    assert contents["layer_styles"] == contents["data_dictionary"] == "attributes"


def test_every_layer_has_a_style(path, planned):
    for file in (path, planned):
        layers = {name for name, shape in pyogrio.list_layers(file) if shape}
        assert set(rows_of(file, "layer_styles")["f_table_name"]) == layers


def test_styles_name_columns_and_values_that_their_layers_have(path, planned):
    for file in (path, planned):
        for row in rows_of(file, "layer_styles").itertuples():
            fields = set(pyogrio.read_info(file, layer=row.f_table_name)["fields"])
            qml, sld = qml_of(row.styleQML), ET.fromstring(row.styleSLD.encode())
            renderer = qml.find("renderer-v2")
            by = renderer.get("attr")
            assert by is None or by in fields, row.f_table_name
            assert {one.get("fieldName") for one in qml.iter("text-style")} <= fields
            assert {one.get("field") for one in qml.iter("alias")} <= fields
            assert {one.text for one in sld.iter(f"{{{SLD['ogc']}}}PropertyName")} <= fields
            if by:
                values = set(pyogrio.read_dataframe(file, layer=row.f_table_name)[by].dropna().map(str))
                values = {value.lower() if value in {"True", "False"} else value for value in values}
                categories = {one.get("value") for one in renderer.iter("category")}
                assert values <= categories or "" in categories, f"{row.f_table_name}: {values - categories}"


def test_symbols_are_of_the_kind_that_the_geometry_needs(path):
    shapes = dict(pyogrio.list_layers(path))
    kinds = {"Point": "marker", "LineString": "line", "Polygon": "fill"}
    for row in rows_of(path, "layer_styles").itertuples():
        kind = kinds[shapes[row.f_table_name].removeprefix("Multi")]
        symbols = list(qml_of(row.styleQML).iter("symbol"))
        assert {one.get("type") for one in symbols} == {kind}, row.f_table_name
        used = {one.get("symbol") for one in qml_of(row.styleQML).iter("category")} or {"0"}
        assert used == {one.get("name") for one in symbols}


def test_every_verdict_has_a_class_with_its_colour_in_both_forms(path):
    styles = rows_of(path, "layer_styles").set_index("f_table_name")
    for layer in ("committees", "committee_areas", "verdicts"):
        qml, sld = qml_of(styles.loc[layer, "styleQML"]), ET.fromstring(styles.loc[layer, "styleSLD"].encode())
        assert colours_of_qml(qml) == dict(VERDICT_COLOURS)
        assert colours_of_sld(sld) == dict(VERDICT_COLOURS)
        labels = {one.get("value"): one.get("label") for one in qml.iter("category")}
        assert labels == {
            "pass": "达标 pass",
            "fail": "不达标 fail",
            "unknown": "不明 unknown",
            "exempt": "不适用 exempt",
        }
    assert set(VERDICT_COLOURS) == set(VERDICTS)


def test_every_means_and_change_has_a_class(planned):
    styles = rows_of(planned, "layer_styles").set_index("f_table_name")["styleQML"]
    for layer in ("projects", "ledger", "suggestions", "suggestions_2", "candidates"):
        colours = colours_of_qml(qml_of(styles[layer]))
        assert {means: colours[means] for means in MEANS} == dict(MEANS_COLOURS)
    assert set(colours_of_qml(qml_of(styles["changes"]))) == {"closed", "left", "opened", "unsettled", "settled"}


def colours_of_qml(qml: ET.Element) -> dict[str, str]:
    """Return category → colour, as QGIS puts them together."""
    symbols = {}
    for symbol in qml.iter("symbol"):
        (colour,) = (o.get("value") for o in symbol.iter("Option") if o.get("name") in {"color", "line_color"})
        symbols[symbol.get("name")] = "#" + "".join(f"{int(part):02x}" for part in colour.split(",")[:3])
    return {one.get("value"): symbols[one.get("symbol")] for one in qml.iter("category")}


def colours_of_sld(sld: ET.Element) -> dict[str, str]:
    """Return literal of the filter → colour of the filling."""
    found = {}
    for rule in sld.iterfind(".//sld:Rule[ogc:Filter]", SLD):
        literal = rule.find(".//ogc:Literal", SLD).text
        found[literal] = rule.find(".//sld:Fill/sld:CssParameter[@name='fill']", SLD).text
    return found


def test_circles_are_outlines_that_one_can_see_through(path):
    qml = qml_of(rows_of(path, "layer_styles").set_index("f_table_name").loc["service_circles", "styleQML"])
    for symbol in qml.iter("symbol"):
        options = {one.get("name"): one.get("value") for one in symbol.iter("Option")}
        assert int(options["color"].split(",")[3]) < 50
        assert options["outline_color"].endswith(",255")
        assert float(options["outline_width"]) > 0


def test_names_stand_beside_committees(path):
    qml = qml_of(rows_of(path, "layer_styles").set_index("f_table_name").loc["committees", "styleQML"])
    assert qml.get("labelsEnabled") == "1"
    assert qml.find("labeling/settings/text-style").get("fieldName") == "name"
    # Without an order of positions QGIS 3.22 shows no name at all.
    assert qml.find("labeling/settings/placement").get("predefinedPositionOrder")


# The dictionary ----------------------------------------------------------------------------------------------------


def test_the_dictionary_has_every_column_of_every_layer(path, planned):
    for file in (path, planned):
        told = rows_of(file, "data_dictionary")
        assert list(told)[1:] == ["table", "column", "kind", "title_zh", "title_en", "meaning_zh", "meaning_en"]
        there = [
            (name, field)
            for name, shape in pyogrio.list_layers(file)
            if shape
            for field in pyogrio.read_info(file, layer=name)["fields"]
        ]
        assert list(zip(told["table"], told["column"], strict=True)) == there
    row = rows_of(path, "data_dictionary").set_index(["table", "column"]).loc[("towns", "item_rate")]
    assert (row["kind"], row["title_zh"], row["title_en"]) == ("rate", "单项达标率", "Item rate")


# Drawn -------------------------------------------------------------------------------------------------------------


def test_a_layer_drawn_by_its_stored_style_shows_each_verdict_in_its_colour(tmp_path):
    """Four squares side by side, filled by the rules of the SLD: a quarter of the picture has each verdict's colour."""
    table = pd.DataFrame({"verdict": list(VERDICTS)})
    squares = shapely.box(np.arange(4), 0, np.arange(4) + 1, 1)
    file = tmp_path / "squares.gpkg"
    write_layers([Layer("committee_areas", table, squares, "Polygon", "squares")], file, CRS, Notes())
    colours = colours_of_sld(ET.fromstring(rows_of(file, "layer_styles")["styleSLD"].loc[0].encode()))
    areas = pyogrio.read_dataframe(file, layer="committee_areas")
    figure = Figure(figsize=(4, 1), dpi=10)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 4), ylim=(0, 1))
    areas.plot(ax=axes, color=[colours[one] for one in areas["verdict"]], antialiased=False, aspect=None)
    axes.set_axis_off()
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].reshape(-1, 3)
    found, count = np.unique([mpl.colors.to_hex(pixel / 255) for pixel in pixels], return_counts=True)
    assert dict(zip(found, count, strict=True)) == dict.fromkeys(VERDICT_COLOURS.values(), 100)


# Hard cases --------------------------------------------------------------------------------------------------------


def test_a_users_column_that_takes_the_name_of_ours(tmp_path):
    """SQLite knows no case: a group called ``Verdict`` comes first, and the style follows ours to its new name."""
    results = make_results()
    committees = results.committees.assign(Verdict="<&'\"]]>")
    write_run(make_results(committees=committees), tmp_path / "out", make_manifest(), CRS)
    file = tmp_path / "out" / "circle15.gpkg"
    qml = qml_of(rows_of(file, "layer_styles").set_index("f_table_name").loc["committees", "styleQML"])
    assert qml.find("renderer-v2").get("attr") == "verdict_2"
    told = rows_of(file, "data_dictionary").query("table == 'committees'").set_index("column")
    assert (told.loc["Verdict", "kind"], told.loc["verdict_2", "title_zh"]) == ("", "判定")


def test_layers_that_cannot_be_styled_have_no_style():
    fields = {"verdict": "verdict"}
    assert style_of("committees", "GeometryCollection", fields) is None
    assert style_of("somebodys_own", "Point", fields) is None
    assert style_of("committees", "Point", {"name": "name"}) is None
    found = style_of("committees", "MultiPoint", fields)
    assert found is not None
    assert qml_of(found.qml).get("labelsEnabled") == "0"  # there is no name to show


def test_no_text_of_the_user_is_in_a_style(planned):
    assert not any("script" in text for text in rows_of(planned, "layer_styles")["styleQML"])


def test_an_empty_file_of_layers_keeps_its_tables(tmp_path):
    empty = [Layer(one.name, one.table.iloc[:0], one.geometry[:0], "Point", one.name) for one in planning_layers()]
    write_layers(empty, tmp_path / "e.gpkg", CRS, Notes())
    assert len(rows_of(tmp_path / "e.gpkg", "layer_styles")) == len(empty)


def test_the_same_layers_give_the_same_bytes(planned, tmp_path):
    write_layers(planning_layers(), tmp_path / "again.gpkg", CRS, Notes())
    assert (tmp_path / "again.gpkg").read_bytes() == planned.read_bytes()


def test_every_class_is_named_in_both_languages():
    known = load_dictionary()
    for layer, theme in THEMES.items():
        assert layer in known.tables
        assert not theme.by or known.column(layer, theme.by).kind in {"code", "flag"}
        for code in set(theme.symbols) - {""}:
            assert code in known.codes or code in (theme.titles or {}), f"{layer}: {code}"
