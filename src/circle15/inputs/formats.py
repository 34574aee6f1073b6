"""Any vector layer or table of points → its rows as the file has them: nothing renamed or checked, CSV all text."""

import difflib
import warnings
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyogrio
from pandas.errors import EmptyDataError, ParserError, ParserWarning
from pyarrow import parquet
from pyogrio.errors import DataLayerError, DataSourceError

from circle15.config import FacilitiesConfig, SourceConfig
from circle15.errors import ConfigError, InputError, Notes, Problem
from circle15.tables import EXACT_FLOATS

Source = SourceConfig | FacilitiesConfig

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".geoparquet", ".pq")
EXCEL = (".xlsx", ".xlsm")
OLD_EXCEL = (".xls", ".xlsb", ".et")
"""Formats of the same program (and of WPS) that openpyxl does not read."""
SHOWN = "shown"
"""Attribute of a table read from a workbook: by column, what the sheet shows where that isn't the number it stores."""
WHOLE_NUMBERS = {
    **{getattr(pa, f"int{bits}")(): pd.array([], dtype=f"Int{bits}").dtype for bits in (8, 16, 32, 64)},
    **{getattr(pa, f"uint{bits}")(): pd.array([], dtype=f"UInt{bits}").dtype for bits in (8, 16, 32, 64)},
}
"""Arrow's whole numbers → pandas' that may have gaps: with plain ones a gap makes floats of all, which round long ids."""
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
        what = f"is not {encoding.removesuffix('-sig').upper()} text (byte {error.start})"
        raise InputError(Problem(what, where, remedy=GB18030_REMEDY)) from None
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
    filled = [name for name in rows if rows[name].dtype in WHOLE_NUMBERS.values() and rows[name].notna().all()]
    return rows.astype({name: rows[name].dtype.numpy_dtype for name in filled})


def _read_gdal(config: Source, path: Path, topic: str, notes: Notes) -> pd.DataFrame:
    layer = _choose_layer(config.layer, path)
    try:
        options = {"ADJUST_TYPE": "YES"} if path.suffix.lower() == ".shp" else {}  # long codes as whole numbers
        table: pd.DataFrame = pyogrio.read_dataframe(
            path, layer=layer, encoding=config.encoding, on_invalid="ignore", datetime_as_string=True, **options
        )
        _mend_long_numbers(table, path, layer, config.encoding, options)
    except UnicodeDecodeError:
        what = f"its text is not {config.encoding or 'in the encoding that it declares'}"
        raise InputError(Problem(what, place(config, path), remedy=GB18030_REMEDY)) from None
    except LookupError:
        raise ConfigError(Problem(f'unknown encoding "{config.encoding}"', place(config, path))) from None
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        raise InputError(_unreadable(path, error)) from None
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
    info = pyogrio.read_info(path, layer=layer, encoding=encoding, **options)
    kinds = dict(zip(info["fields"], info["ogr_types"], strict=True))
    rounded = [
        name
        for name in table
        if kinds.get(name) == "OFTInteger64"
        and pd.api.types.is_float_dtype(table[name])
        and table[name].abs().max() >= EXACT_FLOATS
    ]
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
    what = f"GDAL cannot read it ({str(error).strip().splitlines()[0]})"
    return Problem(what, str(path), remedy="Check that the file is whole and that its name ends as its format does.")
