"""Card and seal as the last two records of an ONNX file.

An ONNX file is a protobuf message; ``metadata_props`` is its field 14, a list of key and value.
Protobuf lets repeated fields stand anywhere, so two records appended to a finished file are part
of a valid one, and a reader of a few lines finds them without the ``onnx`` package: step over the
records from the front, and look at the last two.

The seal is SHA-256 over every byte before its own record. It shows integrity, not authorship.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xraybatch.core.errors import ModelError
from xraybatch.core.files import atomic_path

CARD_KEY = "xraybatch.card"
SEAL_KEY = "xraybatch.seal"

_METADATA_FIELD = 14
_LENGTH_DELIMITED = 2


@dataclass(frozen=True)
class SealedFile:
    """An ONNX file's bytes, its card as text, and what its seal says.

    Attributes
    ----------
    content : bytes
        The whole file: what is run is what was checked.
    card : str
        JSON.
    seal : str
        64 hexadecimal digits as written in the file; empty where there is none.
    broken : str
        Why the seal does not hold, one sentence; empty where it does.
    """

    content: bytes
    card: str
    seal: str
    broken: str


def read_sealed(path: Path) -> SealedFile:
    """Read a model file and check its seal.

    Raises
    ------
    ModelError
        If the file cannot be read, is no ONNX file, or carries no card. A broken seal raises
        nothing here: it is in `SealedFile.broken`.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"There is no model at {path}.", "Check its path.") from None
    except IsADirectoryError:
        raise ModelError(f"{path} is a folder, not a model file.", "Check its path.") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from None
    broken, card, seal = "", "", ""
    try:
        whole = list(records(content))
        metadata = [(record, _entry(content, record)) for record in whole if _is_metadata(record)]
    except ValueError:
        raise ModelError(
            f"{path} is no ONNX file, or was cut or damaged.", "Copy or export it again."
        ) from None
    for _, (key, value) in metadata:
        if key == CARD_KEY:
            card = value
    if metadata and metadata[-1][1][0] == SEAL_KEY and metadata[-1][0] is whole[-1]:
        begin, seal = metadata[-1][0].begin, metadata[-1][1][1]
        if hashlib.sha256(content[:begin]).hexdigest() != seal:
            broken = f"The seal of {path.name} is broken: the file was changed after it was made."
        elif len(metadata) < 2 or metadata[-2][1][0] != CARD_KEY:
            broken = f"{path.name} has a seal, but the card is not the record before it."
    else:
        broken = f"{path.name} has no seal, or it was damaged."
    if not card:
        raise ModelError(
            f"{path} carries no xraybatch card: it is a foreign ONNX file, or was damaged.",
            "`xraybatch adopt FILE.onnx` makes a model of a foreign file.",
        )
    return SealedFile(content, card, seal, broken)


def write_sealed(graph: bytes, card: str, target: Path) -> str:
    """Write an ONNX graph with a new card and seal, whole or not at all.

    Parameters
    ----------
    graph : bytes
        An ONNX file, with or without an old card and seal, which are left out.
    card : str
        JSON.
    target : Path

    Returns
    -------
    str
        The seal.
    """
    body = _with_card(graph, card)
    seal = hashlib.sha256(body).hexdigest()
    with atomic_path(target) as temporary:
        temporary.write_bytes(body + _metadata_record(SEAL_KEY, seal))
    return seal


def seal_of(graph: bytes, card: str) -> str:
    """The seal that a graph has with a card; arguments as those of `write_sealed`."""
    return hashlib.sha256(_with_card(graph, card)).hexdigest()


@dataclass(frozen=True)
class Record:
    """Where a protobuf record stands in its message: `begin` of its tag, `body` to `end`."""

    begin: int
    body: int
    end: int
    field: int
    wire: int


def records(content: bytes) -> Iterator[Record]:
    """The records of a protobuf message; `ValueError` if it is none."""
    position = 0
    while position < len(content):
        begin = position
        tag, position = _varint(content, position)
        wire = tag & 7
        if wire == _LENGTH_DELIMITED:
            length, position = _varint(content, position)
            end = position + length
        elif wire == 0:
            end = _varint(content, position)[1]
        elif wire in (1, 5):
            end = position + (8 if wire == 1 else 4)
        else:
            raise ValueError("no protobuf record")
        if end > len(content) or tag >> 3 == 0:
            raise ValueError("a record reaches past the end of the file")
        yield Record(begin, position, end, tag >> 3, wire)
        position = end
    if position == 0:
        raise ValueError("no record at all")


def varints(content: bytes, record: Record) -> list[int]:
    """The whole numbers of a record, packed or alone."""
    found, position = [], record.body
    while position < record.end:
        value, position = _varint(content, position)
        found.append(value)
    return found


def _with_card(graph: bytes, card: str) -> bytes:
    kept = b"".join(
        graph[record.begin : record.end]
        for record in records(graph)
        if not (_is_metadata(record) and _entry(graph, record)[0] in {CARD_KEY, SEAL_KEY})
    )
    return kept + _metadata_record(CARD_KEY, card)


def _is_metadata(record: Record) -> bool:
    return record.field == _METADATA_FIELD and record.wire == _LENGTH_DELIMITED


def _entry(content: bytes, record: Record) -> tuple[str, str]:
    parts = {1: b"", 2: b""}
    entry = content[record.body : record.end]
    for inner in records(entry):
        if inner.field in parts and inner.wire == _LENGTH_DELIMITED:
            parts[inner.field] = entry[inner.body : inner.end]
    return parts[1].decode("utf-8", "replace"), parts[2].decode("utf-8", "replace")


def _metadata_record(key: str, value: str) -> bytes:
    body = b"".join(
        bytes([number << 3 | _LENGTH_DELIMITED]) + _to_varint(len(part)) + part
        for number, part in ((1, key.encode()), (2, value.encode()))
    )
    return bytes([_METADATA_FIELD << 3 | _LENGTH_DELIMITED]) + _to_varint(len(body)) + body


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(content) or shift > 63:
            raise ValueError("no varint")
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _to_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
