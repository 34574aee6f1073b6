"""Pictures for slides: what they say, how long the scale bar is, and whether Chinese really renders."""

import csv
import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Polygon
from matplotlib.text import Text
from PIL import Image

from circle15.errors import OutputError
from circle15.report import figures, fonts
from circle15.report.facts import Facts
from circle15.report.figures import _Drawing, _pieces, _whole_percent, draw_figures
from circle15.report.fonts import LATIN, characters, chinese_families, families_for
from circle15.report.reading import RunFolder, read_run
from circle15.report.scale import round_length
from circle15.report.slides import set_fonts, short

ROOT = Path(__file__).parents[1]
chinese = pytest.mark.skipif(not chinese_families(), reason="no font with Chinese is installed (fonts-noto-cjk)")


@pytest.fixture(scope="module")
def runs(sample_run) -> dict[str, RunFolder]:
    return {name: read_run(sample_run(name)) for name in ("compute", "verify")}


def drawing(run: RunFolder, lang: str = "en") -> _Drawing:
    return _Drawing(Facts(run), lang)


def said(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def with_layer(run: RunFolder, name: str, layer) -> RunFolder:
    return dataclasses.replace(run, layers={**run.layers, name: layer})


def without(run: RunFolder, *names: str) -> RunFolder:
    return dataclasses.replace(run, layers={name: layer for name, layer in run.layers.items() if name not in names})


def rows_of(run: RunFolder, table: str) -> list[dict[str, str]]:
    with (run.folder / "csv" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# files --------------------------------------------------------------------------------------------------------------

ALWAYS = {"map_verdicts", "map_rates", "map_gaps", "chart_domains", "matrix"}
WITH_PROJECTS = {"effects_domains", "effects_towns", "map_projects"}


@chinese
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(("name", "expected"), [("compute", ALWAYS), ("verify", ALWAYS | WITH_PROJECTS)])
def test_each_picture_is_a_png_and_an_svg_of_a_slides_shape(runs, tmp_path, name, expected, lang):
    paths = draw_figures(runs[name], tmp_path / "figures", lang)
    assert {path.stem for path in paths} == expected
    assert len(paths) == 2 * len(expected)
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert abs(image.width / image.height - 16 / 9) < 0.002
                assert image.width >= 1920
                assert len(image.convert("RGB").getcolors(maxcolors=2000 * 1125)) > 20  # it isn't blank
        else:
            assert path.read_text(encoding="utf-8").rstrip().endswith("</svg>")


@chinese
def test_the_same_run_makes_the_same_bytes(runs, tmp_path):
    first, again = (draw_figures(runs["verify"], tmp_path / name, "zh") for name in ("a", "b"))
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
        assert b"<dc:date>" not in one.read_bytes()


def test_a_run_without_committees_has_no_picture(runs, tmp_path):
    assert draw_figures(dataclasses.replace(runs["compute"], layers={}), tmp_path, "en") == []


# what they say ------------------------------------------------------------------------------------------------------


def down(rate: str) -> str:
    """Round a rate of six decimals down to a tenth of a percent, by whole numbers."""
    millionths = round(float(rate) * 1_000_000)
    return f"{millionths // 1000 / 10:.1f} %"


@chinese
def test_the_numbers_beside_the_bars_are_those_of_the_csv_file(runs):
    texts = said(drawing(runs["compute"]).chart_of_domains())
    for row in [*rows_of(runs["compute"], "domains"), *rows_of(runs["compute"], "district")]:
        judged = int(row["passed"]) + int(row["failed"])
        assert f"{down(row['item_rate'])}   {row['passed']}/{judged}" in texts
    assert "target 100 %" in texts


@chinese
def test_the_chart_of_effects_tells_before_and_after(runs):
    texts = said(drawing(runs["verify"]).charts_of_effects("town")["effects_towns"]())
    before = {
        r["key"]: r["item_rate"]
        for r in rows_of(runs["verify"], "effects")
        if (r["by"], r["state"]) == ("town", "before")
    }
    for row in rows_of(runs["verify"], "towns"):
        assert f"{down(before[row['town_id']])} → {down(row['item_rate'])}" in texts


@chinese
def test_the_classes_of_a_map_hold_every_committee_once(runs):
    made = drawing(runs["compute"])
    for figure in (made.map_of_verdicts(), made.map_of_rates(), made.map_of_gaps()):
        counts = [re.search(r"\((\d+)\)$", text.get_text()) for text in figure.legends[0].get_texts()]
        assert sum(int(count[1]) for count in counts if count) == 32
    assert "fail (29)" in said(made.map_of_verdicts())


@chinese
def test_the_map_of_projects_counts_those_with_and_without_a_place(runs):
    placed = sum(bool(row["lon"]) for row in rows_of(runs["verify"], "projects"))
    figure = drawing(runs["verify"]).map_of_projects()
    texts = said(figure)
    assert f"94 projects · {94 - placed} of them without a place, not on the map" in texts
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    by_means = [re.search(r"^(?:reuse|compound use|new building|no means given) \((\d+)\)", label) for label in labels]
    assert sum(int(found[1]) for found in by_means if found) == placed


@chinese
def test_the_source_line_names_run_year_standard_and_streets(runs):
    line = (
        "sample · 2023 · standard pudong-2021 (reconstructed) · streets: network.osm.pbf © OpenStreetMap contributors"
    )
    assert any(text.startswith(line) for text in said(drawing(runs["compute"]).matrices()["matrix"]()))
    projected = "sample · 2025, with the projects · standard pudong-2021 (reconstructed) · "
    assert any(text.startswith(projected) for text in said(drawing(runs["verify"]).matrices()["matrix"]()))


def test_whole_percents_are_rounded_down():
    assert [_whole_percent(rate) for rate in (1.0, 0.999999, 0.57, 0.0, float("nan"))] == ["100", "99", "57", "0", "–"]


def test_many_rows_are_shared_out_evenly():
    assert [len(piece) for piece in _pieces(42, 22)] == [21, 21]
    assert [list(piece) for piece in _pieces(3, 22)] == [[0, 1, 2]]
    assert sum(len(piece) for piece in _pieces(101, 24)) == 101
    assert max(len(piece) for piece in _pieces(101, 24)) <= 24


@chinese
def test_more_towns_than_a_picture_holds_make_several(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "TOWNS_MOST", 2)
    monkeypatch.setattr(figures, "ROWS_MOST", 2)
    names = {path.stem for path in draw_figures(runs["verify"], tmp_path, "en")}
    assert {"matrix_1", "matrix_2", "effects_towns_1", "effects_towns_2", "effects_domains_5"} <= names


# the scale bar ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "length"), [(999, 500), (1000, 1000), (1999, 1000), (2000, 2000), (4999, 2000), (5000, 5000), (0.7, 0.5)]
)
def test_the_bar_is_a_round_length(most, length):
    assert round_length(most) == length


@chinese
@pytest.mark.parametrize("areas", [True, False])
def test_the_bar_is_as_long_on_paper_as_its_length_on_the_map(runs, areas):
    run = runs["compute"] if areas else without(runs["compute"], "committee_areas")
    figure = drawing(run).map_of_gaps()
    figure.canvas.draw()
    chart, scale = figure.axes[0], next(axes for axes in figure.axes if axes.get_label() == "scale")
    corners = np.vstack([part.get_window_extent().get_points() for part in scale.findobj(Polygon)])
    pixels = corners[:, 0].max() - corners[:, 0].min()
    west, east = chart.get_xlim()
    metres = pixels / chart.get_window_extent().width * (east - west)
    label = next(text for text in said(figure) if re.fullmatch(r"[\d.]+ k?m", text))
    number, unit = label.split()
    assert metres == pytest.approx(float(number) * (1000 if unit == "km" else 1), rel=1e-3)
    south, north = chart.get_ylim()
    shape = chart.get_window_extent()
    assert (east - west) / (north - south) == pytest.approx(shape.width / shape.height, rel=1e-6)  # no stretch


# Chinese ------------------------------------------------------------------------------------------------------------


@chinese
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_character_of_every_text_is_in_its_fonts(runs, lang):
    made = drawing(runs["verify"], lang)
    by_name = {family.name: family for family in (*chinese_families(), fonts._latin())}
    pictures = [made.map_of_verdicts, made.map_of_projects, made.chart_of_domains, made.matrices()["matrix"]]
    for draw in pictures:
        figure = draw()
        set_fonts(figure)
        for text in figure.findobj(Text):
            held = frozenset().union(*(characters(by_name[name]) for name in text.get_fontfamily()))
            assert {one for one in text.get_text() if not one.isspace()} <= held
    assert any("街" in text for text in said(made.map_of_verdicts()))


@chinese
@pytest.mark.filterwarnings("ignore:Glyph 1114109")  # that it is missing is what is wanted
def test_a_chinese_character_is_no_empty_box():
    family = next(one for one in chinese_families() if one.name in families_for(["街"]))
    font = FT2Font(family.path)  # the first face of a collection: its faces share the glyphs

    def bitmap(load) -> np.ndarray:
        font.clear()
        load()
        font.draw_glyphs_to_bitmap()
        return np.array(font.get_image())

    font.set_size(40, 72)
    drawn, box = (bitmap(lambda text=text: font.set_text(text)) for text in ("街", "\U0010fffd"))
    assert drawn.shape != box.shape or (drawn != box).any()
    assert font.get_char_index(ord("街")) != 0
    assert (drawn > 0).mean() > 0.1


def test_missing_fonts_are_named_with_the_way_out(monkeypatch):
    monkeypatch.setattr(fonts, "chinese_families", tuple)
    assert families_for(["Rate ÷ 100 %", ""]) == [LATIN]
    with pytest.raises(OutputError, match=r"街.*fonts-noto-cjk.*--lang en"):
        families_for(["示例街道"])


def test_a_picture_that_fonts_lack_characters_for_is_refused(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "chinese_families", tuple)
    with pytest.raises(OutputError, match="no installed font has"):
        draw_figures(runs["compute"], tmp_path, "zh")


# bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a\nb\tc\x07", "a b c"),
        ("街" * 200, "街" * 12 + "…"),
        ("x" * 25, "x" * 24 + "…"),
        ("", ""),
        ("街" * 12, "街" * 12),
    ],
)
def test_names_are_put_on_one_line_and_cut(given, expected):
    assert short(given) == expected


@chinese
def test_names_are_no_formulas(runs, tmp_path):
    run = runs["compute"]
    bad = dict(run.tables)
    layers = dict(run.layers)
    names = dict(
        zip(run.table("towns")["town_id"], [r"$\frac{1}{$", "<script>alert(1)</script>", "x\n" * 100], strict=True)
    )
    for name in ("towns", "committees"):
        bad[name] = bad[name].assign(town_id=bad[name]["town_id"].replace(names))
        layers[name] = layers[name].assign(town_id=layers[name]["town_id"].replace(names))
    paths = draw_figures(dataclasses.replace(run, tables=bad, layers=layers), tmp_path, "en")
    assert not any(b"<script" in path.read_bytes() for path in paths)
    for path in paths:
        if path.suffix == ".svg":
            ET.parse(path)


@chinese
def test_a_run_without_a_gap_or_areas_or_towns_is_drawn(runs, tmp_path):
    layer = runs["compute"].layers["committees"].assign(failed=0, verdict="pass")
    run = without(with_layer(runs["compute"], "committees", layer), "committee_areas", "towns")
    assert len(draw_figures(run, tmp_path, "zh")) == 10
    texts = said(drawing(run).map_of_gaps())
    assert {"no gap (30)", "Failed headline items, 0 in all"} <= set(texts)
    assert "town border" not in texts


@chinese
def test_projects_without_a_place_make_a_map_without_marks(runs, tmp_path):
    layer = runs["verify"].layers["projects"].copy()
    layer["geometry"] = None
    run = with_layer(runs["verify"], "projects", layer.set_geometry("geometry", crs=runs["verify"].layers["towns"].crs))
    assert "94 projects · 94 of them without a place, not on the map" in said(drawing(run).map_of_projects())


@chinese
def test_one_committee_alone_is_drawn(runs):
    layer = runs["compute"].layers["committees"].iloc[:1]
    run = without(with_layer(runs["compute"], "committees", layer), "committee_areas", "towns")
    assert "fail (1)" in said(drawing(run).map_of_verdicts())
