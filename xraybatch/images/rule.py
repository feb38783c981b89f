"""The decoding rule: how bytes become a uint8 film. Data, kept in every model's card."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from xraybatch.core.errors import ModelError, UsageError

# Raised with any change that alters a pixel of any film.
RULE_VERSION = 2

RESIZES = ("stretch", "pad", "crop")


@dataclass(frozen=True)
class DecodingRule:
    """How films are decoded, as DESIGN calls it: display first, size second.

    Attributes
    ----------
    height, width : int
        Size of the film in pixels, 8 to 8192.
    resize : {"stretch", "pad", "crop"}
        How another aspect ratio is met: stretched, black borders, or the middle part.
    version : int
        Which version of the decoding code this rule means.

    Raises
    ------
    UsageError
        If a size or `resize` is out of range.
    """

    height: int
    width: int
    resize: str = "stretch"
    version: int = RULE_VERSION

    def __post_init__(self) -> None:
        if not (8 <= self.height <= 8192 and 8 <= self.width <= 8192):
            raise UsageError(
                f"A film size of {self.height}x{self.width} is out of range.",
                "Use 8 to 8192 pixels.",
            )
        if self.resize not in RESIZES:
            raise UsageError(
                f"'{self.resize}' is no way to resize.", f"Known are: {', '.join(RESIZES)}."
            )

    def to_dict(self) -> dict[str, Any]:
        """The rule as the card holds it."""
        return asdict(self)


def rule_from_dict(data: dict[str, Any]) -> DecodingRule:
    """Read a rule from a card.

    Raises
    ------
    ModelError
        If it is of a version, or has a field, that this installation does not know.
    """
    try:
        rule = DecodingRule(**data)
    except (TypeError, UsageError) as error:
        raise ModelError(
            f"The model's decoding rule cannot be read: {error}.", "Install a newer xraybatch."
        ) from None
    if rule.version != RULE_VERSION:
        raise ModelError(
            f"The model's films are decoded by rule version {rule.version}, "
            f"this installation has {RULE_VERSION}.",
            "Install the xraybatch that trained it, or train again.",
        )
    return rule
