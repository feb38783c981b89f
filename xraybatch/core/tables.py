"""Tables as people have them, read so that text stays text.

Patient ``007`` and class ``NA`` are strings here, and stay so; only the empty cell is missing.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_DELIMITERS = ",;\t"


def read_table(path: Path) -> pd.DataFrame:
    """Read CSV, Parquet or JSON Lines into a table of text.

    Parameters
    ----------
    path : Path
        ``.parquet`` or ``.pq``, ``.jsonl`` or ``.ndjson``, and anything else as CSV: comma,
        semicolon or tab (found in the header), UTF-8 with or without BOM, else cp1252.

    Returns
    -------
    pandas.DataFrame
        Every cell a `str`; the empty string is a missing value. Whole numbers of Parquet and JSON
        are written without a point, floats as the shortest text that reads back the same,
        booleans as ``1`` and ``0``.

    Raises
    ------
    InputError
        If the file cannot be opened or is not such a table; if a column name stands twice; if a
        row has more or fewer cells than the header.
    """
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            table = _read_parquet(path)
        elif path.suffix.lower() in {".jsonl", ".ndjson"}:
            table = _read_json_lines(path)
        else:
            table = _read_csv(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.", "Check the path of the table.") from None
    except IsADirectoryError:
        raise InputError(
            f"{path} is a folder, not a table.", "Give a CSV or Parquet file."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    if len(table.columns) == 0:
        raise InputError(f"{path} is empty.", "A table needs a header line.")
    return table


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """A table from memory, as `read_table` would have read it from a file.

    Raises
    ------
    InputError
        If two columns have one name.
    """
    import pandas as pd

    _check_unique(Path("The table"), [str(name) for name in table.columns])
    return pd.DataFrame(
        {
            str(name): [
                "" if missing else as_cell(cell)
                for cell, missing in zip(column, column.isna(), strict=True)
            ]
            for name, column in table.items()
            # iterating float32 gives Python's floats, whose text has digits that no file has
            for as_cell in (_float32_text if column.dtype == "float32" else _as_text,)
        },
        dtype=str,
    )


def require_columns(table: pd.DataFrame, path: Path, columns: list[str], hint: str = "") -> None:
    """Raise `InputError` naming the first of `columns` that the table lacks, and those it has."""
    for column in columns:
        if column not in table.columns:
            has = ", ".join(str(c) for c in table.columns[:20])
            raise InputError(f"{path} has no column '{column}'; it has: {has}.", hint)


def _read_csv(path: Path) -> pd.DataFrame:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    raw = path.read_bytes()
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(
            f"{path} is a workbook of a spreadsheet.",
            "Save it there as CSV (Excel: CSV UTF-8), and give that file.",
        )
    if b"\0" in raw[:4096] and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is not a text table.", "Give a CSV or Parquet file.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is in UTF-16.", "Save it as CSV in UTF-8.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = raw.decode("cp1252")
        except UnicodeDecodeError:
            raise InputError(
                f"{path} is neither UTF-8 nor cp1252.", "Save it as CSV in UTF-8."
            ) from None
        raw = text.encode("utf-8")
    if not text or text.isspace():
        return pd.DataFrame()
    start = len(codecs.BOM_UTF8) if raw.startswith(codecs.BOM_UTF8) else 0
    while raw[start : start + 1] in (b"\r", b"\n"):
        start += 1
    delimiter, names = _header(text.lstrip("\r\n") if text[0] in "\r\n" else text)
    del text  # as large as the file
    _check_unique(path, names)
    try:
        # not pandas, which drops the cells of a row that has too many
        table = pa_csv.read_csv(
            pa.BufferReader(memoryview(raw)[start:]),
            pa_csv.ReadOptions(column_names=names, skip_rows_after_names=1),
            pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(
            f"{path} is not a table: {reason}.", "Check quotes and separators."
        ) from None
    frame: pd.DataFrame = table.to_pandas()
    # the empty lines that a spreadsheet leaves at the end
    empty = np.ones(len(frame), bool)
    for name in names:
        if not empty.any():
            return frame
        empty &= (frame[name] == "").to_numpy(dtype=bool)
    kept: pd.DataFrame = frame[~empty].reset_index(drop=True)
    return kept


def _header(text: str) -> tuple[str, list[str]]:
    """Delimiter and column names of a CSV file."""
    header = next(_lines(text)).splitlines()[0]
    cells = {d: next(csv.reader([header], delimiter=d), []) for d in _DELIMITERS}
    # a class may be called 'a;b;c': a column 'path' says more than the number of columns
    delimiter = max(_DELIMITERS, key=lambda d: ("path" in cells[d], len(cells[d])))
    return delimiter, [name.strip() for name in next(csv.reader(_lines(text), delimiter=delimiter))]


def _lines(text: str) -> Iterator[str]:
    """Lines one by one, with their ends: the header is one of a million."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}.") from None
    _check_unique(path, table.column_names)
    columns = {
        name: [_as_text(v) for v in table.column(name).to_pylist()] for name in table.column_names
    }
    for name in table.column_names:
        # float32 as Python float would print the digits of its double: go back by way of numpy
        if pa.types.is_float32(table.schema.field(name).type):
            columns[name] = [_float32_text(v) for v in table.column(name).to_pylist()]
    return pd.DataFrame(columns, dtype=str)


def _read_json_lines(path: Path) -> pd.DataFrame:
    import json

    import pandas as pd

    rows: list[dict[str, str]] = []
    columns: dict[str, None] = {}
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number}, is not JSON: {error.msg}.") from None
            if not isinstance(record, dict):
                raise InputError(f"{path}, line {number}, is not a JSON object.")
            rows.append({key: _as_text(value) for key, value in record.items()})
            columns.update(dict.fromkeys(record))
    return pd.DataFrame(rows, columns=list(columns), dtype=str).fillna("")


def _as_text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool) or type(value).__name__ in {"bool", "bool_"}:  # numpy's
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)  # numpy's numbers too: as few digits as read back the same


def _float32_text(value: float | None) -> str:
    import numpy as np

    return "" if value is None or value != value else str(np.float32(value))


def _check_unique(path: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{path} has the column '{twice[0]}' twice.", "Rename or remove one of them."
        )
