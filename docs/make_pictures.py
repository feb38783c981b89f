"""Draw the pictures of the documents from real output: ``python docs/make_pictures.py``.

The sample films are classified with the bundled model and scored; ``score.svg`` is what the console
then shows.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from xraybatch import score
from xraybatch.models.choice import choose_model
from xraybatch.prediction.run import predict_items
from xraybatch.reports.console import print_report
from xraybatch.sources.films import find_films
from xraybatch_samples import write

HERE = Path(__file__).parent
WIDTH = 96


def main() -> None:
    """Write ``docs/score.svg``."""
    with tempfile.TemporaryDirectory() as folder:
        films, results = Path(folder) / "films", Path(folder) / "results.csv"
        write(films)
        model = choose_model(None, runs=Path(folder) / "no runs").model
        predict_items(find_films([films]).items, model, results)
        report = score(results, films / "labels.csv")
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        print_report(report, console)
    svg = console.export_svg(title="xraybatch score results.csv labels.csv", theme=MONOKAI)
    # no font from the net: every viewer has one of its own
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S)
    (HERE / "score.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
