"""A stand-in for an Overpass server on loopback, and the small district that it knows."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


def node(ref: int, x: float, y: float, **tags: str) -> dict:
    """A node `x`, `y` thousandths of a degree east and north of 121.5, 31.2."""
    element = {"type": "node", "id": ref, "lat": round(31.2 + y / 1000, 7), "lon": round(121.5 + x / 1000, 7)}
    return element | ({"tags": {key.replace("__", ":"): value for key, value in tags.items()}} if tags else {})


def way(ref: int, nodes: list[int], tags: dict[str, str]) -> dict:
    return {"type": "way", "id": ref, "nodes": nodes, "tags": tags}


CROSS = [
    # one street from south to north, one from west to east; they meet in node 3
    *(node(ref, 0, y) for ref, y in ((1, -8), (2, -4), (3, 0), (4, 4), (5, 8))),
    *(node(ref, x, 0) for ref, x in ((6, -8), (7, -4), (8, 4), (9, 8))),
    way(101, [1, 2, 3, 4, 5], {"highway": "residential", "name": "South–North"}),
    way(102, [6, 7, 3], {"highway": "residential", "oneway": "yes", "oneway:bicycle": "no"}),
    way(103, [3, 8, 9], {"highway": "steps"}),
    # a private drive and a path for nobody on foot
    node(10, 4, 4),
    way(104, [4, 10], {"highway": "service", "access": "private"}),
    way(105, [8, 10], {"highway": "cycleway", "foot": "no"}),
    way(106, [5, 9], {"highway": "construction"}),
]

PLACES = [
    node(201, 0, 6, amenity="kindergarten", name="North"),
    node(202, 7.9, 0.1, amenity="pharmacy"),
    # a stop and its platform, 5 m apart, are one
    node(203, -4, 0.05, highway="bus_stop", name="West"),
    node(204, -4, 0.1, public_transport="platform", bus="yes"),
    # known by its name alone
    node(205, 0, -6, name="南菜市场"),
    # a school with a pitch inside, which does not count
    *(node(ref, x, y) for ref, x, y in ((211, 1, 1), (212, 2, 1), (213, 2, 2), (214, 1, 2))),
    way(221, [211, 212, 213, 214, 211], {"amenity": "school", "name": "东小学"}),
    *(node(ref, x, y) for ref, x, y in ((215, 1.4, 1.4), (216, 1.6, 1.4), (217, 1.6, 1.6), (218, 1.4, 1.6))),
    way(222, [215, 216, 217, 218, 215], {"leisure": "pitch", "sport": "basketball"}),
    # a park of two outlines with a hole: 0.002° × 0.002° and 0.001° × 0.001°, less 0.001° × 0.001°
    *(node(ref, x, y) for ref, x, y in ((231, -3, -3), (232, -1, -3), (233, -1, -1), (234, -3, -1))),
    *(node(ref, x, y) for ref, x, y in ((235, -2.5, -2.5), (236, -1.5, -2.5), (237, -1.5, -1.5), (238, -2.5, -1.5))),
    *(node(ref, x, y) for ref, x, y in ((241, -5, -3), (242, -4, -3), (243, -4, -2), (244, -5, -2))),
    way(245, [231, 232, 233, 234, 231], {}),
    way(246, [235, 236, 237, 238, 235], {}),
    way(247, [241, 242, 243, 244, 241], {}),
    {
        "type": "relation",
        "id": 251,
        "tags": {"type": "multipolygon", "leisure": "park", "name": "West Park"},
        "members": [
            {"type": "way", "ref": 245, "role": "outer"},
            {"type": "way", "ref": 246, "role": "inner"},
            {"type": "way", "ref": 247, "role": "outer"},
        ],
    },
    # far outside: came along with something else
    node(299, 900, 0, amenity="kindergarten", name="Elsewhere"),
]


class Overpass:
    """What the stand-in answers and what it was asked.

    `troubles` are answers that come first, one each: (status, body) or None to hang up without a word.
    """

    def __init__(self, streets: list[dict], places: list[dict]) -> None:
        self.streets, self.places = streets, places
        self.troubles: list[tuple[int, str] | None] = []
        self.queries: list[str] = []
        self.paths: list[str] = []
        self.url = ""

    def answer(self, query: str) -> tuple[int, str] | None:
        self.queries.append(query)
        if self.troubles:
            return self.troubles.pop(0)
        elements = self.streets if 'way["highway"]' in query else self.places
        return 200, json.dumps({"version": 0.6, "elements": elements})

    @property
    def asked(self) -> tuple[int, int]:
        """Number of questions for streets and for places."""
        streets = sum('way["highway"]' in query for query in self.queries)
        return streets, len(self.queries) - streets


@contextmanager
def serving(overpass: Overpass):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode("utf-8")
            overpass.paths.append(self.path)
            answer = overpass.answer(parse_qs(body)["data"][0])
            if answer is None:
                self.close_connection = True
                return
            status, text = answer
            data = text.encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            overpass.paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    overpass.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    try:
        yield overpass
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def matches(clause: str, tags: dict[str, str]) -> bool:
    """Say whether an Overpass filter (``["k"]`` and ``["k"~"pattern"]`` in a row) finds an object with `tags`."""
    parts = re.findall(r'\["((?:[^"\\]|\\.)*)"(?:~"((?:[^"\\]|\\.)*)")?\]', clause)
    assert "".join(f'["{k}"]' if not p else f'["{k}"~"{p}"]' for k, p in parts) == clause
    plain = [(re.sub(r"\\(.)", r"\1", key), re.sub(r"\\(.)", r"\1", pattern)) for key, pattern in parts]
    return all(key in tags and re.search(pattern, tags[key]) is not None for key, pattern in plain)
