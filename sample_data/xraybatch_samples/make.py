"""Make what this package holds: ``python -m xraybatch_samples.make films DIR``, or ``model``."""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np

from xraybatch_samples.phantom import knee
from xraybatch_samples.plan import LABELS, Film, plan
from xraybatch_samples.storage import encode

__all__ = ["film_bytes", "labels_csv", "main", "make_films"]

NOTE = """# Synthetic knee films

SYNTHETIC: every film in this folder was computed from a model of a knee. None shows a person, and
none is of any use for diagnosis, nor is a model that was trained on them.

{films} films of {patients} made-up patients, {each} films of each class:
`normal`, `osteopenia`, `osteoporosis`.
`labels.csv` has one line a film: `path` (from this folder), `label`, `patient`, `study`
and `side` (`L` or `R`).

Licence: CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/).
"""


def film_bytes(film: Film) -> bytes:
    """Make the content of one film's file."""
    display = knee(film.bone, film.body, film.pose, film.exposure, np.random.default_rng(film.seed))
    return encode(film, display)


def labels_csv(films: Sequence[Film]) -> str:
    """Make the content of ``labels.csv``."""
    out = StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["path", "label", "patient", "study", "side"])
    rows.writerows([f.path, f.label, f.patient, f.study, f.pose.side] for f in films)
    return out.getvalue()


def make_films(folder: Path) -> int:
    """Write all films, ``labels.csv`` and ``README.md`` and return the number of films.

    Files of the same names are overwritten; others are left alone.
    """
    films = plan()
    for film in films:
        target = folder / film.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(film_bytes(film))
    (folder / "labels.csv").write_bytes(labels_csv(films).encode())
    each = Counter(film.label for film in films)[LABELS[0]]
    patients = len({film.patient for film in films})
    note = NOTE.format(films=len(films), patients=patients, each=each)
    (folder / "README.md").write_bytes(note.encode())
    return len(films)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m xraybatch_samples.make", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    films = verbs.add_parser("films", help="write all films and labels.csv")
    films.add_argument("folder", metavar="DIR", type=Path)
    verbs.add_parser("model", help="train the demonstration model into the package")
    options = parser.parse_args(arguments)
    if options.verb == "model":
        from xraybatch_samples.make_model import make_model

        right = make_model()
        sys.stdout.write(f"demo.onnx answers {right:.0%} of the held-back films rightly\n")
        return 0
    count = make_films(options.folder)
    sys.stdout.write(f"{count} films in {options.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
