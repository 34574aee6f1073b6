"""OSM files that are not what they seem: histories, copies, what is deleted, places on ways; for all three readers."""

import bz2
import gzip
import re
from pathlib import Path

import numpy as np
import osmium
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from osmium.osm.mutable import Node, Way
from pyproj import CRS

from circle15.config import SourceConfig
from circle15.errors import InputError, Notes
from circle15.inputs.mapping import load_mapping
from circle15.inputs.osm import read_osm_places
from circle15.inputs.osm_file import open_osm
from circle15.inputs.streets import read_streets
from circle15.inputs.vector import POLYGONS, Wanted, read_vector
from circle15.inputs.water import read_osm_water
from osm_kit import MILLI_M, PLAIN, write_osm

NODES = {
    1: (0, 0),
    2: (1, 0),
    3: (1, 1),
    10: (2, 0),
    11: (6, 0),
    12: (6, 4),
    13: (2, 4),
    20: (3, 1),
    21: (5, 1),
    22: (5, 3),
    23: (3, 3),
    30: (0, 2),
}
WAYS = {
    100: ([1, 2, 3], {"highway": "residential"}),
    101: ([10, 11, 12, 13, 10], {}),
    102: ([20, 21, 22, 23, 20], {"natural": "water"}),
}
RELATIONS = {500: ([("way", 101, "outer"), ("way", 102, "inner")], {"type": "multipolygon", "leisure": "park"})}
TAGGED = {30: {"amenity": "pharmacy"}}
MAPPING = """
[[types]]
id = "park"
confidence = "high"
any = [{ leisure = "park" }]
[[types]]
id = "pharmacy"
confidence = "high"
any = [{ amenity = "pharmacy" }]
"""


def streets(path: Path, notes: Notes):
    return read_streets(path, PLAIN, layer=None, source_crs=None, ferries=False, notes=notes)


def places(path: Path, notes: Notes):
    mapping = path.parent / "mapping.toml"
    mapping.write_text(MAPPING, encoding="utf-8")
    return read_osm_places(path, PLAIN, load_mapping(str(mapping), path.parent), notes)


def water(path: Path, notes: Notes):
    return read_osm_water(path, PLAIN, notes)


READERS = pytest.mark.parametrize("read", [streets, places, water])


def plain(folder: Path, name: str = "plain.osm", **changed) -> Path:
    given = {"nodes": NODES, "ways": WAYS, "relations": RELATIONS, "node_tags": TAGGED} | changed
    return write_osm(folder / name, **given)


def rewritten(source: Path, path: Path, form: str, keep=lambda item: True) -> Path:
    """The objects of a file in another format, ways with the places of their nodes as far as they are known."""
    with osmium.SimpleWriter(osmium.io.File(str(path), form)) as writer:
        for item in osmium.FileProcessor(str(source)).with_locations():
            if keep(item):
                writer.add(item)
    return path


def tagged_or_no_node(item) -> bool:
    return not item.is_node() or len(item.tags) > 0


def lines_of(path: Path, notes: Notes) -> list[str]:
    found = streets(path, notes)
    return sorted(shapely.LineString(found.xy[a:b]).wkt for a, b in zip(found.first, found.first[1:], strict=False))


def everything(path: Path) -> tuple:
    """What the three readers find, and what they note."""
    notes = Notes()
    found = places(path, notes)
    shapes = dict(zip(found["facility_id"], found.geometry.to_wkt(), strict=True))
    return lines_of(path, notes), shapes, [one.wkt for one in water(path, notes)], [note.text for note in notes.items]


# one version of each object ----------------------------------------------------------------------------------------


def as_history(path: Path, text: str, old: str, new: str) -> Path:
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


VERSIONS = {
    # what is added to the file, and the object that is then there twice
    "a node that moved": ('<node id="2" version="2" lon="0.002" lat="0.001"/>', "n2"),
    "a node that was deleted": ('<node id="2" version="2" visible="false"/>', "n2"),
    "a street that was deleted": ('<way id="100" version="2" visible="false"></way>', "w100"),
    "a street that was upgraded": (
        '<way id="100" version="2"><nd ref="1"/><nd ref="2"/><tag k="highway" v="primary"/></way>',
        "w100",
    ),
    "a relation that lost its tags": ('<relation id="500" version="2" visible="false"/>', "r500"),
    "the same street again": ('<way id="100" version="1"><nd ref="1"/><tag k="highway" v="path"/></way>', "w100"),
}


@READERS
@pytest.mark.parametrize("packed", ["", ".gz", ".bz2"])
@pytest.mark.parametrize("version", VERSIONS)
def test_several_versions_of_an_object_are_refused(tmp_path, read, version, packed):
    added, named = VERSIONS[version]
    text = plain(tmp_path).read_text("utf-8").replace("</osm>", f"{added}</osm>").encode()
    path = tmp_path / f"a.osm{packed}"
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[packed](text))
    with pytest.raises(InputError, match="several versions or copies of 1 ") as caught:
        read(path, Notes())
    (problem,) = caught.value.problems
    assert problem.rows == (named,)
    assert "osmium time-filter" in problem.remedy


@READERS
def test_extracts_of_two_dates_put_together_are_refused(tmp_path, read):
    """PBF whose header says nothing: every object of one is there in two versions."""
    path = tmp_path / "merged.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for ref, (x, y) in NODES.items():
            writer.add_node(Node(id=ref, version=1, location=(x / 1000, y / 1000), tags=TAGGED.get(ref, {})))
            if ref == 3:
                writer.add_node(Node(id=ref, version=2, location=(x / 1000, 0.009)))
        for ref, (refs, tags) in WAYS.items():
            writer.add_way(Way(id=ref, version=1, nodes=refs, tags=tags))
    with pytest.raises(InputError, match="versions or copies of 1 node") as caught:
        read(path, Notes())
    assert caught.value.problems[0].rows == ("n3",)


@READERS
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.osm.pbf", "pbf,history=true"),  # what it is called says nothing, its header does
        ("a.osh.pbf", "pbf"),  # what it is called says it
        ("a.osh", "osm"),
        ("a.osh.gz", "osm.gz"),
        ("a.osc", "osc"),
        ("changes.osm", "osc"),
    ],
)
def test_histories_and_changes_are_refused_by_header_or_name(tmp_path, read, name, form):
    path = rewritten(plain(tmp_path), tmp_path / name, form)
    with pytest.raises(InputError, match="history or a file of changes") as caught:
        read(path, Notes())
    assert caught.value.exit_code == 3


@READERS
def test_what_is_no_osm_data_is_told_as_before(tmp_path, read):
    for name, content in (("a.osm.pbf", b"nothing"), ("a.osm", b"<osm version='0.6'><node id='1'")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as OSM data"):
            read(tmp_path / name, Notes())
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.osm", Notes())


def test_a_file_that_changed_is_looked_at_anew(tmp_path):
    path = plain(tmp_path)
    assert not open_osm(path).located
    as_history(path, path.read_text("utf-8"), "</osm>", '<node id="2" version="2" lon="0" lat="0"/></osm>')
    with pytest.raises(InputError, match="versions"):
        open_osm(path)


def layer(path: Path, notes: Notes):
    """The same file as a layer of water, which GDAL reads."""
    source = SourceConfig(source=path.name, layer="multipolygons")
    return read_vector(source, path, CRS.from_user_input(PLAIN), notes, Wanted("committees.water", shapes=POLYGONS))


def test_a_layer_of_osm_that_gdal_would_misread_is_refused(tmp_path):
    there = plain(tmp_path)
    assert len(layer(there, Notes())) == 2  # the park and the lake
    located = rewritten(there, tmp_path / "l.osm", "osm,locations_on_ways=true", tagged_or_no_node)
    with pytest.raises(InputError, match="ways bring the places of nodes"):
        layer(located, Notes())
    text = there.read_text("utf-8")
    with pytest.raises(InputError, match="1 object is marked as deleted"):
        layer(as_history(tmp_path / "j.osm", text, '<way id="102"', '<way id="102" action="delete"'), Notes())
    with pytest.raises(InputError, match="several versions or copies of 1 way"):
        layer(as_history(tmp_path / "h.osm", text, "</osm>", '<way id="102" version="2"/></osm>'), Notes())


# deleted -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ['visible="false"', 'action="delete"', "action='delete' visible='true'"])
def test_what_is_marked_as_deleted_is_left_out_and_noted(tmp_path, mark):
    """A street, a lake, a park and a pharmacy of which a file says that they are gone; others of each kind stay."""
    more_nodes = NODES | {31: (0, 3), 40: (8, 0), 41: (9, 0), 42: (9, 1)}
    more_ways = WAYS | {
        103: ([3, 1], {"highway": "path"}),
        104: ([40, 41, 42, 40], {"natural": "water"}),
        105: ([40, 41, 42, 40], {"leisure": "park", "name": "Gone"}),
    }
    text = plain(
        tmp_path, nodes=more_nodes, ways=more_ways, node_tags=TAGGED | {31: {"amenity": "pharmacy"}}
    ).read_text("utf-8")
    for named in ('node id="31"', 'way id="103"', 'way id="104"', 'way id="105"'):
        assert named in text
        text = text.replace(f"<{named}", f"<{named} {mark}")
    path = tmp_path / "josm.osm"
    path.write_text(text, encoding="utf-8")
    found, notes = everything(path), Notes()
    assert found[:3] == everything(plain(tmp_path))[:3]
    streets(path, notes)
    places(path, notes)
    water(path, notes)
    deleted = [note for note in notes.items if note.code == "osm.deleted"]
    assert [note.rows for note in deleted] == [("w103",), ("n31", "w105"), ("w104",)]
    assert deleted[1].text == "josm.osm: 2 objects that are marked as deleted were left out of the facilities"
    assert deleted[2].text == "josm.osm: 1 object that is marked as deleted was left out of the water"


def test_a_tag_that_speaks_of_an_action_deletes_nothing(tmp_path):
    tagged = WAYS | {100: (WAYS[100][0], WAYS[100][1] | {"note": "action='delete'?", "action": "delete"})}
    assert everything(plain(tmp_path, "a.osm", ways=tagged))[:3] == everything(plain(tmp_path))[:3]


# places on ways ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.osm.pbf", "pbf,locations_on_ways=true"),
        ("a.osm", "osm,locations_on_ways=true"),
        ("a.osm.gz", "osm.gz,locations_on_ways=true"),
    ],
)
@pytest.mark.parametrize("keep", [tagged_or_no_node, lambda item: True], ids=["untagged nodes dropped", "all there"])
def test_places_on_ways_are_read(tmp_path, name, form, keep):
    """The same file without them is the answer: one street of 2 × 111 m, a park with a lake in it, a pharmacy."""
    there = plain(tmp_path)
    path = rewritten(there, tmp_path / name, form, keep)
    assert open_osm(path).located
    lines, shapes, lakes, notes = everything(path)
    found = streets(path, Notes())
    assert np.hypot(*np.diff(found.xy, axis=0).T).sum() == pytest.approx(2 * MILLI_M, abs=0.05)
    assert shapely.from_wkt(shapes["r500"]).area == pytest.approx(12 * MILLI_M**2, rel=1e-4)
    assert [shapely.from_wkt(one).area for one in lakes] == pytest.approx([4 * MILLI_M**2], rel=1e-4)
    expected = everything(there)
    assert (lines, shapes, lakes) == expected[:3]
    assert [note.replace(name, there.name) for note in notes] == expected[3]


def test_some_ways_with_places_and_some_without(tmp_path):
    """A located extract beside a plain one, as osmium merge puts them together: the same as all plain."""
    there = plain(tmp_path)
    located = rewritten(there, tmp_path / "l.osm", "osm,locations_on_ways=true", lambda item: not item.is_node())
    text = located.read_text("utf-8")
    nodes = ""
    for ref in (10, 11, 12, 13, 30):  # the park's way loses its places, and its nodes are in the file
        x, y = NODES[ref]
        tag = '<tag k="amenity" v="pharmacy"/>' if ref == 30 else ""
        nodes += f'<node id="{ref}" lon="{x / 1000}" lat="{y / 1000}">{tag}</node>'
        text = re.sub(f'<nd ref="{ref}" [^/]*/>', f'<nd ref="{ref}"/>', text)
    text = text.replace('<way id="100"', f'{nodes}<way id="100"')
    path = tmp_path / "mixed.osm"
    path.write_text(text, encoding="utf-8")
    assert everything(path)[:3] == everything(there)[:3]


@READERS
@pytest.mark.parametrize("own", [True, False], ids=["from its own place", "from way to way"])
def test_a_node_at_two_places_is_refused(tmp_path, read, own):
    """Places that were added to ways of an older file, and a node that moved since."""
    keep = (lambda item: True) if own else tagged_or_no_node
    more = WAYS | {103: ([1, 30], {"highway": "path"})}
    path = rewritten(plain(tmp_path, ways=more), tmp_path / "l.osm", "osm,locations_on_ways=true", keep)
    text = path.read_text("utf-8")
    place = '<nd ref="1" lat="0" lon="0"/>'
    assert text.count(place) == 2
    if not own:
        path.write_text(text.replace(place, '<nd ref="1" lat="0" lon="0.0000001"/>', 1), encoding="utf-8")
    else:
        path.write_text(text.replace(place, '<nd ref="1" lat="0" lon="0.0000001"/>'), encoding="utf-8")
    with pytest.raises(InputError, match="1 node lies at several places") as caught:
        read(path, Notes())
    assert caught.value.problems[0].rows == ("n1",)


@READERS
def test_ways_without_ids_of_nodes_are_refused(tmp_path, read):
    """Places alone don't say which ways meet: a bridge crosses a street at the same place."""
    path = rewritten(plain(tmp_path), tmp_path / "l.osm", "osm,locations_on_ways=true", tagged_or_no_node)
    text = path.read_text("utf-8")
    for ref in NODES:
        text = text.replace(f'<nd ref="{ref}" ', "<nd ")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="3 ways give no ids of nodes") as caught:
        read(path, Notes())
    assert caught.value.problems[0].rows == ("w100", "w101", "w102")


def test_a_barrier_on_a_way_with_places(tmp_path):
    """Tagged nodes stay in such a file, and close what they close: an island of two streets, parted at node 2."""
    tags = TAGGED | {2: {"barrier": "wall"}}
    there = plain(tmp_path, node_tags=tags)
    path = rewritten(there, tmp_path / "l.osm.pbf", "pbf,locations_on_ways=true", tagged_or_no_node)
    one, other = streets(path, Notes()), streets(there, Notes())
    assert (one.u.tolist(), one.v.tolist(), one.xy.tolist()) == (other.u.tolist(), other.v.tolist(), other.xy.tolist())


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.integers(1, 12), min_size=2, max_size=5), min_size=1, max_size=6),
    st.sets(st.integers(1, 12)),
)
def test_any_streets_are_the_same_with_places_on_ways(tmp_path_factory, ways, dropped):
    """Whichever nodes are left out of the file, as long as ways bring their places."""
    folder = tmp_path_factory.mktemp("located")
    nodes = {ref: (ref * ref % 7, ref) for ref in range(1, 13)}
    there = write_osm(folder / "a.osm", nodes, {n: (refs, {"highway": "path"}) for n, refs in enumerate(ways, 1)})
    form = "pbf,locations_on_ways=true"
    path = rewritten(there, folder / "a.osm.pbf", form, lambda item: not (item.is_node() and item.id in dropped))
    told = []
    for file in (there, path):
        try:
            told.append(lines_of(file, Notes()))
        except InputError as error:
            told.append(str(error).replace("a.osm.pbf", "a.osm"))
    assert told[0] == told[1]
