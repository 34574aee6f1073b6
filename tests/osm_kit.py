"""Tiny OSM files written by hand, and a CRS in which their lengths can be worked out by hand."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import osmium
from osmium.osm.mutable import Node, Way

PLAIN = "+proj=eqc +R=6378137 +units=m +no_defs"
"""Equirectangular: x and y are degrees times `DEGREE_M`, along meridians and parallels alike."""
DEGREE_M = 6378137 * 3.141592653589793 / 180
"""111,319.49 m."""
MILLI_M = DEGREE_M / 1000


def write_osm(
    path: Path, nodes: dict, ways: dict, relations: dict | None = None, node_tags: dict | None = None
) -> Path:
    """Write OSM XML. `nodes`: id → (x, y) in thousandths of a degree; `ways`: id → (node ids, tags);
    `relations`: id → ([(type, id, role)], tags)."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>', '<osm version="0.6">']
    for ref, (x, y) in nodes.items():
        out.append(f'<node id="{ref}" version="1" lon="{x / 1000:.7f}" lat="{y / 1000:.7f}">')
        out += [*_tags((node_tags or {}).get(ref, {})), "</node>"]
    for ref, (refs, tags) in ways.items():
        out.append(f'<way id="{ref}" version="1">')
        out += [*(f'<nd ref="{node}"/>' for node in refs), *_tags(tags), "</way>"]
    for ref, (members, tags) in (relations or {}).items():
        out.append(f'<relation id="{ref}" version="1">')
        out += [f'<member type="{kind}" ref="{member}" role="{role}"/>' for kind, member, role in members]
        out += [*_tags(tags), "</relation>"]
    path.write_text("\n".join([*out, "</osm>"]), encoding="utf-8")
    return path


def _tags(tags: dict) -> list[str]:
    return [f"<tag k={quoteattr(key)} v={quoteattr(value)}/>" for key, value in tags.items()]


def write_pbf(path: Path, nodes: dict, ways: dict) -> Path:
    """Write the same as PBF."""
    with osmium.SimpleWriter(str(path)) as writer:
        for ref, (x, y) in nodes.items():
            writer.add_node(Node(id=ref, version=1, location=(x / 1000, y / 1000)))
        for ref, (refs, tags) in ways.items():
            writer.add_way(Way(id=ref, version=1, nodes=refs, tags=tags))
    return path
