"""Draw the pictures of the documents from real output: ``python docs/make_pictures.py``.

``score.svg`` is what the console shows when the sample films are classified with the bundled model
and scored. The pictures and tables of ``reading-a-report.md`` are those of ``reading_example.py``;
its page is photographed where Chromium is installed, else the picture is left as it is.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from reading_example import report
from rich.console import Console
from rich.terminal_theme import MONOKAI

from xraybatch import score
from xraybatch.evaluation.report import Report
from xraybatch.models.choice import choose_model
from xraybatch.prediction.run import predict_items
from xraybatch.reports.console import print_report
from xraybatch.reports.markdown import to_markdown
from xraybatch.reports.page import to_page
from xraybatch.reports.picture_files import save_plots
from xraybatch.sources.films import find_films
from xraybatch_samples import write

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
READING = HERE / "reading-a-report.md"
PROLOGUE = "import cog, reading_example as e"
NUMBERS = "numbers"  # under this key a picture keeps the digest of its report
WIDTH = 96
_PAGE = {"width": 1200, "height": 1000}


def main() -> None:
    """Draw everything again."""
    draw_console()
    with tempfile.TemporaryDirectory() as folder:
        draw_report(report(), Path(folder) / "plots", PICTURES)
        photograph(report(), Path(folder) / "score.html", PICTURES / "page.png")
    fill(READING)
    for picture in sorted(PICTURES.iterdir()):
        sys.stdout.write(f"{picture.stat().st_size / 1000:6.0f} kB  {picture.name}\n")


def draw_console() -> None:
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


def draw_report(shown: Report, plots: Path, pictures: Path) -> None:
    """Every picture of a report, named by its kind."""
    pictures.mkdir(exist_ok=True)
    numbers = digest(shown)
    for file in save_plots(shown, plots):
        if file.suffix == ".png":
            kind = file.stem.removeprefix("label-").partition("-1-")[0]
            (pictures / f"{kind}.png").write_bytes(smaller(file.read_bytes(), numbers))


def photograph(shown: Report, page: Path, out: Path) -> None:
    """The top of a report's page as Chromium shows it, in light colours."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.stderr.write(f"There is no chromium here: {out.name} is left as it is.\n")
        return
    from playwright.sync_api import sync_playwright

    page.write_text(to_page(shown), encoding="utf-8")
    with sync_playwright() as driver:
        # the sandbox of Chromium does not run as root
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=chromium, args=flags)
        tab = browser.new_page(viewport=_PAGE, color_scheme="light")
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-drawn]", timeout=60_000)
        out.write_bytes(smaller(tab.screenshot(), digest(shown)))
        browser.close()


def smaller(png: bytes, numbers: str) -> bytes:
    """A picture in 256 colours, of which drawings have fewer; it says which numbers it shows."""
    with Image.open(io.BytesIO(png)) as image:
        flat = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    told = PngInfo()
    told.add_text(NUMBERS, numbers)
    out = io.BytesIO()
    flat.save(out, format="PNG", optimize=True, pnginfo=told)
    return out.getvalue()


def digest(shown: Report) -> str:
    """Of the numbers of a report as they are printed, by which a test knows old pictures."""
    printed = to_markdown(shown).partition("## How it was made")[0]
    return hashlib.sha256(printed.encode()).hexdigest()


def fill(document: Path) -> None:
    """Write the tables of a document again, by cog."""
    from cogapp import Cog

    if Cog().main(["cog", "-r", "-p", PROLOGUE, str(document)]):
        raise SystemExit(f"cog failed on {document}")


if __name__ == "__main__":
    main()
