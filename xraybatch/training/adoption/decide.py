"""What a graph, a file's metadata and a person say, side by side; what is missing is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from xraybatch.core.errors import ModelError, UsageError
from xraybatch.core.tasks import Task
from xraybatch.images.rule import DecodingRule
from xraybatch.training.adoption.asked import (
    BY_FILE,
    BY_GRAPH,
    BY_OPTION,
    BY_ULTRALYTICS,
    PRESETS,
    RANGES,
    AdoptOptions,
    Said,
)
from xraybatch.training.adoption.graph import Facts
from xraybatch.training.adoption.question import Missing, decide_task
from xraybatch.training.adoption.ultralytics import Ultralytics

_SIDES = {"nchw": (2, 3), "nhwc": (1, 2)}
_CHANNELS = {"nchw": 1, "nhwc": 3}


@dataclass(frozen=True)
class Plan:
    """All that has to be known of a foreign model.

    Attributes
    ----------
    task : Task
    layout : {"nchw", "nhwc"}
    height, width, channels : int
        Of the network's picture.
    range : str
        One of `RANGES`.
    mean, std : tuple of float
        One a channel, or none.
    rule : DecodingRule
        Larger than the picture where the network sees the middle of a film.
    answers : str
        ``logits``, ``probabilities`` or ``log-probabilities``.
    said : tuple of Said
        Who said all that.
    """

    task: Task
    layout: str
    height: int
    width: int
    channels: int
    range: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rule: DecodingRule
    answers: str
    said: tuple[Said, ...]


@dataclass
class _Notes:
    """What was found so far."""

    said: list[Said] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    def tell(self, what: str, value: object, by: str) -> None:
        self.said.append(Said(what, str(value), by))

    def ask(self, why: str, options: str, example: str) -> None:
        self.missing.append(Missing(why, options, example))


def decide(
    file: str, facts: Facts, metadata: Ultralytics | None, options: AdoptOptions
) -> Plan | tuple[Missing, ...]:
    """A plan, or all that is missing for one.

    Parameters
    ----------
    file : str
        Its name, for sentences.
    facts : Facts
    metadata : Ultralytics or None
    options : AdoptOptions

    Raises
    ------
    UsageError
        If two of them contradict each other.
    """
    notes = _Notes()
    layout, channels = _layout(file, facts, options, notes)
    size = _size(file, facts, layout, metadata, options, notes)
    found_range, mean, std = _scaling(metadata, options, channels, notes)
    resize = _resize(metadata, size, options, notes)
    if facts.output is None:
        notes.ask(
            f"which of its {len(facts.outputs)} outputs is the answer",
            f"--output {'|'.join(facts.outputs[:8])}",
            f"--output {facts.outputs[0]}",
        )
    task, answers, by_task, asked = decide_task(file, facts, metadata, options)
    notes.said += by_task
    notes.missing += asked
    if notes.missing:
        return tuple(notes.missing)
    assert layout is not None
    assert channels is not None
    assert size is not None
    assert found_range is not None
    assert resize is not None
    assert task is not None
    assert answers is not None
    return Plan(
        *(task, layout, *size, channels, found_range, mean, std),
        rule=_rule(size, resize, options, notes),
        answers=answers,
        said=tuple(notes.said),
    )


def _layout(
    file: str, facts: Facts, options: AdoptOptions, notes: _Notes
) -> tuple[str | None, int | None]:
    """Where the channels stand, and how many there are."""
    fits = [name for name, at in _CHANNELS.items() if facts.shape[at] in (None, 1, 3)]
    sure = [name for name in fits if facts.shape[_CHANNELS[name]] is not None]
    layout = options.layout
    if layout is not None:
        if layout not in fits:
            raise UsageError(
                f"--layout {layout}: {file} asks for {facts.form()}, with channels elsewhere.",
                f"Leave --layout out, or say --layout {fits[0]}." if fits else "",
            )
        notes.tell("layout", layout, BY_OPTION)
    elif not fits:
        raise ModelError(
            f"{file} asks for {facts.form()}: neither one nor three channels.",
            "Films have one channel, which is repeated three times at most.",
        )
    elif len(sure) == 1:
        layout = sure[0]
        notes.tell("layout", f"{layout}, {facts.form()}", BY_GRAPH)
    else:
        notes.ask(
            f"where the channels of {facts.form()} stand", "--layout nchw|nhwc", "--layout nchw"
        )
        return None, options.channels
    channels = facts.shape[_CHANNELS[layout]]
    if options.channels not in (None, 1, 3):
        raise UsageError(
            f"--channels {options.channels} is neither one nor three.",
            "A film has one channel, which is repeated three times at most.",
        )
    if options.channels is not None and channels not in (None, options.channels):
        raise UsageError(
            f"--channels {options.channels}: {file} asks for {channels}.", "Leave --channels out."
        )
    if channels is None:
        channels = options.channels
        if channels is None:
            notes.ask("how many channels it takes", "--channels 1|3", "--channels 3")
            return layout, None
        notes.tell("channels", channels, BY_OPTION)
    else:
        notes.tell("channels", channels, BY_GRAPH)
    return layout, channels


def _size(
    file: str,
    facts: Facts,
    layout: str | None,
    metadata: Ultralytics | None,
    options: AdoptOptions,
    notes: _Notes,
) -> tuple[int, int] | None:
    """Height and width; what the graph leaves open comes from the metadata or the options."""
    if layout is None:
        return options.size
    at_height, at_width = _SIDES[layout]
    fixed = facts.shape[at_height], facts.shape[at_width]
    if options.size is not None:
        if any(side not in (None, said) for side, said in zip(fixed, options.size, strict=True)):
            raise UsageError(
                f"--size {options.size[0]}x{options.size[1]}: {file} asks for {facts.form()}.",
                "Leave --size out: the graph says it.",
            )
        found, by = options.size, BY_OPTION
    elif fixed[0] is not None and fixed[1] is not None:
        found, by = (fixed[0], fixed[1]), BY_GRAPH
    elif metadata is not None and metadata.size is not None:
        found, by = metadata.size, BY_FILE
    else:
        notes.ask("the size of its pictures", "--size H[xW]", "--size 224")
        return None
    notes.tell("size", f"{found[0]}x{found[1]}", by)
    return found


def _scaling(
    metadata: Ultralytics | None, options: AdoptOptions, channels: int | None, notes: _Notes
) -> tuple[str | None, tuple[float, ...], tuple[float, ...]]:
    """Range, mean and std."""
    preset = PRESETS[options.preset] if options.preset else None
    preset_by = f"--preset {options.preset}"
    if preset is not None and (options.mean or options.std) and preset.mean:
        raise UsageError(
            f"{preset_by} says mean and std, and so do --mean and --std.", "Give one of the two."
        )
    if preset and preset.range and options.range not in (None, preset.range):
        raise UsageError(
            f"{preset_by} is for the range {preset.range}, not {options.range}.",
            "Leave --range out, or give --range, --mean and --std without --preset.",
        )
    if options.range:
        found: str | None = options.range
        notes.tell("range", options.range, BY_OPTION)
    elif preset and preset.range:
        found = preset.range
        notes.tell("range", preset.range, preset_by)
    elif metadata is not None:
        found = "0-1"
        notes.tell("range", found, BY_ULTRALYTICS)
    else:
        found = None
        if preset is not None or options.mean or options.std:
            notes.ask(
                "what grey 0 and 255 become before mean and std",
                f"--range {'|'.join(RANGES)}",
                "--range 0-1",
            )
    if options.mean or options.std:
        for name, values in (("mean", options.mean), ("std", options.std)):
            if not values:
                notes.ask(f"the {name} beside what was given", f"--{name}", f"--{name} 0.5")
        mean, std, by = options.mean, options.std, BY_OPTION
    elif preset is not None:
        mean, std, by = preset.mean, preset.std, preset_by
    elif metadata is not None:
        mean, std, by = (), (), BY_ULTRALYTICS
    else:
        either = f"--preset {'|'.join(PRESETS)}, or "
        rest = "--mean and --std" if options.range else "--range, --mean and --std"
        notes.ask("how grey values are scaled", either + rest, "--preset imagenet")
        return found, (), ()
    if channels is not None:
        mean, std = _one_a_channel(mean, std, channels)
    notes.tell("mean", _numbers(mean), by)
    notes.tell("std", _numbers(std), by)
    return found, mean, std


def _one_a_channel(
    mean: tuple[float, ...], std: tuple[float, ...], channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for values in (mean, std):
        if len(values) not in (0, 1, channels):
            raise UsageError(
                f"The network takes {channels} channel(s), and {len(values)} numbers of mean or "
                "std were given.",
                "Give one for each channel, or one for all: --mean 0.5 --std 0.25.",
            )
    return tuple(v * (channels if len(v) == 1 else 1) for v in (mean, std))  # type: ignore[return-value]


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values) or "none"


def _resize(
    metadata: Ultralytics | None,
    size: tuple[int, int] | None,
    options: AdoptOptions,
    notes: _Notes,
) -> str | None:
    if options.resize is not None:
        notes.tell("resize", options.resize, BY_OPTION)
        return options.resize
    if options.crop_from is not None:
        notes.tell("resize", "crop", "from --crop-from")
        return "crop"
    if metadata is not None:
        # its transform keeps the aspect of a film for square pictures only
        found = "crop" if size is None or size[0] == size[1] else "stretch"
        notes.tell("resize", found, BY_ULTRALYTICS)
        return found
    notes.ask(
        "how films of another aspect ratio meet its size",
        "--resize stretch|pad|crop",
        "--resize stretch",
    )
    return None


def _rule(size: tuple[int, int], resize: str, options: AdoptOptions, notes: _Notes) -> DecodingRule:
    side = options.crop_from
    if side is None:
        return DecodingRule(*size, resize=resize)
    if resize != "crop" or size[0] != size[1] or side < size[0]:
        raise UsageError(
            f"--crop-from {side} is for square pictures that are cropped from larger ones, not for "
            f"{size[0]}x{size[1]} with --resize {resize}.",
            f"Say --resize crop and --crop-from {size[0]} or more, or leave --crop-from out.",
        )
    notes.tell("crop from", f"{side}x{side}", BY_OPTION)
    return DecodingRule(side, side, resize="crop")
