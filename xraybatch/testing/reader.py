"""What a reader promises: its own files and no others, whole or refused, and never a surprise."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, ImageReader, Limits, StoredImage
from xraybatch.images.decode import DEFAULT_LIMITS, FrameDecoder, decode, installed_readers
from xraybatch.images.recognise import HEAD
from xraybatch.images.rule import DecodingRule
from xraybatch.testing.contract import THROWN, Broken, Contract, Shared, check_callable, sentence
from xraybatch.testing.damage import cut, flipped, within
from xraybatch.testing.specimens import NO_FILMS, specimens
from xraybatch.testing.watch import quiet, watched

RULE = DecodingRule(32, 32)
_TYPES = ("bool", "uint8", "uint16", "int16", "uint32", "int32", "float32")
_RANDOM = 200
_WATCHED = 4
_FRAMES = 8


class ReaderContract(Contract):
    """The suite of a reader; subclass it as ``TestMine``, and say which by `name`.

    Attributes
    ----------
    examples : sequence of bytes or Path
        Files that it must read: small ones, the suite reads each some hundred times. Where there
        are none, small films of ours in the formats that its suffixes name.
    patience : float
        Seconds after which a damaged file counts as hanging.
    """

    kind = "reader"
    already_loaded = ("numpy",)
    examples: ClassVar[Sequence[bytes | Path | str]] = ()
    patience: ClassVar[float] = 20.0

    def check_record(self, record: ImageReader) -> None:
        """Suffixes and functions."""
        check_callable(record, "sniff", "read")
        if record.read_reduced is not None:
            check_callable(record, "read_reduced")
        if record.open_frames is not None:
            check_callable(record, "open_frames")
        if not record.suffixes or isinstance(record.suffixes, str):
            raise Broken("It has no suffixes.")
        for suffix in record.suffixes:
            if not re.fullmatch(r"(\.[a-z0-9_-]+)+", suffix):
                raise Broken(f"The suffix '{suffix}' is not lower case with a dot in front.")

    @Shared
    def files(self) -> list[bytes]:
        """The examples' bytes."""
        given = [x if isinstance(x, bytes) else Path(x).read_bytes() for x in self.examples]
        known = specimens()
        found = given or [known[s] for s in self.owned.record.suffixes if s in known]
        if not found:
            raise SkipTest(
                "There is no example of its format: give --example FILE, or `examples` in a suite."
            )
        return found

    def test_knows_its_files_by_their_first_bytes(self) -> None:
        """`sniff` is true of the first 4 KiB of its files."""
        for file in self.files:
            if self._sniff(file[:HEAD]) is not True:
                raise Broken(f"It does not know a file that begins with {file[:8]!r}.")
        self.figure = f"{len(self.files)} examples"

    def test_leaves_other_files_alone(self) -> None:
        """`sniff` is false of other formats, of text, zeros and no bytes at all."""
        record: ImageReader = self.owned.record
        others = {
            f"a file {s}": data for s, data in specimens().items() if s not in record.suffixes
        }
        for what, data in {**others, **NO_FILMS, "an empty file": b""}.items():
            if self._sniff(data[:HEAD]):
                raise Broken(f"It takes {what} for its own.")

    def test_sniffs_anything_without_raising(self) -> None:
        """`sniff` answers true or false to cut heads of its files, and false to random bytes."""
        random = np.random.default_rng(9)
        for number in range(_RANDOM):
            if self._sniff(random.bytes(int(random.integers(1, HEAD)))):
                raise Broken(f"It takes random bytes for its own (draw {number}).")
        heads = [] if not self._has_files() else [file[:HEAD] for file in self.files]
        for head in heads:
            for length in range(min(160, len(head))):
                self._sniff(head[:length])

    @Shared
    def images(self) -> list[StoredImage]:
        """What it reads from its files."""
        return [self._read(file) for file in self.files]

    def test_reads_its_files(self) -> None:
        """`read` returns a StoredImage: values of an allowed type and shape, hints, facts."""
        for image in self.images:
            check_stored(image)
        first = self.images[0]
        self.figure = f"{first.array.dtype} {'x'.join(map(str, first.array.shape))}"

    @Shared
    def digests(self) -> list[bytes]:
        """Digests of the films that its files decode to."""
        return [self._decode(file) for file in self.files]

    def test_decodes_into_films(self) -> None:
        """`decode` makes a film of what it reads; twice, and in threads, the same."""
        expected = self.digests * 4
        with ThreadPoolExecutor(4) as threads:
            if list(threads.map(self._decode, self.files * 4)) != expected:
                raise Broken("Read again, in threads, a file gives another film.")

    def test_is_the_one_that_is_asked(self) -> None:
        """No reader that is asked before it takes its files."""
        for file in self.files:
            for reader in installed_readers():
                if reader is self.owned.record:
                    break
                if reader.sniff(file[:HEAD]):
                    raise Broken(f"Its files are read by '{reader.name}', which is asked first.")

    def test_a_cut_file_is_no_film(self) -> None:
        """A file cut short at any place is refused with a status, never a partial picture."""
        for file, whole in zip(self.files, self.digests, strict=True):
            for length, data in cut(file):
                if self._attempt(data, f"cut to {length} bytes") not in (None, whole):
                    raise Broken(f"Cut to {length} of {len(file)} bytes it gives another picture.")

    def test_a_damaged_file_is_a_film_or_refused(self) -> None:
        """With a bit flipped anywhere it is refused with a status or read; it never hangs."""
        for file, _ in zip(self.files, self.digests, strict=True):
            for place, data in flipped(file):
                self._attempt(data, f"with a bit flipped at byte {place}")

    def test_honours_the_limits(self) -> None:
        """A film over the limit of pixels, or of bytes, is refused as too_large."""
        for file, image in zip(self.files, self.images, strict=True):
            # a palette has one sample in the file and three in the array: the fewer count
            pixels = image.array.shape[0] * image.array.shape[1]
            for word, limits in (
                ("pixels", Limits(max_pixels=pixels - 1)),
                ("bytes", Limits(max_bytes=max(1, pixels // 8))),
            ):
                try:
                    self._decode(file, limits=limits)
                except FilmError as error:
                    if error.status is FilmStatus.TOO_LARGE:
                        continue
                    raise Broken(f"Over the limit of {word} a film is {error.status}.") from None
                raise Broken(f"A film over the limit of {word} is read all the same.")

    def test_reduces_no_more_than_it_may(self) -> None:
        """`read_reduced` keeps within what it is allowed, and says what the film's size is."""
        record: ImageReader = self.owned.record
        if record.read_reduced is None:
            self.figure = "reads at full size only"
            return
        for file, image in zip(self.files, self.images, strict=True):
            for most in (0.3, 1.0, 2.5, 8.0):
                got = record.read_reduced(io.BytesIO(file), DEFAULT_LIMITS, 0, lambda *_, m=most: m)
                check_stored(got)
                _check_reduction(got, image.array.shape[:2], max(1.0, most))

    def test_refuses_a_frame_that_is_not_there(self) -> None:
        """A frame beyond the last is refused with a status."""
        for file, image in zip(self.files, self.images, strict=True):
            try:
                self._decode(file, frame=image.frames)
            except FilmError:
                continue
            raise Broken(f"Frame {image.frames} of {image.frames}, counted from 0, is read.")

    def test_reads_frames_of_an_open_file(self) -> None:
        """`open_frames` gives the frames that `read` gives, in any order, also after a failure."""
        if self.owned.record.open_frames is None:
            self.figure = "opens the file for each frame"
            return
        for file, image in zip(self.files, self.images, strict=True):
            opened = FrameDecoder(io.BytesIO(file), RULE, readers=[self.owned.record])
            some = range(min(image.frames, _FRAMES))
            for frame in (*some, image.frames, *reversed(some)):
                try:
                    found = opened.film(frame).digest
                except FilmError:
                    if frame < image.frames:
                        raise
                else:
                    if frame == image.frames or found != self._decode(file, frame=frame):
                        raise Broken(f"Frame {frame} of an open file is another than alone.")

    def test_prints_and_writes_nothing(self) -> None:
        """Reading prints nothing, leaves no file behind, and leaves the file open."""
        self.images  # noqa: B018 - what cannot be read is said elsewhere
        for file in self.files:
            # another thread, such as a progress bar's, may write now and then; a reader does always
            for _ in range(_WATCHED):
                stream = io.BytesIO(file)
                with watched(self.folder / "watched") as seen:
                    self.owned.record.read(stream, DEFAULT_LIMITS, 0)
                if not seen.printed:
                    break
            if seen.printed:
                raise Broken(f"It prints: {seen.printed}")
            if seen.files:
                raise Broken(f"It leaves files behind: {', '.join(seen.files)}.")
            if stream.closed:
                raise Broken("It closes the file that it was handed.")

    def _sniff(self, head: bytes) -> bool:
        answer = self.owned.record.sniff(head)
        if not isinstance(answer, bool | np.bool_):
            raise Broken(f"sniff returns a {type(answer).__name__}, not true or false.")
        return bool(answer)

    def _has_files(self) -> bool:
        try:
            return bool(self.files)
        except SkipTest:
            return False

    def _read(self, file: bytes) -> StoredImage:
        image: StoredImage = self.owned.record.read(io.BytesIO(file), DEFAULT_LIMITS, 0)
        return image

    def _decode(self, file: bytes, limits: Limits = DEFAULT_LIMITS, frame: int = 0) -> bytes:
        readers = [self.owned.record]
        return decode(file, RULE, frame=frame, limits=limits, readers=readers).digest

    def _attempt(self, data: bytes, how: str) -> bytes | None:
        """The digest of a damaged file's film; None where it was refused."""
        try:
            with quiet():
                return within(self.patience, lambda: self._decode(data))
        except FilmError:
            return None
        except TimeoutError:
            raise Broken(
                f"{how.capitalize()}, a file is still read after {self.patience:g} s."
            ) from None
        except THROWN as error:
            raise Broken(f"{how.capitalize()}, a file raises {sentence(error)}") from error


def _check_reduction(image: StoredImage, whole: tuple[int, ...], most: float) -> None:
    by = image.reduction
    if not 1 <= by <= most:
        raise Broken(f"It reduces {by} times where {most:g} are allowed.")
    if by > 1 and image.whole != whole:
        raise Broken(f"Of a film of {whole} it says, reduced, that it has {image.whole}.")
    expected = tuple(-(-side // by) for side in whole)
    if image.array.shape[:2] != expected:
        raise Broken(f"Reduced {by} times, {whole} become {image.array.shape[:2]}, not {expected}.")


def check_stored(image: Any) -> None:
    """Raise `Broken` unless this is what a reader may return."""
    if not isinstance(image, StoredImage):
        raise Broken(f"read returns a {type(image).__name__}, not a StoredImage.")
    array = image.array
    if not isinstance(array, np.ndarray) or array.dtype.name not in _TYPES:
        kind = getattr(array, "dtype", type(array).__name__)
        raise Broken(f"The array is {kind}; it may be {', '.join(_TYPES)}.")
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] > 4):
        raise Broken(f"The array has the shape {array.shape}, not (rows, columns[, samples]).")
    if array.dtype == np.float32 and not (array.min() >= -1e-3 and array.max() <= 1 + 1e-3):
        raise Broken("Float values lie outside 0–1.")
    hints = image.hints
    if not isinstance(hints, DisplayHints) or hints.orientation not in range(1, 9):
        raise Broken(f"The hints are {hints!r}.")
    bits = array.dtype.itemsize * 8
    if hints.bits_stored is not None and not 1 <= hints.bits_stored <= bits:
        raise Broken(f"The hints declare {hints.bits_stored} bits of {bits}.")
    if not (image.format and image.reader) or image.frames < 1:
        raise Broken("Format, reader and number of frames must be said.")
    if isinstance(image.notes, str) or not all(isinstance(note, str) for note in image.notes):
        raise Broken("The notes are no tuple of sentences.")
    if not isinstance(image.facts, Mapping) or not all(
        isinstance(text, str) for pair in image.facts.items() for text in pair
    ):
        raise Broken("The facts are no mapping of text to text.")
