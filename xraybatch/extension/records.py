"""Every record that a hook returns, and the records it is handed.

All are frozen; none imports anything heavy, so that a plugin's module imports in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from xraybatch.core.tasks import TaskKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OptionValue = bool | int | float | str


# ── architectures ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Option:
    """An option of an architecture or exporter, given on the command line by ``-O name=value``.

    Attributes
    ----------
    name : str
        Lower case with hyphens.
    type : type
        `bool`, `int`, `float` or `str`.
    default : OptionValue
    help : str
        One sentence.
    choices : tuple of str
        The values allowed; empty: any.
    """

    name: str
    type: type[bool] | type[int] | type[float] | type[str]
    default: OptionValue
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingDefaults:
    """How an architecture wants to be trained unless a person says otherwise.

    Attributes
    ----------
    height, width : int
        Film size in pixels.
    epochs, batch_size : int
    optimizer : str
        A name that ``keras.optimizers.get`` knows.
    learning_rate, weight_decay : float
    val_split : float
        Share of the patients held back for validation.
    patience : int
        Epochs without a better validation loss before training stops.
    fine_tune : int
        Layers of a frozen backbone, counted from its end, that train after the head did.
    dropout : float
        Before each head.
    augment : str
        ``none``, ``mild``, ``strong`` or ``scale-rotate``.
    imbalance : str
        ``class-weights``, ``oversample``, ``focal`` or ``none``.
    schedule : str
        Of the learning rate: ``constant`` or ``cosine``.
    monitor : str
        What the best epoch is chosen by: ``loss``, ``accuracy``, ``balanced-accuracy``,
        ``macro-auc`` or ``kappa``, of the validation films.
    """

    height: int = 224
    width: int = 224
    epochs: int = 15
    batch_size: int = 32
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    val_split: float = 0.1
    patience: int = 5
    fine_tune: int = 0
    dropout: float = 0.0
    augment: str = "none"
    imbalance: str = "class-weights"
    schedule: str = "constant"
    monitor: str = "loss"


@dataclass(frozen=True)
class BuildOptions:
    """What `Architecture.build` is handed.

    Attributes
    ----------
    height, width : int
        Film size in pixels.
    weights : str or None
        ``imagenet``, the path of a Keras weights file, or None for random weights. An architecture
        without a pretrained backbone ignores ``imagenet``; anything that was asked for and cannot
        be loaded raises.
    values : mapping of str to OptionValue
        One entry for each of the architecture's options, checked and of its type.
    """

    height: int
    width: int
    weights: str | None = None
    values: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """Features, never outputs: xraybatch adds each task's head, loss and activation.

    Attributes
    ----------
    neck : keras.Model
        A functional model to an embedding ``[batch, D]``, float32. Its inputs are called ``films``
        (float32 in 0–255, ``[batch, height, width, 1 or 3]``), ``maps`` (the backbone's output), or
        both; their names say which they are.
    backbone : keras.Model or None
        From float32 films in 0–255 ``[batch, height, width, 1 or 3]`` to feature maps, its own
        normalisation inside. The only part that is frozen and whose output is cached.
    pretrained : bool
        Whether pretrained weights were really loaded into `backbone`.
    """

    neck: Any
    backbone: Any = None
    pretrained: bool = False


@dataclass(frozen=True)
class Architecture:
    """A network that can be trained: returned by ``register_architectures``.

    Attributes
    ----------
    name : str
        What ``--plugin`` takes: lower case, digits, hyphens.
    summary : str
        One line for the listing.
    build : callable
        ``build(options: BuildOptions) -> Network``. Imports Keras inside, never at module level.
    defaults : TrainingDefaults
    options : tuple of Option
    pretrained_on : str
        ``imagenet`` if `build` can load such weights, else empty.
    """

    name: str
    summary: str
    build: Callable[[BuildOptions], Network]
    defaults: TrainingDefaults = TrainingDefaults()
    options: tuple[Option, ...] = ()
    pretrained_on: str = ""


@dataclass(frozen=True)
class Preset:
    """A published project as one name: returned by ``register_presets``.

    Attributes
    ----------
    name, summary : str
    architecture : str
        Name of the architecture it trains.
    settings : mapping of str to value
        Options of ``xraybatch train`` by their long names, without the hyphens in front; those that
        can be repeated are tuples.
    data_form : str
        What ``xraybatch prepare`` finds at the source, in words.
    source, licence : str
        Where to get the data, and under which licence.
    default_place : str
        Folder that is looked in when no ``--data`` is given.
    """

    name: str
    summary: str
    architecture: str
    settings: Mapping[str, OptionValue | tuple[str, ...]]
    data_form: str
    source: str
    licence: str
    default_place: str


# ── exporters ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class ExportJob:
    """What `Exporter.write` is handed.

    Attributes
    ----------
    target : Path
        The file or folder to write; its parent exists, it does not.
    keras_model : keras.Model or None
        For an exporter that starts from "keras": one input ``films``, uint8
        ``[batch, height, width, 1]``; a dict of outputs by name: each task's probabilities
        (float32 ``[batch, K]``), then ``embedding`` and ``cam.<task>`` where the network has them.
    onnx_file : Path or None
        For an exporter that starts from "onnx": a finished model file.
    outputs : tuple of str
        Names of the outputs, in order, tasks first.
    values : mapping of str to OptionValue
    """

    target: Path
    outputs: tuple[str, ...]
    keras_model: Any = None
    onnx_file: Path | None = None
    values: Mapping[str, OptionValue] = field(default_factory=dict)


# uint8 films [batch, height, width, 1] → probabilities [batch, K] by task
PredictFilms = Callable[["NDArray[np.uint8]"], Mapping[str, "NDArray[np.float32]"]]


@dataclass(frozen=True)
class Exporter:
    """A format that models are written in: returned by ``register_exporters``.

    Attributes
    ----------
    name, summary : str
    suffix : str
        With the dot; empty for a folder.
    starts_from : {"keras", "onnx"}
    write : callable
        ``write(job: ExportJob) -> None``; writes `job.target`.
    open : callable
        ``open(path) -> predict``: what the parity gate calls with real films.
    metadata_inside : bool
        Whether the format carries card and seal itself (ONNX does); others get a file beside.
    options : tuple of Option
    """

    name: str
    summary: str
    suffix: str
    starts_from: Literal["keras", "onnx"]
    write: Callable[[ExportJob], None]
    open: Callable[[Path], PredictFilms]
    metadata_inside: bool = False
    options: tuple[Option, ...] = ()


# ── metrics ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Undefined:
    """A number that does not exist, and why: "no film of class 'severe'"."""

    reason: str


@dataclass(frozen=True)
class Metric:
    """A number that ``score`` computes beside its own: returned by ``register_metrics``.

    Attributes
    ----------
    name, summary : str
    needs : {"labels", "probabilities"}
        What the second argument of `compute` is.
    kinds : tuple of TaskKind
        Tasks it is defined for.
    higher_is_better : bool
    compute : callable
        ``compute(y_true, y, weights) -> float or Undefined``. `y_true`: int64 ``(n,)`` class
        indices (``(n, K)`` of 0 and 1 for multilabel). `y`: the same form for "labels", float64
        ``(n, K)`` for "probabilities". `weights`: int64 ``(n,)``, how often each row counts in a
        resample.
    """

    name: str
    summary: str
    needs: Literal["labels", "probabilities"]
    kinds: tuple[TaskKind, ...]
    higher_is_better: bool
    compute: Callable[..., float | Undefined]


# ── image readers ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Limits:
    """What a film may cost. A reader looks into the header and refuses before decoding.

    Attributes
    ----------
    max_pixels : int
        Height × width × samples of one frame.
    max_bytes : int
        Bytes that one decoded frame may take, and that any compressed part may unpack to.
    """

    max_pixels: int = 150_000_000
    max_bytes: int = 1 << 30


@dataclass(frozen=True)
class Window:
    """A window of DICOM: `function` is LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1)."""

    center: float
    width: float
    function: str = "LINEAR"


@dataclass(frozen=True)
class LookupTable:
    """A look-up table: stored value `first` maps to `entries[0]`; both ends are clipped."""

    first: int
    entries: NDArray[np.uint16]
    bits: int


@dataclass(frozen=True)
class DisplayHints:
    """What the file says about showing its stored values; mapping is done in `images`.

    Attributes
    ----------
    bits_stored : int or None
        Declared depth; None: the full range of the array's type.
    slope, intercept : float
        Modality rescale. Not used where `modality_lut` is given.
    modality_lut, voi_lut : LookupTable or None
        `voi_lut` goes before `window`.
    window : Window or None
        The first of the file's windows.
    white_is_zero : bool
        MONOCHROME1, Presentation LUT Shape INVERSE, or TIFF's photometric interpretation 0.
    padding : tuple of (int, int) or None
        Inclusive range of stored values that are no film (Pixel Padding Value and Limit).
    orientation : int
        1 to 8 as in EXIF 2.3; 1: upright.
    """

    bits_stored: int | None = None
    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: LookupTable | None = None
    voi_lut: LookupTable | None = None
    window: Window | None = None
    white_is_zero: bool = False
    padding: tuple[int, int] | None = None
    orientation: int = 1


@dataclass(frozen=True)
class StoredImage:
    """What a reader returns: the values as the file stores them.

    Attributes
    ----------
    array : ndarray
        ``(rows, columns)``, or ``(rows, columns, samples)`` with samples 2 (grey, alpha),
        3 (red, green, blue) or 4 (and alpha); bool, uint8, uint16, int16, uint32, int32 or
        float32 in 0–1.
    hints : DisplayHints
    format : str
        ``PNG``, ``JPEG``, ``TIFF``, ``DICOM`` …
    reader : str
        The library that decoded, with its version: ``pillow 13.0.0``.
    frames : int
        How many frames the file holds.
    notes : tuple of str
        What a person should know of this file, a sentence each.
    facts : mapping of str to str
        DICOM keywords and values that a person may ask for as ``tag.<Keyword>``; never written
        unasked.
    """

    array: NDArray[Any]
    hints: DisplayHints
    format: str
    reader: str
    frames: int = 1
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageReader:
    """A file format: returned by ``register_image_readers``.

    Attributes
    ----------
    name, summary : str
    suffixes : tuple of str
        Lower case with the dot.
    sniff : callable
        ``sniff(head: bytes) -> bool`` on the first 4 KiB of a file.
    read : callable
        ``read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage``; `file` is seekable and
        at its beginning. Raises `xraybatch.FilmError` with a status for every file that it cannot
        read whole; whatever else it raises becomes ``corrupt`` with that error's text.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    read: Callable[[BinaryIO, Limits, int], StoredImage]
