from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from xraybatch_samples import films_folder, write
from xraybatch_samples.make import film_bytes, labels_csv, main
from xraybatch_samples.plan import LABELS, plan

ROOT = Path(__file__).parents[2]
FILMS = ROOT / "sample_data" / "xraybatch_samples" / "films"


@pytest.fixture(scope="module")
def bench():
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("samples_bench", ROOT / "benchmarks/samples.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def rows():
    with (FILMS / "labels.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def stored_films(folder):
    return sorted(
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in ("labels.csv", "README.md")
    )


def test_labels_name_every_film_once(rows):
    assert sorted(row["path"] for row in rows) == stored_films(FILMS)


def test_labels_are_those_of_the_plan():
    assert (FILMS / "labels.csv").read_text(encoding="utf-8") == labels_csv(plan())


def test_classes_are_balanced(rows):
    assert Counter(row["label"] for row in rows) == dict.fromkeys(LABELS, 46)
    patients = {(row["patient"], row["label"]) for row in rows}
    assert Counter(label for _, label in patients) == dict.fromkeys(LABELS, 20)
    assert len({patient for patient, _ in patients}) == 60


def test_the_number_of_a_patient_does_not_tell_the_class(rows):
    numbers = {
        label: [int(row["patient"][1:]) for row in rows if row["label"] == label]
        for label in LABELS
    }
    for of_class in numbers.values():
        assert 20 < np.mean(of_class) < 41
        assert min(of_class) < 12
        assert max(of_class) > 49


def test_no_path_tells_the_class(rows):
    for row in rows:
        assert not any(word in row["path"].lower() for word in (*LABELS, "osteo", "class"))
        assert row["path"].startswith(f"{row['patient']}/{row['patient']}_")


def test_every_class_has_the_same_formats():
    formats = {
        label: Counter(film.storage for film in plan() if film.label == label) for label in LABELS
    }
    assert formats["normal"] == formats["osteopenia"] == formats["osteoporosis"]
    assert len(formats["normal"]) == 6


def test_all_is_under_4_mb():
    assert sum(p.stat().st_size for p in FILMS.rglob("*") if p.is_file()) < 4_000_000


@pytest.mark.parametrize("storage", sorted({film.storage for film in plan()}))
def test_films_are_what_the_program_makes(storage, bench, tmp_path):
    for film in [one for one in plan() if one.storage == storage][:2]:
        again = tmp_path / Path(film.path).name
        again.write_bytes(film_bytes(film))
        made = bench.decode(again).astype(int)
        stored = bench.decode(FILMS / film.path).astype(int)
        assert made.shape == stored.shape == (film.pose.rows, film.pose.columns)
        # Other versions of the libraries may round or compress otherwise, but see the same film.
        difference = np.abs(made - stored)
        assert difference.mean() < 0.5
        assert difference.max() <= 8


def test_dicom_films_say_what_they_are(rows):
    pydicom = pytest.importorskip("pydicom")
    photometric = Counter()
    for row in rows:
        if row["path"].endswith(".dcm"):
            data = pydicom.dcmread(FILMS / row["path"])
            assert data.PatientID == row["patient"]
            assert data.PatientName == "Synthetic^Phantom"
            assert data.QualityControlImage == "YES"
            assert data.ImageLaterality == row["side"]
            photometric[data.PhotometricInterpretation] += 1
    assert photometric == {"MONOCHROME2": 6, "MONOCHROME1": 3}


def test_every_format_is_decoded_as_the_check_decodes_it(rows, bench):
    from xraybatch.images.decode import decode_path
    from xraybatch.images.rule import DecodingRule

    firsts = {film.storage: film.path for film in plan()}
    for path in firsts.values():
        plain = bench.decode(FILMS / path)
        ours = decode_path(FILMS / path, DecodingRule(*plain.shape)).pixels
        assert np.abs(np.squeeze(ours).astype(int) - plain.astype(int)).max() <= 2, path


def test_the_mean_grey_is_not_the_class(bench):
    samples = bench.load(FILMS)
    means = np.array([film.mean() for film in samples.films])
    by_class = [means[samples.labels == label].mean() for label in range(3)]
    assert max(by_class) - min(by_class) < 2


def test_shortcuts_do_not_work(bench):
    samples = bench.load(FILMS)
    assert max(bench.shortcut(samples, seed) for seed in range(3)) < 0.5


def test_importing_is_light():
    code = (
        "import sys, xraybatch_samples; "
        "sys.exit(any(m in sys.modules for m in ('numpy', 'PIL', 'pydicom')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=FILMS.parents[1])


def test_write_copies_all(tmp_path, rows):
    folder = tmp_path / "a" / "b"
    assert write(folder) == len(rows)
    assert stored_films(folder) == stored_films(FILMS)
    for name in ("labels.csv", "README.md", rows[0]["path"]):
        assert (folder / name).read_bytes() == (FILMS / name).read_bytes()
    assert "SYNTHETIC" in (folder / "README.md").read_text(encoding="utf-8")


def test_write_again_changes_nothing(tmp_path, rows):
    write(tmp_path)
    (tmp_path / rows[3]["path"]).unlink()
    (tmp_path / "mine.txt").write_text("mine")
    assert write(tmp_path) == len(rows)
    assert (tmp_path / rows[3]["path"]).exists()
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_write_keeps_what_differs_and_writes_nothing(tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\n")
    with pytest.raises(FileExistsError, match=r"labels\.csv"):
        write(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["labels.csv"]


def test_the_folder_has_the_films():
    assert films_folder().joinpath("labels.csv").is_file()


def test_the_command_line_makes_films(tmp_path, monkeypatch, capsys):
    few = plan()[:2]
    monkeypatch.setattr("xraybatch_samples.make.plan", lambda: few)
    assert main(["films", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.startswith("2 films in ")
    assert stored_films(tmp_path / "new") == sorted(film.path for film in few)
    assert (tmp_path / "new" / "labels.csv").read_text() == labels_csv(few)
