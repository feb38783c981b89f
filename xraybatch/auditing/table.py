"""``audit.csv``: one row a film, with what its file is and what was found of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from xraybatch.auditing.run import Audited
from xraybatch.core.files import write_text
from xraybatch.core.names import no_formula

COLUMNS = (
    "path", "status", "label", "part", "format", "suffix", "bytes", "height", "width",
    "bits_stored", "frames", "colour", "photometric", "compression", "jpeg_quality",
    "jpeg_tables", "subsampling", "exif", "modality", "maker", "sha256", "copies", "findings",
    "notes", "error",
)  # fmt: skip
FINDINGS = (
    "unreadable", "suffix_lies", "copy", "conflict", "leak", "patient_leak", "constant", "inverted",
    "writing",
)  # fmt: skip


def write_table(audited: Audited, path: Path) -> None:
    """Write the table, whole or not at all: CSV (RFC 4180, UTF-8)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(audited))
    write_text(path, text.getvalue())


def findings_of(audited: Audited) -> list[list[str]]:
    """What was found of each film, in words of `FINDINGS`."""
    found: list[list[str]] = [[] for _ in audited.survey.films]

    def note(positions: Iterator[int] | list[int], word: str) -> None:
        for i in positions:
            if word not in found[i]:
                found[i].append(word)

    films = audited.survey.films
    note([i for i, film in enumerate(films) if not film.is_ok], "unreadable")
    note([i for i, film in enumerate(films) if film.outside.suffix_lies], "suffix_lies")
    for group in audited.groups:
        note(list(group.films), "copy")
        if group.is_conflict:
            note(list(group.films), "conflict")
        if group.is_leak:
            note(list(group.films), "leak")
    note(list(audited.known.labelled_twice), "conflict")
    for its in audited.patients_across:
        note(list(its), "patient_leak")
    note([i for i, film in enumerate(films) if film.is_constant], "constant")
    note(sorted(audited.inverted), "inverted")
    note(sorted(audited.written), "writing")
    return found


def _rows(audited: Audited) -> Iterator[list[str]]:
    findings = findings_of(audited)
    group_of = {i: n for n, group in enumerate(audited.groups, 1) for i in group.films}
    known = audited.known
    for i, (item, film) in enumerate(zip(audited.survey.items, audited.survey.films, strict=True)):
        outside, header, facts = film.outside, film.outside.header, film.facts
        yield [
            item.key,
            str(film.status),
            no_formula(known.labels[i]),
            known.parts[i],
            outside.content,
            no_formula(outside.suffix),
            str(outside.size),
            str(facts.height) if facts else "",
            str(facts.width) if facts else "",
            str(facts.bits_stored) if facts else "",
            str(facts.frames) if facts else "",
            header.colour,
            header.photometric,
            header.compression,
            _number(header.quality),
            _number(header.tables),
            header.subsampling,
            ("1" if header.exif else "0") if outside.content else "",
            header.modality,
            header.maker,
            audited.survey.bytes_digest(i).hex(),
            str(group_of.get(i, "")),
            ";".join(findings[i]),
            no_formula(" ".join(facts.notes)) if facts else "",
            no_formula(film.sentence),
        ]


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
