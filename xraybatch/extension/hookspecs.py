"""The five hooks. Each returns a list of frozen records; see `xraybatch.extension.records`."""

from __future__ import annotations

import pluggy

from xraybatch.extension.records import Architecture, Exporter, ImageReader, Metric, Preset

PROJECT = "xraybatch"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_architectures() -> list[Architecture]:  # type: ignore[empty-body]
    """Networks that ``xraybatch train --plugin NAME`` can train."""


@hookspec
def register_presets() -> list[Preset]:  # type: ignore[empty-body]
    """Published projects that ``xraybatch train --preset NAME`` repeats."""


@hookspec
def register_exporters() -> list[Exporter]:  # type: ignore[empty-body]
    """Formats that ``xraybatch export --to NAME`` writes."""


@hookspec
def register_metrics() -> list[Metric]:  # type: ignore[empty-body]
    """Numbers that ``xraybatch score`` computes beside its own."""


@hookspec
def register_image_readers() -> list[ImageReader]:  # type: ignore[empty-body]
    """File formats. Our own readers are asked first; a stranger's gets what none of ours takes."""


# kind of record → the hook that registers it, and the record's class
HOOKS: dict[str, tuple[str, type]] = {
    "architecture": ("register_architectures", Architecture),
    "preset": ("register_presets", Preset),
    "exporter": ("register_exporters", Exporter),
    "metric": ("register_metrics", Metric),
    "reader": ("register_image_readers", ImageReader),
}
