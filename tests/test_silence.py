"""What was once taken in silence: reserved columns, areas elsewhere, swallowed rows, cells larger than polygons."""

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from circle15.errors import ConfigError, InputError
from street_kit import CRS, REACH, X0, Y0, Written, district, standard

C1 = {"committee_id": "C1", "x": 0}
F1 = {"facility_id": "F1", "type": "a", "x": 500}


def codes(run: Written) -> dict[str, int]:
    return {note.code: note.count for note in run.outcome.notes.items}


def test_a_files_own_column_source_is_kept_under_another_name(tmp_path):
    text = """{ id = "q", kind = "quality", types = ["a"], scope = "district", attribute = "source_of_file",
    one_of = ["official"], percent = 100, clause = "1" },"""
    lines = " ".join(text.split()) + REACH
    run = Written(district(tmp_path, standard(lines), [C1], [{**F1, "source": "official"}]))
    assert run.row("q").verdict == "pass"
    assert codes(run)["facilities.columns_renamed"] == 1


def test_areas_that_lie_elsewhere(tmp_path):
    near = Written(district(tmp_path / "near", standard(REACH), [C1], [F1], areas={"C1": (400, -100, 900, 100)}))
    assert codes(near)["committees.centre_outside"] == 1
    with pytest.raises(InputError, match=r"areas\.gpkg.*none of 1 places lies in the network's box"):
        Written(district(tmp_path / "far", standard(REACH), [C1], [F1], areas={"C1": (20_000, 0, 21_000, 100)}))


def test_a_stray_quotation_mark_is_told(tmp_path):
    config = district(tmp_path, standard(REACH), [C1], [F1])
    rows = ["facility_id,type,x,y,name", f'F1,a,{X0},{Y0},"one', f'F2,a,{X0},{Y0},two"', f"F3,a,{X0},{Y0},three"]
    (tmp_path / "facilities.csv").write_text("\n".join(rows) + "\n", "utf-8")
    run = Written(config)
    assert codes(run)["facilities.line_breaks"] == 1
    assert run.verdict("a.r").count_within == 2


def test_cells_larger_than_the_polygons_are_refused(tmp_path):
    config = district(tmp_path, standard(REACH), [C1], [F1], [{"x": 0, "total": 1}])
    boxes = [shapely.box(X0 + 300 * n, Y0, X0 + 300 * (n + 1), Y0 + 300) for n in range(8)]
    gpd.GeoDataFrame({"cell_id": range(8), "total": 10}, geometry=boxes, crs=CRS).to_file(tmp_path / "tracts.gpkg")
    text = config.read_text("utf-8")
    head, tail = text.split("[population]")
    tail = tail[tail.index("[[facilities]]") :]
    for size, refused in ((100, False), (2000, True)):
        section = f'[population]\nsource = "tracts.gpkg"\ncell_size_m = {size}\n'
        config.write_text(head + section + tail, "utf-8")
        if refused:
            with pytest.raises(ConfigError, match="cells of 8 polygons with people"):
                Written(config)
        else:
            Written(config)


@pytest.mark.parametrize("where", ["type.str.contains('(')", "(type == 'a'", "x.head(1) > 3", "x.sort_values() > 3"])
def test_conditions_that_are_none_of_each_row(tmp_path, where):
    config = district(tmp_path, standard(REACH), [C1], [F1, {**F1, "facility_id": "F2", "x": 10}])
    with config.open("a", encoding="utf-8") as file:
        file.write(f'where = "{where}"\n')
    with pytest.raises(ConfigError, match="where = "):
        Written(config)


def test_a_facility_without_a_town_of_its_own_is_placed(tmp_path):
    text = '{ id = "p", kind = "presence", types = ["a"], scope = "town", at_least = 2, clause = "1" },'
    facilities = [{**F1, "town_id": "T1"}, {**F1, "facility_id": "F2", "town_id": ""}]
    run = Written(district(tmp_path, standard(text + REACH), [C1], facilities, areas={"C1": (-100, -100, 900, 100)}))
    assert run.row("p", "town", "T1").value == 2
    assert pd.isna(run.row("p", "town", "T1").shortfall)


def test_polygons_on_one_another_and_a_population_of_nobody(tmp_path):
    config = district(tmp_path, standard(REACH), [C1], [F1], [{"x": 0, "total": 1}])
    text = config.read_text("utf-8")
    head, tail = text.split("[population]")
    config.write_text(head + '[population]\nsource = "tracts.gpkg"\n' + tail[tail.index("[[facilities]]") :], "utf-8")
    boxes = [shapely.box(X0 + 300 * n, Y0, X0 + 300 * (n + 1), Y0 + 300) for n in (0, 1, 1)]
    table = gpd.GeoDataFrame({"cell_id": ["a", "b", "c"], "total": 10}, geometry=boxes, crs=CRS)
    table.to_file(tmp_path / "tracts.gpkg")
    (note,) = [n for n in Written(config).outcome.notes.items if n.code == "population.overlapping_polygons"]
    assert note.rows == ("b and c",)  # neighbours that only touch are none
    table.assign(total=0).to_file(tmp_path / "tracts.gpkg")
    with pytest.raises(InputError, match="nobody lives in it"):
        Written(config)
