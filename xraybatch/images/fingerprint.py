"""The decoder's fingerprint: what no version number catches.

Another Pillow, another libjpeg, a reader in place of a blocked one: each can change pixels without
anyone having changed the rule. So a few stored films are decoded, and the outcome is kept in every
model's card and compared before its first film.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraybatch.core.errors import ModelError
from xraybatch.core.status import FilmError
from xraybatch.core.versions import changed_since
from xraybatch.extension.records import ImageReader
from xraybatch.extension.registry import OURS, Owned, registry
from xraybatch.images.decode import decode
from xraybatch.images.recognise import HEAD
from xraybatch.images.rule import DecodingRule

LOSSLESS = ("grey8.png", "grey16.png", "low12.png", "window12.dcm", "plain12.dcm")
LOSSY = ("grey8.jpg", "large8.jpg")
TOLERANCE = 2  # grey levels by which two JPEG decoders may differ
# what decides about a pixel besides our own code; the last four come with the extra `dicom`
LIBRARIES = (
    *("numpy", "pillow", "pydicom"),
    *("python-gdcm", "pylibjpeg-openjpeg", "pyjpegls", "imagecodecs"),
)

_RULE = DecodingRule(24, 32)
_NONE: Mapping[str, object] = {}


def decoder_fingerprint() -> dict[str, Any]:
    """What this installation makes of the reference films, for a card.

    Returns
    -------
    dict
        ``size``: height and width; ``lossless``: SHA-256 of each film's pixels by name; ``lossy``:
        each film's pixels themselves, base64 of uint8 in C order, by name.

    Raises
    ------
    ModelError
        If a reference film cannot be decoded here at all.
    """
    return {
        "size": [_RULE.height, _RULE.width],
        "lossless": {
            name: hashlib.sha256(_pixels(name).tobytes()).hexdigest() for name in LOSSLESS
        },
        "lossy": {name: base64.b64encode(_pixels(name).tobytes()).decode() for name in LOSSY},
    }


def check_fingerprint(stored: dict[str, Any], versions: Mapping[str, object] = _NONE) -> None:
    """Compare a card's fingerprint with this installation's decoding.

    Films that only one of the two knows are left aside.

    Parameters
    ----------
    stored : dict
        As `decoder_fingerprint` gave it.
    versions : mapping of str to str
        Of the libraries, where it was made: so that the sentence can say what changed.

    Raises
    ------
    ModelError
        If the fingerprint cannot be read or holds no film that is known here, or a film decodes
        differently; the sentence names the film, and the reader, library or decoder that is to
        blame.
    """
    try:
        same_size = tuple(stored["size"]) == (_RULE.height, _RULE.width)
        hashes, pictures = dict(stored["lossless"]), dict(stored["lossy"])
    except (KeyError, TypeError, ValueError):
        same_size = False
    if not same_size or not {*hashes, *pictures} & {*LOSSLESS, *LOSSY}:
        raise ModelError(
            "The model's decoder fingerprint cannot be read.", "Install a newer xraybatch."
        )
    for name in LOSSLESS:
        digest = hashlib.sha256(_pixels(name).tobytes()).hexdigest()
        if hashes.get(name, digest) != digest:
            raise _differs(name, "", versions)
    for name in LOSSY:
        if name in pictures and (levels := _difference(name, str(pictures[name]))) > TOLERANCE:
            raise _differs(name, f", by up to {levels} grey levels", versions)


@lru_cache(maxsize=1)
def fingerprint_digest() -> str:
    """16 hexadecimal digits that change with any change of decoding; for cache keys."""
    canonical = json.dumps(decoder_fingerprint(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _difference(name: str, picture: str) -> int:
    ours = _pixels(name).astype(np.int16)
    try:
        theirs = np.frombuffer(base64.b64decode(picture), np.uint8).reshape(ours.shape)
    except ValueError:
        raise ModelError(
            f"The model's picture of the reference film {name} cannot be read.",
            "Take the model from its run folder again.",
        ) from None
    return int(np.abs(ours - theirs).max())


def _differs(name: str, how_far: str, versions: Mapping[str, object]) -> ModelError:
    """Who is to blame that a film decodes differently: a stranger, a library, or our own rule."""
    what = f"The reference film {name} decodes differently here than where the model was made"
    reader = _reader_of(_content(name))
    if reader is not None and reader.owner.partition(":")[0] != OURS:
        whole = f"{reader.owner}:{reader.record.name}"
        return ModelError(
            f"{what}{how_far}: it is read by '{reader.record.name}' of the plugin {reader.owner}.",
            f"Set XRAYBATCH_BLOCK={whole} and unblock our own reader, or train again.",
        )
    if changed := changed_since(versions, LIBRARIES):
        return ModelError(
            f"{what}{how_far}: other versions decode here, {', '.join(changed)}.",
            "Install the versions that the model was made with, or train again.",
        )
    return ModelError(
        f"{what}{how_far}: the decoder itself was changed.",
        "Use the xraybatch that the model's card names, or train again.",
    )


def _reader_of(content: bytes) -> Owned[ImageReader] | None:
    return next(
        (o for o in registry().records(ImageReader) if o.record.sniff(content[:HEAD])), None
    )


def _content(name: str) -> bytes:
    return (files("xraybatch.images.reference") / name).read_bytes()


def _pixels(name: str) -> NDArray[np.uint8]:
    try:
        return decode(_content(name), _RULE, name=name).pixels
    except FilmError as error:
        raise ModelError(
            f"The reference film {name} cannot be decoded here: {error.sentence}",
            "Unblock its reader (XRAYBATCH_BLOCK), or install xraybatch again: see "
            "`xraybatch doctor`.",
        ) from error
