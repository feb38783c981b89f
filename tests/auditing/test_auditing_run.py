"""A folder with one of each trouble: each is found, nothing else is."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from xraybatch.auditing.known import nothing_known
from xraybatch.auditing.record import audit_schema
from xraybatch.auditing.run import AuditOptions, audit_films
from xraybatch.auditing.table import COLUMNS, FINDINGS, write_table
from xraybatch.reports.audit_console import render_audit
from xraybatch.sources.films import find_films
from xraybatch.training.audited import LabelsAsked, audit_folders

ROOT = Path(__file__).resolve().parents[2]
QUICK = AuditOptions(near=False, permutations=0)


def paths(suspects):
    return [one.path for one in suspects]


def test_each_trouble_is_found(troubled: Path) -> None:
    audited = audit_folders([troubled], LabelsAsked(), QUICK)
    audit = audited.audit
    assert audit.films == 48
    assert audit.not_there == 1
    assert audit.classes == {"abnormal": 22, "normal": 26}
    assert [(u.status, u.films, u.by_class) for u in audit.unreadable] == [("empty", 1, (1, 0))]
    assert paths(audit.suffix_lies) == ["lie.png"]
    groups = [([f.path for f in g.films], g.conflict, g.leak) for g in audit.copies]
    assert groups == [(["00.png", "same.png"], True, False), (["01.png", "again.tif"], False, True)]
    assert audit.copies[1].kinds == ("identical pixels",)
    kinds = {k.kind: (k.pairs, k.films, k.conflicts, k.leaks) for k in audit.copy_kinds}
    assert kinds == {"identical bytes": (1, 2, 1, 0), "identical pixels": (1, 2, 0, 1)}
    assert audit.leak.patients == 1
    assert audit.leak.patient_films == 2  # 01.png of train and patient.png
    assert paths(audit.constant) == ["black.png", "other black.png"]
    assert paths(audit.inverted) == ["negative.png"]
    assert audit.written == ()
    assert audit.failures() == ("leak", "conflict")


def test_films_are_counted_by_part(troubled: Path) -> None:
    leak = audit_folders([troubled], LabelsAsked(), QUICK).audit.leak
    assert leak.parts == {"test": 13, "train": 35}
    assert leak.copied.n == 13
    assert leak.copied.value == pytest.approx(1 / 13)
    assert leak.of_patients.value == pytest.approx(1 / 13)
    assert 0 < leak.copied.low < leak.copied.value < leak.copied.high < 1


def test_the_table_has_one_row_a_film(troubled: Path, tmp_path: Path) -> None:
    audited = audit_folders([troubled], LabelsAsked(), QUICK)
    write_table(audited, tmp_path / "audit.csv")
    with (tmp_path / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["path"] for row in rows] == [item.key for item in find_films([troubled]).items]
    found = {row["path"]: row for row in rows}
    assert found["00.png"]["findings"] == "copy;conflict"
    assert found["01.png"]["findings"] == "copy;leak;patient_leak"
    assert found["empty.png"]["findings"] == "unreadable"
    assert found["empty.png"]["status"] == "empty"
    assert found["negative.png"]["findings"] == "inverted"
    assert found["lie.png"]["findings"] == "suffix_lies"
    assert found["05.png"]["findings"] == ""
    assert (found["05.png"]["height"], found["05.png"]["width"]) == ("160", "120")
    words = {word for row in rows for word in row["findings"].split(";")} - {""}
    assert words <= set(FINDINGS)
    assert found["00.png"]["copies"] == found["same.png"]["copies"] != found["01.png"]["copies"]


def test_properties_are_crossed_with_the_label(troubled: Path) -> None:
    audit = audit_folders([troubled], LabelsAsked(), QUICK).audit
    formats = next(p for p in audit.properties if p.name == "format")
    counted = {v.value: (v.films, v.by_class) for v in formats.values}
    assert counted == {
        "PNG": (45, (21, 24)), "none": (1, (1, 0)), "JPEG": (1, (0, 1)), "TIFF": (1, (0, 1)),
    }  # fmt: skip
    height = next(n for n in audit.numbers if n.name == "height")
    assert height.all == (160, 160, 160)


def test_json_fits_the_published_schema_and_has_no_nan(troubled: Path) -> None:
    published = json.loads((ROOT / "docs" / "audit.schema.json").read_text())
    # after a change of the dataclasses: json.dumps(audit_schema(), indent=2) into that file
    assert published == audit_schema()
    audit = audit_folders([troubled], LabelsAsked(), replace(QUICK, permutations=9)).audit
    jsonschema.validate(json.loads(json.dumps(audit.to_dict(), allow_nan=False)), published)
    without = audit_folders([troubled], LabelsAsked(), QUICK).audit
    found = json.loads(json.dumps(without.to_dict(), allow_nan=False))
    jsonschema.validate(found, published)
    assert found["schema"] == 1
    assert found["shortcut"]["p"] is None


def test_one_column_of_labels_is_used_and_the_others_are_named(tmp_path: Path) -> None:
    rows = ["path,finding,view,age,site,patient"]
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 255, (30, 20), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{'ab'[i % 2]},{('AP', 'PA', 'LL')[i % 3]},{20 + i},one,p{i // 2}")
    table = tmp_path / "hospital.csv"
    table.write_text("\n".join(rows))
    quick = replace(QUICK, near=False)
    audit = audit_folders([tmp_path], LabelsAsked(table, label_column="finding"), quick).audit
    (note,) = [note for note in audit.notes if "column of labels" in note]
    assert "could be labels, too: view." in note  # ages are many, and one site tells nothing
    table.write_text("\n".join(row.replace(",AP,", ",,").replace(",LL,", ",,") for row in rows))
    audit = audit_folders([tmp_path], LabelsAsked(table, label_column="finding"), quick).audit
    assert not any("column of labels" in note for note in audit.notes)


def test_without_labels_only_films_are_judged(troubled: Path) -> None:
    (troubled / "labels.csv").unlink()
    audit = audit_folders([troubled], LabelsAsked(), QUICK).audit
    assert audit.classes == {}
    assert audit.conflicts == 0
    assert audit.leak.parts == {}
    assert len(audit.copies) == 2
    assert audit.leak.copied.value is None
    assert "no labels" in " ".join(audit.notes)


def test_order_of_films_is_of_no_account(troubled: Path) -> None:
    given = find_films([troubled])
    back = replace(given, items=given.items[::-1])
    one = audit_films(given, nothing_known(len(given.items)), QUICK)
    other = audit_films(back, nothing_known(len(given.items)), QUICK)
    sets = [
        {frozenset(f.path for f in group.films) for group in audited.audit.copies}
        for audited in (one, other)
    ]
    assert sets[0] == sets[1]
    assert set(paths(one.audit.inverted)) == set(paths(other.audit.inverted))


def test_pixels_are_the_one_decoders(troubled: Path) -> None:
    from xraybatch.auditing.survey import RULE
    from xraybatch.images.decode import decode_path

    audited = audit_films(find_films([troubled]), nothing_known(48), QUICK)
    for row, film in enumerate(audited.survey.readable()):
        expected = decode_path(audited.survey.items[film].path, RULE).pixels
        np.testing.assert_array_equal(audited.survey.pixels[row], expected)


def test_every_column_and_finding_is_documented() -> None:
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    assert [name for name in (*COLUMNS, *FINDINGS) if f"`{name}`" not in text] == []


def test_rare_values_are_counted_together_and_none_is_lost(tmp_path: Path) -> None:
    for i in range(40):
        size = 20 + i if i < 30 else 60  # 30 sizes once, one ten times
        Image.new("L", (size, 30)).save(tmp_path / f"{i}.png")
    audited = audit_films(find_films([tmp_path]), nothing_known(40), QUICK)
    size = next(p for p in audited.audit.properties if p.name == "size")
    assert (size.values[0].value, size.values[0].films) == ("60 x 30", 10)
    assert sum(value.films for value in size.values) == 40
    assert sum(value.stands_for for value in size.values) == 31
    text = render_audit(audited.audit)
    assert "27 more 27" in " ".join(text.split())


def test_changed_copies_are_found_beside_exact_ones(troubled: Path) -> None:
    mirrored = Image.open(troubled / "05.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(troubled / "mirrored.png")
    with (troubled / "labels.csv").open("a") as file:
        file.write("mirrored.png,abnormal,q9,test\n")
    audit = audit_folders([troubled], LabelsAsked(), replace(QUICK, near=True)).audit
    groups = {tuple(f.path for f in g.films): g for g in audit.copies}
    assert groups["05.png", "mirrored.png"].kinds == ("mirrored",)
    assert groups["05.png", "mirrored.png"].conflict
    assert groups["05.png", "mirrored.png"].leak
    assert groups["00.png", "same.png"].kinds == ("identical bytes",)


@pytest.mark.parametrize("hashed", [True, False])
def test_a_pipe_among_the_films_is_waited_for_nowhere(tmp_path: Path, hashed: bool) -> None:
    os.mkfifo(tmp_path / "film.png")
    audited = audit_folders(
        [tmp_path / "film.png"], LabelsAsked(), replace(QUICK, hashed=hashed, workers=1)
    )
    write_table(audited, tmp_path / "audit.csv")
    (row,) = csv.DictReader((tmp_path / "audit.csv").open(newline=""))
    assert row["status"] != "ok"
    assert row["sha256"] == ""


def test_hashed_before_or_after_the_table_and_the_copies_are_the_same(
    troubled: Path, tmp_path: Path
) -> None:
    texts = []
    for hashed in (True, False):
        audited = audit_folders([troubled], LabelsAsked(), replace(QUICK, hashed=hashed))
        out = tmp_path / f"{hashed}.csv"
        write_table(audited, out)
        rows = list(csv.DictReader(out.open(newline="")))
        texts.append([row | {"sha256": row["sha256"] * (row["status"] == "ok")} for row in rows])
        kinds = {kind for group in audited.groups for kind in group.kinds}
        assert {"identical bytes", "identical pixels"} <= kinds
    assert texts[0] == texts[1]
    assert all(row["sha256"] for row in texts[0] if row["status"] == "ok")
