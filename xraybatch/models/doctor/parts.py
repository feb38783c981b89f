"""Judging xraybatch's own parts: readers, the decoder, the demonstration model, plugins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import as_file

from xraybatch.extension.registry import BLOCK_VARIABLE, OURS, PluginRow, registry
from xraybatch.models.doctor.report import Finding, Verdict, plural

_HINT = "Install the tested versions again."
_AGAIN = ("pip install --force-reinstall --constraint constraints.txt xraybatch",)


def read_plugins() -> list[PluginRow]:
    """Every plugin, loaded."""
    return registry().rows


def read_decoder() -> str:
    """Decode the reference films as the demonstration model's card holds them.

    Returns
    -------
    str
        The decoder's fingerprint.
    """
    from xraybatch.images.fingerprint import fingerprint_digest
    from xraybatch.models.model import load_model
    from xraybatch.models.selftest import check_decoder
    from xraybatch_samples import model_file

    with as_file(model_file()) as path:
        model = load_model(path)
    check_decoder(model.card)
    return fingerprint_digest()


def check_decoder_fingerprint(fingerprint: str) -> Iterator[Finding]:
    """The demonstration model's seal held and films decode as they did where it was made."""
    yield Finding(
        "decoder",
        Verdict.OK,
        "Reference films decode as where the demonstration model was made; its seal holds. "
        f"Fingerprint {fingerprint}.",
    )


def check_readers(rows: Sequence[PluginRow]) -> Iterator[Finding]:
    """Which formats can be read."""
    readers = [record for row in rows for record in row.records.get("reader", [])]
    if readers:
        names = ", ".join(str(reader.name) for reader in readers)
        yield Finding("readers", Verdict.OK, f"{names}.")
    else:
        yield Finding(
            "readers", Verdict.PROBLEM, "No reader of any image format is there.", _HINT, _AGAIN
        )


def check_plugins(rows: Sequence[PluginRow]) -> Iterator[Finding]:
    """How many plugins load, which do not and why."""
    broken = [row for row in rows if row.status == "broken"]
    blocked = [row for row in rows if row.status == "blocked"]
    fine = len(rows) - len(broken) - len(blocked)
    yield Finding("plugins", Verdict.OK, f"{plural(fine, 'plugin')} loaded.")
    for row in broken:
        ours = row.owner.startswith(f"{OURS}:")
        yield Finding(
            "plugins",
            # ours is part of the program, a stranger's only itself
            Verdict.PROBLEM if ours else Verdict.NOTE,
            f"The plugin {row.owner} is broken: {row.reason}.",
            _HINT if ours else "Tell its author, or keep it from being loaded:",
            _AGAIN if ours else (f"export {BLOCK_VARIABLE}={row.owner}",),
        )
    for row in blocked:
        yield Finding(
            "plugins",
            Verdict.NOTE,
            f"The plugin {row.owner} is blocked by {BLOCK_VARIABLE}.",
            "Unset it to have the plugin back:",
            (f"unset {BLOCK_VARIABLE}",),
        )
