"""Names that say nothing: what people and programs write where a place has no name.

``nan`` and ``NULL`` come from programs, ``无`` and ``-`` from people. Only the whole name counts, in any case and
width; a place may well be called 无锡小吃.
"""

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

from circle15.errors import Notes, counted
from circle15.inputs.ids import Label, clean_id
from circle15.tables import clean_text

NO_NAMES = frozenset(
    {"nan", "null", "none", "nil", "n/a", "na", "n.a", "n.a.", "#n/a", "<null>", "<na>", "(null)", "(none)", "<none>"}
    | {
        "\\n",
        "0",
        "blank",
        "empty",
        "untitled",
        "not applicable",
        "#ref!",
        "#value!",
        "#name?",
        "new point",
        "placemark",
    }
    | {"空白", "无信息", "未录入", "未提供", "没有名字", "不知道", "名称未知", "无名店", "未填报"}
    | {"nat", "undefined", "unknown", "unnamed", "no name", "noname", "not available", "tbd", "todo"}
    | {
        "无",
        "无名",
        "无名称",
        "没有",
        "空",
        "未命名",
        "未知",
        "未知名称",
        "不详",
        "暂无",
        "暂无名称",
        "暂无名",
        "暂缺",
        "待定",
        "待补充",
    }
    | {"无数据", "暂无数据", "缺失", "缺", "未填", "未填写", "不明", "名称不详", "不适用"}
)
"""In small letters and plain width."""


def real_name(name: str) -> str:
    """Return a name as it was given, or ``""`` if it is none.

    Parameters
    ----------
    name : str
        The whole name. One without any letter or digit (``-``, ``——``, ``/``, ``？``) is none either.
    """
    plain = clean_id(name).casefold()
    if plain in NO_NAMES or plain.strip("()[]<>【】{}\"'") in NO_NAMES:
        return ""
    return name if any(unicodedata.category(sign)[0] in "LN" for sign in plain) else ""


def drop_placeholders(table: pd.DataFrame, topic: str, where: str, label: Label, notes: Notes) -> None:
    """Empty the names of a table that are none, in place.

    Parameters
    ----------
    table : DataFrame
        A column ``name`` is changed if there is one.
    topic : str
        First part of the note's code.
    where : str
        The file as messages name it.
    label : callable
        From a row mask to labels.
    notes : Notes
        Gets ``<topic>.no_names``: names that say nothing, as they were.
    """
    if "name" not in table:
        return
    given = clean_text(table["name"])
    kept = given.map(real_name).astype(object)
    none = ((kept == "") & (given != "")).to_numpy(dtype=bool)
    if not none.any():
        return
    table["name"] = np.where(none, "", table["name"].astype(object))
    shown = ", ".join(f'"{name}"' for name in dict.fromkeys(given[none]))
    said = counted(none.sum(), "name says nothing and is", "names say nothing and are")
    notes.add(f"{topic}.no_names", none.sum(), f"{Path(where).name}: {said} left out: {shown}", label(none))
