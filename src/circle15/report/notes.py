"""A run's notes as people read them: in Chinese or English, those that differ only by mode told as one.

What a note says in Chinese follows from its code and its count (``texts/notes.toml``). Its English text may hold more
figures and names, so it is kept beside the Chinese one; of a code that nobody has put into Chinese, it is all there is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from circle15.errors import Note
from circle15.outputs.dictionary import Lang
from circle15.package_files import package_toml
from circle15.tables import TRAVEL_MODES

COMMA = "、"
_MODE = re.compile(rf"\.({'|'.join(TRAVEL_MODES)})\.")
_PLACEHOLDER = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Told:
    """One entry of a list of notes.

    Attributes
    ----------
    code : str
        The note's code; of several modes with ``<mode>`` in its place.
    count : int
        How many things it concerns; of several modes the largest, since they may count the same things.
    text : str
        What to show, of several modes perhaps in several lines.
    original : str
        The English text, where `text` is Chinese; else empty.
    rows : tuple of str
        Labels of the things concerned, each once.
    """

    code: str
    count: int
    text: str
    original: str = ""
    rows: tuple[str, ...] = ()


def told(notes: Iterable[Note], lang: Lang, types: Mapping[str, str] | None = None) -> list[Told]:
    """Return notes for display, in the order in which they were made.

    Parameters
    ----------
    notes : iterable of Note
        Of a run or a comparison.
    lang : {"zh", "en"}
        The language. Both give the same entries in the same order.
    types : mapping of str to str, optional
        Types' names by id; a type without one is called by its id.
    """
    entries = []
    for (code, _), group in _grouped(notes).items():
        english = _english(group)
        chinese = _chinese(group, types or {}) if lang == "zh" else ""
        rows = tuple(dict.fromkeys(row for note in group for row in note.rows))
        name = code if len(group) > 1 else group[0].code
        entries.append(Told(name, max(n.count for n in group), chinese or english, english if chinese else "", rows))
    return entries


def word(name: str, lang: Lang) -> str:
    """Return what stands at notes: ``text`` and ``original`` above them, ``caption`` over the whole list."""
    entry: Mapping[str, str] = _texts()["words"][name]
    return entry[lang]


def _grouped(notes: Iterable[Note]) -> dict[tuple[str, int], list[Note]]:
    """Return notes by their code without its mode; the second of one mode begins another group."""
    seen: Counter[str] = Counter()
    groups: dict[tuple[str, int], list[Note]] = {}
    for note in notes:
        seen[note.code] += 1
        groups.setdefault((_MODE.sub(".<mode>.", note.code), seen[note.code]), []).append(note)
    return groups


def _modes(group: Sequence[Note]) -> list[str]:
    """Return the modes that the codes of notes name."""
    return [found[1] for note in group if (found := _MODE.search(note.code))]


def _english(group: Sequence[Note]) -> str:
    """Return the notes' own texts, a line each; modes of which the same is said share one."""
    if len(group) == 1:
        return group[0].text
    modes_of: dict[str, list[str]] = {}
    for note, mode in zip(group, _modes(group), strict=True):
        modes_of.setdefault(note.text.removeprefix(f"{mode}: "), []).append(mode)
    return "\n".join(f"{', '.join(modes)}: {text}" for text, modes in modes_of.items())


def _chinese(group: Sequence[Note], types: Mapping[str, str]) -> str:
    """Return the Chinese sentence of notes; ``""`` if there is none for their code."""
    found = _sentence(group[0].code)
    if found is None:
        return ""
    sentence, parts = found
    names = {"mode": _texts()["modes"], "input": _texts()["inputs"], "mapping": _texts()["mappings"], "type": types}
    filled = {part: names[part].get(value, value) for part, value in parts.items()}
    if "mode" in parts:
        filled["mode"] = COMMA.join(names["mode"][mode] for mode in _modes(group))
    counts = [f"{note.count:,}" for note in group]
    if len(set(counts)) == 1:
        counts = counts[:1]
    else:
        sentence = sentence.replace("有{n}", "分别有{n}")
    return sentence.format(n=COMMA.join(counts), **filled)


def _sentence(code: str) -> tuple[str, dict[str, str]] | None:
    """Return the sentence of a code, and what stands in the code for each placeholder of its pattern."""
    sentences = _texts()["sentences"]
    if code in sentences:
        return sentences[code], {}
    for pattern, sentence in _patterns():
        if found := pattern.fullmatch(code):
            return sentence, found.groupdict()
    return None


@lru_cache(maxsize=1)
def _texts() -> Mapping[str, Mapping[str, Any]]:
    return package_toml("circle15.report", "texts/notes.toml")


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return the codes with placeholders as expressions, each with its sentence."""
    values = {"mode": _texts()["modes"], "input": _texts()["inputs"]}

    def group(found: re.Match[str]) -> str:
        known = values.get(found[1])
        return f"(?P<{found[1]}>{'|'.join(map(re.escape, known)) if known else '[^.]+'})"

    return [
        (re.compile(_PLACEHOLDER.sub(group, code.replace(".", r"\."))), sentence)
        for code, sentence in _texts()["sentences"].items()
        if "<" in code
    ]
