"""Draw the pictures of images.md from sample films: ``python docs/make_image_pictures.py``."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import xraybatch_samples
from xraybatch import DisplayHints, StoredImage, Window
from xraybatch.images.decode import decode, decode_path, installed_readers
from xraybatch.images.depth import settle_depth
from xraybatch.images.display import display
from xraybatch.images.resize import fit, upright
from xraybatch.images.rule import DecodingRule

PICTURES = Path(__file__).parent / "pictures"
SAMPLES = Path(xraybatch_samples.__file__).parent / "films"
_GAP, _LINE = 8, 18
Grey = NDArray[np.uint8]


def main() -> None:
    """Draw all of them again."""
    film = decode_path(SAMPLES / "P001" / "P001_1.png", DecodingRule(160, 128)).pixels
    film = film.copy()
    film[6:12, 6:24] = 255  # a lead marker, so that a mirrored film shows
    _draw("images-depth", _depth(film))
    _draw("images-display", _display(film))
    _draw("images-orientation", _orientation(film[::2, ::2]))
    _draw("images-resize", _resize(film))
    _draw("images-reduced", _reduced())


def _depth(film: Grey) -> list[tuple[str, Grey]]:
    twelve = film.astype(np.uint16) * 16 + 7
    undeclared = StoredImage(twelve, DisplayHints(), "PNG", "")
    declared = replace(undeclared, hints=DisplayHints(bits_stored=16))
    widened = settle_depth(replace(undeclared, array=(film // 10).astype(np.uint16) * 257))
    return [
        ("as 16 bits", display(declared)),
        ("as read: 12 bits", display(settle_depth(undeclared))),
        ("dark, widened 8 bits", display(widened)),
    ]


def _display(film: Grey) -> list[tuple[str, Grey]]:
    stored = (film.astype(np.uint16) * 16) // 2 + 600
    image = StoredImage(stored, DisplayHints(bits_stored=12), "DICOM", "")
    hints = image.hints
    negative = StoredImage(4095 - stored, hints, "DICOM", "")
    window = Window(1500, 1400)
    turned = replace(hints, window=Window(4095 - 1500, 1400), white_is_zero=True)
    return [
        ("stored, 12 bits", display(image)),
        ("through its window", display(replace(image, hints=replace(hints, window=window)))),
        ("MONOCHROME1, stored", display(negative)),
        ("window, inverted last", display(replace(negative, hints=turned))),
    ]


def _orientation(film: Grey) -> list[tuple[str, Grey]]:
    back = {6: 8, 8: 6}
    return [(str(n), np.array(upright(film, back.get(n, n)))) for n in range(1, 9)]


def _resize(film: Grey) -> list[tuple[str, Grey]]:
    wide = np.pad(film, ((0, 0), (40, 40)), "edge")
    return [
        ("film", wide),
        *((way, fit(wide, DecodingRule(128, 128, way))) for way in ("stretch", "pad", "crop")),
    ]


def _reduced() -> list[tuple[str, Grey]]:
    large = decode_path(SAMPLES / "P002" / "P002_1.jpg", DecodingRule(1600, 1280)).pixels
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, "JPEG", quality=90)
    rule = DecodingRule(160, 128)
    whole = [replace(reader, read_reduced=None) for reader in installed_readers()]
    full = decode(buffer.getvalue(), rule, readers=whole).pixels
    ours = decode(buffer.getvalue(), rule).pixels
    apart = np.minimum(np.abs(ours.astype(int) - full) * 50, 255).astype(np.uint8)
    return [("all of it", full), ("a quarter of it", ours), ("difference x 50", apart)]


def _draw(name: str, panels: Sequence[tuple[str, Grey]]) -> None:
    """One row of films on white, a line of text under each."""
    font = ImageFont.load_default(13)
    wide = [max(array.shape[1], round(font.getlength(text))) for text, array in panels]
    high = max(array.shape[0] for _, array in panels)
    sheet = Image.new("L", (sum(wide) + _GAP * (len(wide) + 1), high + _LINE + 2 * _GAP), 255)
    draw, left = ImageDraw.Draw(sheet), _GAP
    for width, (text, array) in zip(wide, panels, strict=True):
        place = left + (width - array.shape[1]) // 2, _GAP
        sheet.paste(Image.fromarray(np.ascontiguousarray(array)), place)
        draw.text((left + width // 2, high + _GAP + 2), text, fill=0, font=font, anchor="ma")
        left += width + _GAP
    target = PICTURES / f"{name}.png"
    sheet.save(target, optimize=True)
    sys.stdout.write(f"{target.stat().st_size / 1000:6.0f} kB  {target.name}\n")


if __name__ == "__main__":
    main()
