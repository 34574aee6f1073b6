"""A cell of a table or a graph that holds an OSM tag → its text, lists joined as OSM joins them.

osmnx joins streets that follow one another and keeps their tags as a list; a table or a GraphML of them holds the list
itself, or Python's or JSON's way of writing it. All of these say the same as ``a;b`` in OSM.
"""

import ast
import re
from collections.abc import Iterable

LIST_MARKS = {"[": "]", "(": ")", "{": "}"}
MISSING = frozenset({"nan", "NaN", "None", "<NA>", "NULL", "null"})
"""What programs write where there is no value. OSM has ``none`` as a value (``maxspeed=none``)."""
NEXT_TO_NEXT = re.compile(r"""(['"])\s+\1""")
"""How numpy prints a list of texts: without commas."""
LONGEST_LIST = 10_000
"""Characters; a longer text is no list of tag values."""


def tag_text(value: object) -> str:
    """Return a tag's value as OSM writes it, ``""`` where there is none.

    Parameters
    ----------
    value : object
        Text, a number, a bool, a missing value, a list or array of such, or a list written as text
        (``['no', 'yes']``, ``["no", "yes"]``).

    Returns
    -------
    str
        ``yes`` and ``no`` for a bool, ``1`` for 1.0, the values of a list joined by ``;``, each once.
    """
    if isinstance(value, str):
        text = value.strip()
        items = _written_list(text)
        return _joined(items) if items is not None else "" if text in MISSING else text
    if isinstance(value, Iterable):
        return _joined(value)
    if value is None or value != value:  # noqa: PLR0124 - NaN and pandas' missing values differ from themselves
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _joined(items: Iterable[object]) -> str:
    texts = (tag_text(item) for item in items)
    return ";".join(dict.fromkeys(text for text in texts if text))


def _written_list(text: str) -> Iterable[object] | None:
    """Return the values of a list that is written as text, or None if it is none."""
    if len(text) > LONGEST_LIST or LIST_MARKS.get(text[:1]) != text[-1:]:
        return None
    text = NEXT_TO_NEXT.sub(r"\1, \1", text)
    try:
        items = ast.literal_eval(text)  # reads literals only; names and calls are refused
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        items = [part.strip().strip("'\"") for part in text[1:-1].split(",")]
    return items if isinstance(items, list | tuple | set) else None
