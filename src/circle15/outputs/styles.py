"""How QGIS draws the layers of a GeoPackage: styles as QML and SLD, kept in the file's own table ``layer_styles``.

QGIS looks that table up when a layer is added, and draws the layer by the style that is marked as its default. A style
names columns and codes only, no text of the user's, so nothing that a name holds can break its XML.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from xml.etree import ElementTree as ET

from circle15.outputs.colours import MEANS_COLOURS, VERDICT_COLOURS
from circle15.outputs.dictionary import base_of, load_dictionary

STYLES_TABLE = "layer_styles"
"""Name that QGIS looks for."""
STYLE_NAME = "circle15"
QGIS_VERSION = "3.22.0"
"""The form of the QML; later versions read it as well."""
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
SLD = "http://www.opengis.net/sld"
OGC = "http://www.opengis.net/ogc"

INK, PAPER = "#252525", "#ffffff"
STREET_LEVEL, TOWN_LEVEL = 10_000, 60_000
"""Scales (1 : n) from which on names are shown: of facilities, of committees."""
POSITIONS = "TR,TL,BR,BL,R,L,TSR,BSR"
"""Where a name may stand beside its point, the best first; without it QGIS shows none."""
SVG_PX_PER_MM, SVG_PX_PER_PT = 96 / 25.4, 96 / 72
"""SLD measures in pixels of 1/96 inch, QML in millimetres."""


@dataclass(frozen=True)
class Symbol:
    """How a place is drawn, whatever its geometry.

    Attributes
    ----------
    colour : str
        ``#rrggbb``; of a point and an area what fills it, of a line its own.
    outline : str
        Colour of the outline of points and areas.
    opacity : float
        Of the filling of areas, 0 to 1.
    size_mm, width_mm : float
        Diameter of a point; width of a line or an outline.
    shape : {"circle", "square", "triangle", "star"}
        Of a point.
    """

    colour: str
    outline: str = PAPER
    opacity: float = 0.75
    size_mm: float = 2.6
    width_mm: float = 0.2
    shape: str = "circle"


@dataclass(frozen=True)
class Theme:
    """What a layer is drawn by.

    Attributes
    ----------
    symbols : mapping of str to Symbol
        Code → symbol; ``""`` is for every other value.
    by : str
        Column of the codes; ``""`` if all places look the same, by the symbol of ``""``.
    titles : mapping of str to str
        What the legend says where the dictionary has no such code.
    label : str
        Column whose text stands beside the place; ``""`` for none.
    label_scale : int
        The smallest scale (1 : n) that shows it; 0 for all.
    label_pt : int
        Size of the text in points.
    """

    symbols: Mapping[str, Symbol]
    by: str = ""
    titles: Mapping[str, str] | None = None
    label: str = ""
    label_scale: int = 0
    label_pt: int = 8


@dataclass(frozen=True)
class StoredStyle:
    """One row of `STYLES_TABLE`: the layer's name, what the style shows, and its two forms."""

    layer: str
    description: str
    qml: str
    sld: str


OTHER = "其他 other"
_SHAPES = ("circle", "triangle", "square", "circle")
_VERDICTS = {
    verdict: Symbol(colour, INK if verdict in {"unknown", "exempt"} else PAPER, shape=shape)
    for (verdict, colour), shape in zip(VERDICT_COLOURS.items(), _SHAPES, strict=True)
}
_MEANS = {
    means: Symbol(colour, size_mm=3.2, shape=shape)
    for (means, colour), shape in zip(MEANS_COLOURS.items(), ("circle", "square", "triangle"), strict=True)
} | {"": Symbol("#666666", size_mm=3.2, shape="star")}
_CHANGES = {
    "closed": Symbol("#2166ac"),
    "settled": Symbol("#92c5de", INK),
    "left": Symbol("#d6604d", shape="triangle"),
    "opened": Symbol("#67001f", shape="triangle"),
    "unsettled": Symbol("#bdbdbd", INK, shape="square"),
}
_REASONS = {
    "too_far": Symbol("#d6604d", shape="triangle"),
    "none_reachable": Symbol("#67001f", shape="triangle"),
    "none_exists": Symbol("#252525", shape="square"),
    "too_few": Symbol("#fdb863", INK, shape="circle"),
    "too_little": Symbol("#b2abd2", INK, shape="circle"),
    "without_attribute": Symbol("#542788", shape="square"),
    "": Symbol("#878787", shape="star"),
}
_MODES = {
    mode: Symbol(colour, colour, opacity=0.06, width_mm=0.5)
    for mode, colour in {
        "walk": "#1b7837",
        "elderly_walk": "#762a83",
        "cycle": "#2166ac",
        "drive": "#b35806",
    }.items()
}
_CELLS = {
    "assigned": Symbol("#737373", "#737373", size_mm=0.8),
    "outside": Symbol("#d9d9d9", "#969696", size_mm=0.8),
    "off_network": Symbol("#d95f02", "#d95f02", size_mm=1.2, shape="square"),
}
_NETWORK = {
    "true": Symbol("#525252", size_mm=1.6, opacity=0.4, width_mm=0.3),
    "false": Symbol("#d95f02", INK, size_mm=2.2, opacity=0.4, width_mm=0.3, shape="square"),
}
_TOWN = Symbol("#ffffff", "#404040", opacity=0.0, size_mm=4.0, width_mm=0.7)

_COMMITTEES = Theme(_VERDICTS, "verdict", label="name", label_scale=TOWN_LEVEL)
_FACILITIES = Theme(
    _NETWORK,
    "on_network",
    titles={"true": "接入路网 on the network", "false": "不在路网 off the network"},
    label="name",
    label_scale=STREET_LEVEL,
)
_PROJECTS = Theme(_MEANS, "means", label="name", label_scale=STREET_LEVEL)
THEMES: Mapping[str, Theme] = {
    "committees": _COMMITTEES,
    "committee_areas": replace(_COMMITTEES, label=""),  # the name stands at the centre
    "verdicts": Theme(_VERDICTS, "verdict"),
    "gaps": Theme(_REASONS, "reason"),
    **{f"facilit{ending}": _FACILITIES for ending in ("ies", "y_points", "y_lines", "y_areas")},
    "facility_checks": Theme(_VERDICTS, "verdict"),
    "cells": Theme(_CELLS, "status"),
    **{name: Theme({"": _TOWN}, label="town_id", label_pt=11) for name in ("towns", "town_points", "town_areas")},
    "service_circles": Theme(_MODES, "mode"),
    "changes": Theme(_CHANGES, "status"),
    **dict.fromkeys(("projects", "ledger", "suggestions"), _PROJECTS),
    "candidates": replace(_PROJECTS, symbols={means: replace(one, size_mm=2.0) for means, one in _MEANS.items()}),
    "outcomes": Theme({"closed": _CHANGES["closed"], "open": _CHANGES["left"]}, "status"),
}
"""Layer → what it is drawn by."""


def style_of(layer: str, geometry_type: str, fields: Mapping[str, str]) -> StoredStyle | None:
    """Return the default style of a layer, or None if there is none for it.

    Parameters
    ----------
    layer : str
        Its name; numbers behind it (``suggestions_2``) are passed over.
    geometry_type : str
        ``Point``, ``MultiPolygon`` and so on. QGIS cannot style a layer of collections, so they have none.
    fields : mapping of str to str
        Column → what the layer calls it.
    """
    theme, family = THEMES.get(base_of(layer)), _FAMILIES.get(geometry_type.removeprefix("Multi"))
    if theme is None or family is None or (theme.by and theme.by not in fields):
        return None
    theme = theme if theme.label in fields else replace(theme, label="")
    drawn = _Drawn(layer, family, theme, dict(fields))
    title = load_dictionary().table(layer)
    by = f": {_column_title(layer, theme.by)}" if theme.by else ""
    return StoredStyle(layer, f"{title.zh} {title.en}{by}", _qml(drawn), _sld(drawn))


@dataclass(frozen=True)
class _Drawn:
    """A theme on a layer: the family is that of the layer's geometry, `fields` its names of columns."""

    layer: str
    family: str
    theme: Theme
    fields: Mapping[str, str]

    def title(self, code: str) -> str:
        """Return what the legend says of a class, in both languages."""
        if not self.theme.by:
            entry = load_dictionary().table(self.layer)
            return f"{entry.zh} {entry.en}"
        if not code:
            return OTHER
        entry = load_dictionary().code(code, self.layer)
        return (self.theme.titles or {}).get(code, f"{entry.zh} {entry.en}")


_FAMILIES = {"Point": "marker", "LineString": "line", "Polygon": "fill"}
"""Geometry type → what QGIS calls its symbols."""


def _column_title(layer: str, column: str) -> str:
    entry = load_dictionary().column(layer, column)
    return f"{entry.zh} {entry.en}"


# QML ---------------------------------------------------------------------------------------------------------------


def _qml(drawn: _Drawn) -> str:
    """Return the style as QGIS itself keeps it: symbols, labels, and the fields' titles."""
    label = drawn.theme.label
    categories = "Symbology|Labeling|Fields"
    root = ET.Element("qgis", version=QGIS_VERSION, styleCategories=categories, labelsEnabled=str(int(bool(label))))
    root.append(_renderer(drawn))
    if label:
        root.append(_labeling(drawn.fields[label], drawn.theme, drawn.family))
    aliases = ET.SubElement(root, "aliases")
    for column, name in drawn.fields.items():
        if load_dictionary().column(drawn.layer, column).kind:  # the user's own columns are called what they are
            ET.SubElement(aliases, "alias", field=name, name=_column_title(drawn.layer, column))
    ET.indent(root, " ")
    return DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"


def _renderer(drawn: _Drawn) -> ET.Element:
    theme = drawn.theme
    kind = "categorizedSymbol" if theme.by else "singleSymbol"
    renderer = ET.Element("renderer-v2", type=kind, symbollevels="0", forceraster="0", enableorderby="0")
    if theme.by:
        renderer.set("attr", drawn.fields[theme.by])
        categories = ET.SubElement(renderer, "categories")
        value_type = "bool" if set(theme.symbols) == {"true", "false"} else "string"
        for number, code in enumerate(theme.symbols):
            ET.SubElement(
                categories,
                "category",
                {
                    "symbol": str(number),
                    "value": code,
                    "type": value_type,
                    "label": drawn.title(code),
                    "render": "true",
                },
            )
    symbols = ET.SubElement(renderer, "symbols")
    for number, symbol in enumerate(theme.symbols.values()):
        symbols.append(_qml_symbol(symbol, drawn.family, str(number)))
    return renderer


def _qml_symbol(symbol: Symbol, family: str, name: str) -> ET.Element:
    element = ET.Element("symbol", type=family, name=name, alpha="1", clip_to_extent="1", force_rhr="0")
    outline = {"outline_color": _rgba(symbol.outline), "outline_style": "solid", "outline_width_unit": "MM"}
    outline["outline_width"] = f"{symbol.width_mm:g}"
    match family:
        case "marker":
            layer = "SimpleMarker"
            own = {"color": _rgba(symbol.colour), "name": symbol.shape, "size": f"{symbol.size_mm:g}"}
            own |= {"size_unit": "MM"} | outline
        case "line":
            layer = "SimpleLine"
            own = {"line_color": _rgba(symbol.colour), "line_style": "solid", "line_width_unit": "MM"}
            own["line_width"] = f"{symbol.width_mm:g}"
        case _:
            layer = "SimpleFill"
            own = {
                "color": _rgba(symbol.colour, symbol.opacity),
                "style": "solid" if symbol.opacity else "no",
            } | outline
    inner = ET.SubElement(element, "layer", {"class": layer, "enabled": "1", "locked": "0", "pass": "0"})
    options = ET.SubElement(inner, "Option", type="Map")
    for key, value in own.items():
        ET.SubElement(options, "Option", name=key, type="QString", value=value)
    return element


def _labeling(field: str, theme: Theme, family: str) -> ET.Element:
    labeling = ET.Element("labeling", type="simple")
    settings = ET.SubElement(labeling, "settings", calloutType="simple")
    style = ET.SubElement(
        settings,
        "text-style",
        {
            "fieldName": field,
            "isExpression": "0",
            "fontSize": str(theme.label_pt),
            "fontSizeUnit": "Point",
            "textColor": _rgba(INK),
        },
    )
    ET.SubElement(
        style,
        "text-buffer",
        {"bufferDraw": "1", "bufferSize": "0.7", "bufferSizeUnits": "MM", "bufferColor": _rgba(PAPER)},
    )
    # 6: around a point in the order that cartographers prefer; 2: along a line; 0: over an area's middle.
    place = {"marker": "6", "line": "2", "fill": "0"}[family]
    ET.SubElement(
        settings,
        "placement",
        {
            "placement": place,
            "dist": "0.6",
            "distUnits": "MM",
            "priority": "5",
            "placementFlags": "10",
            "offsetType": "1",
        }
        | {"predefinedPositionOrder": POSITIONS, "polygonPlacementFlags": "2"},
    )
    limits = {"scaleVisibility": str(int(bool(theme.label_scale))), "scaleMin": "0", "scaleMax": str(theme.label_scale)}
    ET.SubElement(settings, "rendering", {"drawLabels": "1"} | limits)
    return labeling


def _rgba(colour: str, opacity: float = 1.0) -> str:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"{red},{green},{blue},{round(255 * opacity)}"


# SLD ---------------------------------------------------------------------------------------------------------------


def _sld(drawn: _Drawn) -> str:
    """Return the style for servers and other programs, as a Styled Layer Descriptor 1.0."""
    root = ET.Element("StyledLayerDescriptor", {"version": "1.0.0", "xmlns": SLD, "xmlns:ogc": OGC})
    layer = ET.SubElement(root, "NamedLayer")
    ET.SubElement(layer, "Name").text = drawn.layer
    style = ET.SubElement(layer, "UserStyle")
    ET.SubElement(style, "Name").text = STYLE_NAME
    rules = ET.SubElement(style, "FeatureTypeStyle")
    for code, symbol in drawn.theme.symbols.items():
        rule = ET.SubElement(rules, "Rule")
        ET.SubElement(rule, "Name").text = code or "other"
        ET.SubElement(rule, "Title").text = drawn.title(code)
        if drawn.theme.by:
            rule.append(_filter(drawn.fields[drawn.theme.by], code))
        rule.append(_sld_symbol(symbol, drawn.family))
    if drawn.theme.label:
        rules.append(_sld_label(drawn.fields[drawn.theme.label], drawn.theme))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _filter(field: str, code: str) -> ET.Element:
    if not code:
        return ET.Element("ElseFilter")
    element = ET.Element("ogc:Filter")
    equal = ET.SubElement(element, "ogc:PropertyIsEqualTo")
    ET.SubElement(equal, "ogc:PropertyName").text = field
    ET.SubElement(equal, "ogc:Literal").text = code
    return element


def _sld_symbol(symbol: Symbol, family: str) -> ET.Element:
    width = {"stroke-width": f"{symbol.width_mm * SVG_PX_PER_MM:.2f}"}
    if family == "line":
        element = ET.Element("LineSymbolizer")
        _css(element, "Stroke", {"stroke": symbol.colour} | width)
        return element
    if family == "fill":
        element = ET.Element("PolygonSymbolizer")
        _css(element, "Fill", {"fill": symbol.colour, "fill-opacity": f"{symbol.opacity:g}"})
        _css(element, "Stroke", {"stroke": symbol.outline} | width)
        return element
    element = ET.Element("PointSymbolizer")
    graphic = ET.SubElement(element, "Graphic")
    mark = ET.SubElement(graphic, "Mark")
    ET.SubElement(mark, "WellKnownName").text = symbol.shape
    _css(mark, "Fill", {"fill": symbol.colour})
    _css(mark, "Stroke", {"stroke": symbol.outline} | width)
    ET.SubElement(graphic, "Size").text = f"{symbol.size_mm * SVG_PX_PER_MM:.1f}"
    return element


def _sld_label(field: str, theme: Theme) -> ET.Element:
    rule = ET.Element("Rule")
    ET.SubElement(rule, "Name").text = "label"
    if theme.label_scale:
        ET.SubElement(rule, "MaxScaleDenominator").text = str(theme.label_scale)
    text = ET.SubElement(rule, "TextSymbolizer")
    label = ET.SubElement(text, "Label")
    ET.SubElement(label, "ogc:PropertyName").text = field
    _css(text, "Font", {"font-size": f"{theme.label_pt * SVG_PX_PER_PT:.0f}"})
    halo = ET.SubElement(text, "Halo")
    ET.SubElement(halo, "Radius").text = "2"
    _css(halo, "Fill", {"fill": PAPER})
    _css(text, "Fill", {"fill": INK})
    return rule


def _css(parent: ET.Element, name: str, values: Mapping[str, str]) -> None:
    element = ET.SubElement(parent, name)
    for key, value in values.items():
        ET.SubElement(element, "CssParameter", name=key).text = value
