"""Any vector layer or table of points → its rows as the file has them: nothing renamed or checked, CSV all text."""

import difflib
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
from pandas.errors import EmptyDataError, ParserError, ParserWarning
from pyarrow import parquet
from pyogrio.errors import DataLayerError, DataSourceError

from circle15.config import FacilitiesConfig, SourceConfig
from circle15.errors import ConfigError, InputError, Notes, Problem
from circle15.inputs.osm_file import check_for_gdal
from circle15.tables import EXACT_FLOATS

Source = SourceConfig | FacilitiesConfig

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".geoparquet", ".pq")
EXCEL = (".xlsx", ".xlsm")
OLD_EXCEL = (".xls", ".xlsb", ".et")
"""Formats of the same program (and of WPS) that openpyxl does not read."""
SAMPLE_BYTES = 4096
SHOWN = "shown"
"""Attribute of a table read from a workbook: by column, what the sheet shows where that isn't the number it stores."""
WHOLE_NUMBERS = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}
"""Arrow's whole numbers → pandas' that may have gaps; with plain ones a gap makes floats of all and rounds long ids."""
UNREAD_SHAPES = "unread_shapes"
"""Attribute of a layer: by row, what a geometry is that is there and is not read."""
SURFACES = {15: "a PolyhedralSurface", 16: "a TIN", 17: "a Triangle"}
"""Numbers of geometries in WKB that Shapely has no type for."""
RASTER_SUFFIXES = (
    ".tif",
    ".tiff",
    ".vrt",
    ".img",
    ".asc",
    ".bil",
    ".bip",
    ".bsq",
    ".flt",
    ".adf",
    ".nc",
    ".hdf",
    ".h5",
)
ARCHIVES = (".zip", ".7z", ".rar", ".gz", ".tar", ".tgz")
CHINESE = ("gb18030", "gbk", "gb2312", "cp936", "936")
GB18030_REMEDY = 'If it comes from a Chinese Windows, declare encoding = "gb18030".'


def place(config: Source, path: Path) -> str:
    """Return how messages name the file, its layer included."""
    return f"{path}, layer {config.layer}" if config.layer else str(path)


def nearest(word: str, known: list[str]) -> str:
    """Return a remedy that names the nearest of the `known` words and then all of them."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    every = f"There are: {', '.join(known)}." if known else "There are none."
    return f'Did you mean "{near[0]}"? {every}' if near else every


def require_file(path: Path) -> None:
    """Raise an `InputError` that names the nearest file of the same folder if `path` does not exist."""
    if path.exists():
        return
    beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.5)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    remedy = f"Correct source; it is relative to the configuration file.{hint}"
    raise InputError(Problem("no such file", str(path), remedy=remedy))


def read_rows(config: Source, path: Path, topic: str, notes: Notes) -> pd.DataFrame:
    """Read a CSV, an Excel sheet, (Geo)Parquet or any layer that GDAL reads.

    Parameters
    ----------
    config : SourceConfig or FacilitiesConfig
        ``layer`` and ``encoding`` are used here. A CSV is UTF-8 (with or without BOM) unless declared otherwise.
    path : Path
        The file, or a folder that GDAL takes for one (``.gdb``).
    topic : str
        First part of the codes of `notes`.
    notes : Notes
        Gets ``<topic>.encoding_unknown`` for a shapefile that does not tell the encoding of its text, and those of
        `excel.read_excel`.

    Returns
    -------
    DataFrame or GeoDataFrame
        Rows numbered from 0 in the order of the file. All columns of a CSV or an Excel sheet are text (leading zeros
        stay).

    Raises
    ------
    InputError
        If the file is missing, unreadable or empty.
    ConfigError
        If the layer is not there or has to be named, or a key means nothing for this format.
    """
    require_file(path)
    suffix = path.suffix.lower()
    if suffix in SEPARATORS:
        _refuse(config, path, "layer")
        table = _read_csv(path, config.encoding or "utf-8-sig", SEPARATORS[suffix])
        _note_line_breaks(table, path, topic, notes)
    elif suffix in PARQUET:
        _refuse(config, path, "layer", "encoding")
        table = _read_parquet(path)
    elif suffix in EXCEL:
        from circle15.inputs.excel import read_excel  # noqa: PLC0415 - brings openpyxl

        _refuse(config, path, "encoding")
        table = read_excel(path, config.layer, topic, notes)
    elif suffix in OLD_EXCEL:
        remedy = "Open it in a spreadsheet program and save it as .xlsx."
        raise InputError(Problem(f"{suffix} files are not read", str(path), remedy=remedy))
    else:
        _refuse_journal(path)
        table = _read_gdal(config, path, topic, notes)
    if table.empty:
        raise InputError(Problem("has no rows", place(config, path), remedy="Name a file or layer that holds some."))
    return table


def _refuse(config: Source, path: Path, *keys: str) -> None:
    problems = [
        Problem(f'"{key}" means nothing for a {path.suffix} file', str(path), remedy=f"Remove {key}.")
        for key in keys
        if getattr(config, key)
    ]
    if problems:
        raise ConfigError(*problems)


def _note_line_breaks(table: pd.DataFrame, path: Path, topic: str, notes: Notes) -> None:
    """Note cells of several lines: a quotation mark that is not closed swallows the rows up to the next one."""
    broken = pd.Series(data=False, index=table.index)
    for name in table.columns:
        broken |= table[name].str.contains("\n", regex=False).fillna(value=False).astype(bool)
    text = f"{path.name}: {broken.sum()} rows have a cell of several lines; has a stray quotation mark swallowed rows?"
    notes.add(f"{topic}.line_breaks", int(broken.sum()), text, [f"row {n + 1}" for n in table.index[broken]])


def _read_csv(path: Path, encoding: str, separator: str) -> pd.DataFrame:
    where = str(path)
    _refuse_utf8_as_chinese(path, encoding)
    try:
        with warnings.catch_warnings():
            # Rows longer than the header would otherwise lose their last fields with no more than this warning.
            warnings.simplefilter("error", ParserWarning)
            head = pd.read_csv(
                path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False, encoding=encoding
            )
            table = pd.read_csv(
                path, sep=separator, dtype=str, keep_default_na=False, encoding=encoding, index_col=False
            )
    except UnicodeDecodeError as error:
        raise InputError(_not_of_encoding(path, encoding, error)) from None
    except LookupError:
        raise ConfigError(Problem(f'unknown encoding "{encoding}"', where, remedy=GB18030_REMEDY)) from None
    except EmptyDataError:
        raise InputError(Problem("is empty", where, remedy="It needs a line of column names, then rows.")) from None
    except (ParserError, ParserWarning) as error:
        what = f"is not a table: {str(error).strip()}"
        raise InputError(Problem(what, where, remedy="Give every row as many fields as there are columns.")) from None
    except OSError as error:
        raise InputError(Problem(f"cannot be read ({error.strerror})", where)) from None
    names = head.iloc[0]
    twice = sorted(set(names[names.duplicated() & (names.str.strip() != "")]))
    if twice:
        raise InputError(Problem(f"two columns are called {', '.join(twice)}", where, remedy="Rename one of them."))
    return table


def _not_of_encoding(path: Path, encoding: str, error: UnicodeDecodeError) -> Problem:
    """Return the problem of text that is of another encoding than declared, and what it is where that can be told."""
    name = encoding.removesuffix("-sig").upper()
    start = path.read_bytes()[:SAMPLE_BYTES]
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or start[1::2].count(0) > len(start) / 4:
        remedy = 'It is UTF-16 ("Unicode text" of a spreadsheet): declare encoding = "utf-16", or save it as UTF-8.'
    elif name == "UTF-8":
        remedy = GB18030_REMEDY
    else:
        remedy = f"Declare the encoding that it is in, or save it as UTF-8 and remove encoding (now {encoding})."
    return Problem(f"is not {name} text (byte {error.start})", str(path), remedy=remedy)


def _refuse_utf8_as_chinese(path: Path, encoding: str) -> None:
    """Refuse text declared to be GB18030 that is UTF-8: it may be decoded all the same, to other characters."""
    if encoding.lower() not in CHINESE:
        return
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (UnicodeDecodeError, OSError):
        return
    if _is_chinese(text):
        what = f'is UTF-8 text, and encoding = "{encoding}" is declared'
        raise InputError(Problem(what, str(path), remedy="Remove encoding."))


def _is_chinese(text: str) -> bool:
    """Return whether text has signs beside ASCII, and all are Chinese: bytes of another encoding hardly look so."""
    signs = {sign for sign in text if not sign.isascii()}
    return bool(signs) and all("\u3000" <= sign <= "\u9fff" or "\uff00" <= sign <= "\uffef" for sign in signs)


def _refuse_journal(path: Path) -> None:
    """Refuse an SQLite file (GeoPackage) with a journal that can't be read: GDAL would give the rows of before."""
    for ending in ("-wal", "-journal"):
        journal = path.with_name(path.name + ending)
        if not (journal.is_file() and journal.stat().st_size):
            continue
        try:
            with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
                database.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.Error as error:
            what = f"has changes in {journal.name} beside it that cannot be read here ({error})"
            remedy = (
                "Close the program that edits it (QGIS), so that they are written into the file, or copy both files to "
                "a folder that may be written to."
            )
            raise InputError(Problem(what, str(path), remedy=remedy)) from None


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        metadata = parquet.read_schema(path).metadata or {}
        whole = {"types_mapper": WHOLE_NUMBERS.get}
        spatial = b"geo" in metadata
        table = (
            gpd.read_parquet(path, to_pandas_kwargs=whole) if spatial else parquet.read_table(path).to_pandas(**whole)
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        what = f"cannot be read as Parquet ({str(error).strip().splitlines()[0]})"
        raise InputError(Problem(what, str(path), remedy="Write the file again.")) from None
    named = [name for name in table.index.names if name is not None]
    rows: pd.DataFrame = table.reset_index(drop=not named)  # an id kept as the index is a column like any other
    whole_kinds = {str(kind): str(kind).lower() for kind in WHOLE_NUMBERS.values()}
    narrow = {name: str(rows[name].dtype) for name in rows if str(rows[name].dtype) in whole_kinds}
    return rows.astype({name: whole_kinds[kind] for name, kind in narrow.items() if rows[name].notna().all()})


def _read_gdal(config: Source, path: Path, topic: str, notes: Notes) -> pd.DataFrame:
    check_for_gdal(path)
    layer = _choose_layer(config.layer, path)
    try:
        options = {"ADJUST_TYPE": "YES"} if path.suffix.lower() == ".shp" else {}  # long codes as whole numbers
        table: pd.DataFrame = pyogrio.read_dataframe(
            path, layer=layer, encoding=config.encoding, on_invalid="ignore", datetime_as_string=True, **options
        )
        _mend_long_numbers(table, path, layer, config.encoding, options)
    except UnicodeDecodeError:
        raise InputError(_false_encoding(config, path)) from None
    except LookupError:
        raise ConfigError(Problem(f'unknown encoding "{config.encoding}"', place(config, path))) from None
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        raise InputError(_unreadable(path, error)) from None
    _note_unread_shapes(table, path, layer)
    _refuse_utf8_in_shapefile(table, config, path)
    twice = sorted(set(table.columns[table.columns.duplicated()]))
    if twice:
        remedy = "Rename one of them; a shapefile cuts names at 10 bytes, so that long ones become alike."
        raise InputError(Problem(f"two columns are called {', '.join(twice)}", place(config, path), remedy=remedy))
    if path.suffix.lower() == ".shp" and not config.encoding and not path.with_suffix(".cpg").exists():
        text = table.drop(columns="geometry", errors="ignore").select_dtypes(include=["object", "string"])
        foreign = [not str(name).isascii() for name in text]
        foreign += [not str(value).isascii() for column in text for value in text[column].dropna()]
        notes.add(
            f"{topic}.encoding_unknown",
            sum(foreign),
            f"{path.name} has no .cpg file, so the encoding of its text is GDAL's guess. {GB18030_REMEDY}",
        )
    return table


def _mend_long_numbers(
    table: pd.DataFrame, path: Path, layer: str, encoding: str | None, options: dict[str, str]
) -> None:
    """Read whole numbers of 64 bits again, in place, where gaps made floats of them that round: digit by digit."""
    floats = table.select_dtypes("float64")
    large = [name for name in floats if floats[name].abs().max() >= EXACT_FLOATS]
    if not large:
        return
    info = pyogrio.read_info(path, layer=layer, encoding=encoding, **options)
    kinds = dict(zip(info["fields"], info["ogr_types"], strict=True))
    rounded = [name for name in large if kinds.get(name) == "OFTInteger64"]
    if rounded:
        exact = pyogrio.read_dataframe(
            path,
            layer=layer,
            encoding=encoding,
            columns=rounded,
            read_geometry=False,
            use_arrow=True,
            arrow_to_pandas_kwargs={"types_mapper": WHOLE_NUMBERS.get},
            **options,
        )
        for name in rounded:
            table[name] = exact[name].array


def _note_unread_shapes(table: pd.DataFrame, path: Path, layer: str) -> None:
    """Tell apart, as an attribute of the table, geometries that are missing and those that are there and unread."""
    if not isinstance(table, gpd.GeoDataFrame) or not table.geometry.isna().any():
        return
    binary = pyogrio.raw.read(path, layer=layer, columns=[])[2]
    if len(binary) != len(table):
        return
    rows = np.flatnonzero(table.geometry.isna().to_numpy() & np.array([one is not None for one in binary]))
    kinds = {}
    for row in rows.tolist():
        little = binary[row][0] == 1
        number = int.from_bytes(binary[row][1:5], "little" if little else "big") & 0x0FFFFFFF
        kinds[row] = SURFACES.get(number % 1000, "a shape with a ring that is not closed, or with too few points")
    table.attrs[UNREAD_SHAPES] = kinds


def _cpg_of(path: Path) -> Path | None:
    """Return the file that names the encoding of a shapefile's text, if there is one."""
    beside = [path.with_suffix(ending) for ending in (".cpg", ".CPG")]
    return next((one for one in beside if one.exists()), None) if path.suffix.lower() == ".shp" else None


def _false_encoding(config: Source, path: Path) -> Problem:
    cpg = _cpg_of(path)
    if config.encoding:
        what = f"its text is not {config.encoding}, which is declared"
        remedy = "Declare the encoding that it is in, or remove encoding."
    elif cpg is not None:
        named = cpg.read_text(encoding="ascii", errors="replace").strip()
        what = f"its text is not in the encoding that {cpg.name} names ({named})"
        remedy = (
            f'Declare the right one, which wins over {cpg.name}: encoding = "gb18030" if it is from a Chinese Windows.'
        )
    else:
        what, remedy = "its text is not in the encoding that it declares", GB18030_REMEDY
    return Problem(what, place(config, path), remedy=remedy)


def _refuse_utf8_in_shapefile(table: pd.DataFrame, config: Source, path: Path) -> None:
    """Refuse text of a shapefile that was read as GB18030, since it is declared so, and is UTF-8."""
    cpg = _cpg_of(path)
    named = config.encoding or (cpg.read_text(encoding="ascii", errors="replace").strip() if cpg else "")
    if path.suffix.lower() != ".shp" or named.lower() not in CHINESE:
        return
    text = table.drop(columns="geometry", errors="ignore").select_dtypes(include=["object", "string"])
    values = {str(value) for name in text for value in text[name].dropna() if not str(value).isascii()}
    utf8 = [value for value in values if _is_chinese(value.encode("gb18030", "replace").decode("utf-8", "replace"))]
    if len(utf8) * 2 > len(values):
        by = "encoding" if config.encoding else cpg.name if cpg else ""
        remedy = 'Remove encoding, or declare encoding = "utf-8".' if config.encoding else 'Declare encoding = "utf-8".'
        raise InputError(Problem(f'its text is UTF-8, and {by} says "{named}"', place(config, path), remedy=remedy))


def _choose_layer(wanted: str | None, path: Path) -> str:
    try:
        layers = pyogrio.list_layers(path)
    except (DataSourceError, DataLayerError, OSError) as error:
        raise InputError(_unreadable(path, error)) from None
    every = [str(name) for name, _ in layers]
    # QGIS keeps its styles in a table of the same GeoPackage; only layers with geometry compete, if there are any.
    spatial = [str(name) for name, shape in layers if shape is not None] or every
    if wanted is not None and wanted not in every:
        raise ConfigError(Problem(f'no layer "{wanted}"', str(path), remedy=nearest(wanted, every)))
    if wanted is None and not spatial:
        raise InputError(Problem("has no layers", str(path), remedy="Name a file that holds some."))
    if wanted is None and len(spatial) > 1:
        remedy = f'Name one, e.g. layer = "{spatial[0]}". There are: {", ".join(spatial)}.'
        raise ConfigError(Problem(f"has {len(spatial)} layers", str(path), remedy=remedy))
    return wanted or spatial[0]


def _unreadable(path: Path, error: Exception) -> Problem:
    suffix = path.suffix.lower()
    if suffix in ARCHIVES:
        remedy = "Unpack it and name the file that it holds."
        return Problem("is an archive in which GDAL finds no layer", str(path), remedy=remedy)
    if suffix in RASTER_SUFFIXES:
        remedy = (
            "For people, save the raster as GeoTIFF (.tif), e.g. with gdal_translate; for anything else, name a layer."
        )
        return Problem("is a raster, and a layer or a table is expected here", str(path), remedy=remedy)
    what = f"GDAL cannot read it ({str(error).strip().splitlines()[0]})"
    return Problem(what, str(path), remedy="Check that the file is whole and that its name ends as its format does.")
