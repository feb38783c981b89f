"""Small files of the formats that we read ourselves, and of some that nobody reads as a film."""

from __future__ import annotations

import io
from functools import lru_cache
from importlib.resources import files

from xraybatch.models.selftest import synthetic_films

_SIZE = (40, 48)
# format of Pillow → suffix
_BY_PILLOW = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "JPEG2000": ".jp2",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "GIF": ".gif",
    "WEBP": ".webp",
}

# no film, whatever reader looks at it
NO_FILMS = {
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" * 8,
    "a ZIP archive": b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(range(256)) * 4,
    "a table": b"path,label\nP001/P001_1.png,normal\n" * 40,
    "a web page": b"<!DOCTYPE html><html><head><title>films</title></head></html>" * 8,
    "JSON": b'{"films": [1, 2, 3], "labels": null}\n' * 30,
    "zeros": bytes(4096),
}


@lru_cache(maxsize=1)
def specimens() -> dict[str, bytes]:
    """One small film in each format of ours, by suffix."""
    from PIL import Image

    picture = Image.fromarray(synthetic_films(1, 1, *_SIZE)[0, :, :, 0])
    found = {}
    for kind, suffix in _BY_PILLOW.items():
        file = io.BytesIO()
        try:
            picture.save(file, kind, lossless=True)  # what only WebP knows and others ignore
        except (OSError, KeyError):  # a Pillow without that codec
            continue
        found[suffix] = file.getvalue()
    reference = files("xraybatch.images.reference")
    return found | {".dcm": (reference / "window12.dcm").read_bytes()}
