"""The decoder's fingerprint: what no version number catches.

Another Pillow, another libjpeg, a reader in place of a blocked one: each can change pixels without
anyone having changed the rule. So a few stored films are decoded, and the outcome is kept in every
model's card and compared before its first film.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraybatch.core.errors import ModelError
from xraybatch.core.status import FilmError
from xraybatch.images.decode import decode
from xraybatch.images.rule import DecodingRule

LOSSLESS = ("grey8.png", "grey16.png", "window12.dcm")
LOSSY = ("grey8.jpg",)
TOLERANCE = 2  # grey levels by which two JPEG decoders may differ

_RULE = DecodingRule(24, 32)
_HINT = (
    "Install the versions of Pillow and pydicom that the model names, unblock its readers, "
    "or train again."
)


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


def check_fingerprint(stored: dict[str, Any]) -> None:
    """Compare a card's fingerprint with this installation's decoding.

    Films that only one of the two knows are left aside.

    Raises
    ------
    ModelError
        If the fingerprint cannot be read, or a film decodes differently; the sentence names it.
    """
    try:
        same_size = tuple(stored["size"]) == (_RULE.height, _RULE.width)
        hashes, pictures = dict(stored["lossless"]), dict(stored["lossy"])
    except (KeyError, TypeError, ValueError):
        same_size = False
    if not same_size:
        raise ModelError(
            "The model's decoder fingerprint cannot be read.", "Install a newer xraybatch."
        )
    ours = decoder_fingerprint()
    for name, digest in ours["lossless"].items():
        if hashes.get(name, digest) != digest:
            raise ModelError(
                f"The reference film {name} decodes differently here than where the model "
                "was made.",
                _HINT,
            )
    for name in LOSSY:
        if name in pictures:
            _compare(name, str(pictures[name]))


@lru_cache(maxsize=1)
def fingerprint_digest() -> str:
    """16 hexadecimal digits that change with any change of decoding; for cache keys."""
    canonical = json.dumps(decoder_fingerprint(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _compare(name: str, picture: str) -> None:
    ours = _pixels(name).astype(np.int16)
    try:
        theirs = np.frombuffer(base64.b64decode(picture), np.uint8).reshape(ours.shape)
    except ValueError:
        raise ModelError(
            f"The model's picture of the reference film {name} cannot be read.", _HINT
        ) from None
    difference = int(np.abs(ours - theirs).max())
    if difference > TOLERANCE:
        raise ModelError(
            f"The reference film {name} decodes differently here than where the model was made: "
            f"by up to {difference} grey levels.",
            _HINT,
        )


def _pixels(name: str) -> NDArray[np.uint8]:
    content = (files("xraybatch.images.reference") / name).read_bytes()
    try:
        return decode(content, _RULE, name=name).pixels
    except FilmError as error:
        raise ModelError(
            f"The reference film {name} cannot be decoded here: {error.sentence}", _HINT
        ) from error
