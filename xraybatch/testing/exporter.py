"""What an exporter promises: a file that is whole or not there, and that answers as Keras does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.progress import SILENT
from xraybatch.extension.records import Architecture, Exporter, ExportJob, Network, PredictFilms
from xraybatch.images.rule import DecodingRule
from xraybatch.testing.contract import (
    THROWN,
    Broken,
    Contract,
    Shared,
    check_callable,
    check_options,
)
from xraybatch.testing.films import FILMS, TASK_CARDS, TASKS, many_films
from xraybatch.testing.networks import check_is_network
from xraybatch.testing.sealed import seal_exported
from xraybatch.testing.spread import check_spread, spread_heads
from xraybatch.training.backend import check_installed, choose_device, load_keras, set_seed
from xraybatch.training.gate import BATCH_SIZES, check_parity, keras_answers
from xraybatch.training.heads import head_for
from xraybatch.training.network import Assembly, assemble
from xraybatch.training.options import TOLERANCE, TrainOptions
from xraybatch.training.precision_gate import answers_of, shift_of
from xraybatch.training.settings import parse_values, settle
from xraybatch.training.weights import build_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 32
_PRECISIONS = ("fp32", "fp16", "int8")
_SHIFT = 0.02  # of probabilities of random weights, on average: eight bits do better by far


@dataclass(frozen=True)
class Source:
    """A network to export, and what Keras answers with it.

    Attributes
    ----------
    assembly : Assembly
    answers : dict of str to ndarray of float32
        By task, for `many_films`.
    onnx_file : Path or None
        Its sealed model file, for an exporter that starts from one.
    """

    assembly: Assembly
    answers: dict[str, NDArray[np.float32]]
    onnx_file: Path | None

    def job(self, target: Path, values: dict[str, Any]) -> ExportJob:
        """What the exporter is handed."""
        if self.onnx_file is not None:
            tasks = tuple(task.name for task in TASKS)
            seen = many_films(SIZE, SIZE)
            return ExportJob(
                target, tasks, onnx_file=self.onnx_file, values=values, calibration=seen
            )
        outputs, model = self.assembly.outputs, self.assembly.inference
        return ExportJob(target, outputs, keras_model=model, values=values)


class ExporterContract(Contract):
    """The suite of an exporter; subclass it as ``TestMine`` and say which by `name`."""

    kind = "exporter"
    allowed_name = r"[a-z][a-z0-9]*([-_][a-z0-9]+)*"  # formats have names of their own: saved_model

    def check_record(self, record: Exporter) -> None:
        """Suffix, source and options."""
        check_callable(record, "write", "open")
        check_options(record.options)
        if record.suffix and (record.suffix[0] != "." or record.suffix != record.suffix.lower()):
            raise Broken(f"The suffix '{record.suffix}' is not lower case with a dot in front.")
        if record.starts_from not in ("keras", "onnx"):
            raise Broken(f"It starts from '{record.starts_from}'; known are 'keras' and 'onnx'.")
        if record.precision not in _PRECISIONS:
            raise Broken(f"Its precision is '{record.precision}'; known: {', '.join(_PRECISIONS)}.")
        if record.precision != "fp32" and record.starts_from != "onnx":
            raise Broken(f"A file in {record.precision} starts from 'onnx', the fp32 model file.")

    @Shared
    def source(self) -> Source:
        """A network with every kind of task, whose answers differ from film to film."""
        check_installed()
        choose_device("cpu")  # where the file that is compared with it runs, too
        set_seed(3)
        small = Architecture("small", "For the suite.", _small_network)
        asked = TrainOptions(small.name, image_size=f"{SIZE}", weights="none")
        network, _ = build_network(small, settle(asked, small), "none", SILENT)
        check_is_network(network)
        heads = [head_for(task) for task in TASKS]
        assembly = assemble(network, heads, height=SIZE, width=SIZE)
        films = many_films(SIZE, SIZE)
        embeddings = assembly.inference.predict_on_batch(films)["embedding"]
        spread_heads(np.asarray(embeddings), heads)
        answers = keras_answers(assembly.inference, films, TASK_CARDS)
        check_spread(answers)
        onnx_file = None
        if self.owned.record.starts_from == "onnx":
            rule = DecodingRule(SIZE, SIZE)
            onnx_file = seal_exported(self.folder, assembly, answers, rule, "small")[0].path
        return Source(assembly, answers, onnx_file)

    @Shared
    def written(self) -> Path:
        """What `write` has written, alone in a folder whose name is not plain."""
        folder = self.folder / "Röntgen 1"
        folder.mkdir()
        target = folder / f"model{self.owned.record.suffix}"
        self.owned.record.write(self.source.job(target, self._values()))
        found = [path.name for path in folder.iterdir()]
        if found != [target.name]:
            raise Broken(f"Beside or instead of {target.name} it wrote {', '.join(found) or '-'}.")
        return target

    def test_writes_what_it_was_told_to(self) -> None:
        """`write` makes the target and nothing beside it: a file, or a folder without a suffix."""
        target = self.written
        if target.is_dir() == bool(self.owned.record.suffix):
            raise Broken(f"With the suffix '{target.suffix}' it wrote a {_what(target)}.")
        files = [target] if target.is_file() else [p for p in target.rglob("*") if p.is_file()]
        self.figure = f"{sum(path.stat().st_size for path in files):,} bytes"

    @Shared
    def predict(self) -> PredictFilms:
        """What `open` returns."""
        opened: PredictFilms = self.owned.record.open(self.written)
        return opened

    @Shared
    def answering(self) -> PredictFilms:
        """The same, known to answer batches of any size in the promised form."""
        films = many_films(SIZE, SIZE)
        before = films.copy()
        for size in BATCH_SIZES:
            _check_answers(self.predict(films[:size]), len(films[:size]))
        if not np.array_equal(films, before):
            raise Broken("It changes the films that it is given.")
        return self.predict

    def test_answers_films_by_task(self) -> None:
        """What it opens takes uint8 films in any batch and gives float32 [n, classes] by task."""
        self.answering  # noqa: B018 - the work is the check

    def test_answers_as_keras_does(self) -> None:
        """On answers that spread, it differs from Keras by no more than its gate lets."""
        source, films = self.source, many_films(SIZE, SIZE)
        if self.owned.record.precision != "fp32":
            after = answers_of(self.answering, films, TASK_CARDS)
            shift = shift_of(source.answers, after, TASK_CARDS)
            self.figure = f"probabilities move {shift.mean:.0e} on average over {FILMS} films"
            if shift.mean > _SHIFT:
                raise Broken(f"Too coarse, or wrong: {self.figure}.")
            return
        parity = check_parity(
            source.answers, self.answering, films, TASK_CARDS, tolerance=TOLERANCE
        )
        self.figure = f"largest difference {parity.largest_difference:.0e} over {FILMS} films"

    def test_leaves_in_float_what_it_is_told_to(self) -> None:
        """With every layer of `layers` in float32 it answers as Keras does, within the tolerance.

        That holds of an exporter of another precision than fp32 which says what its layers are.
        """
        record = self.owned.record
        if record.precision == "fp32" or record.layers is None:
            return
        target = self.folder / f"in float{record.suffix}"
        job = self.source.job(target, self._values())
        layers = tuple(record.layers(job))
        if not layers or len(set(layers)) != len(layers):
            raise Broken(f"It names the layers {', '.join(layers) or '-'}.")
        record.write(replace(job, in_float=layers))
        after = answers_of(record.open(target), many_films(SIZE, SIZE), TASK_CARDS)
        largest = shift_of(self.source.answers, after, TASK_CARDS).largest
        if largest > TOLERANCE:
            raise Broken(f"With all layers in float it is {largest:.0e} off.")
        self.figure = f"{len(layers)} layers"

    def test_leaves_nothing_half_written(self) -> None:
        """A source that fails while it is written raises, and nothing is left at the target."""
        folder = self.folder / "fails"
        folder.mkdir()
        job = self._failing_job(folder / f"model{self.owned.record.suffix}")
        try:
            self.owned.record.write(job)
        except THROWN:
            left = [path.name for path in folder.iterdir()]
            if left:
                raise Broken(f"After a failure it leaves {', '.join(left)}.") from None
            return
        raise Broken("It says nothing of a source that cannot be written.")

    def test_opens_only_what_it_wrote(self) -> None:
        """`open` refuses a target that is not there, and one that is damaged."""
        suffix = self.owned.record.suffix
        damaged = self.folder / f"damaged{suffix}"
        if suffix:
            damaged.write_bytes(b"this is no model" * 64)
        else:
            damaged.mkdir()
        films = many_films(SIZE, SIZE)[:2]
        for path in (self.folder / f"not there{suffix}", damaged):
            try:
                self.owned.record.open(path)(films)
            except THROWN:
                continue
            raise Broken(f"It opens '{path.name}', which is no model.")

    def _values(self) -> dict[str, Any]:
        return dict(parse_values((), self.owned.record.options))

    def _failing_job(self, target: Path) -> ExportJob:
        if self.owned.record.starts_from == "onnx":
            broken = self.folder / "broken.onnx"
            broken.write_bytes(b"this is no graph" * 64)
            tasks = tuple(task.name for task in TASKS)
            films = many_films(SIZE, SIZE)
            return ExportJob(
                target, tasks, onnx_file=broken, values=self._values(), calibration=films
            )
        model = _model_that_fails()
        return ExportJob(target, (TASKS[0].name,), keras_model=model, values=self._values())


def _check_answers(answers: Any, films: int) -> None:
    missing = [task.name for task in TASKS if task.name not in answers]
    if missing:
        raise Broken(f"Its answers lack {', '.join(missing)}: {', '.join(answers)}.")
    for task in TASKS:
        values = answers[task.name]
        if not isinstance(values, np.ndarray) or values.dtype != np.float32:
            kind = getattr(values, "dtype", type(values).__name__)
            raise Broken(f"The answer of '{task.name}' is {kind}, not a float32 array.")
        if values.shape != (films, len(task.classes)):
            raise Broken(
                f"{films} films, {len(task.classes)} classes of '{task.name}': the answer has "
                f"the shape {values.shape}."
            )


def _small_network(options: Any) -> Network:
    keras = load_keras()
    films = keras.layers.Input((options.height, options.width, 3), name="films")
    x = keras.layers.Rescaling(1 / 64, offset=-2.0)(films)
    for filters in (8, 16):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    maps = keras.layers.Input(x.shape[1:], name="maps")
    neck = keras.Model(maps, keras.layers.GlobalAveragePooling2D()(maps))
    return Network(neck=neck, backbone=keras.Model(films, x))


def _model_that_fails() -> Any:
    """A Keras model that was built well and fails whenever it is traced again."""
    keras = load_keras()

    class Fails(keras.layers.Layer):  # type: ignore[misc,name-defined]
        armed = False

        def call(self, films: Any) -> Any:
            if self.armed:
                raise RuntimeError("this source cannot be written")
            return keras.ops.mean(keras.ops.cast(films, "float32"), axis=(1, 2)) / 255.0

    films = keras.layers.Input((SIZE, SIZE, 1), dtype="uint8", name="films")
    layer = Fails()
    model = keras.Model(films, {TASKS[0].name: layer(films)})
    layer.armed = True
    return model


def _what(path: Path) -> str:
    return "folder" if path.is_dir() else "file"
