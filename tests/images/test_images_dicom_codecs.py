"""Compressed DICOM: which codec decodes, what it is never handed, and what it must not invent."""

from __future__ import annotations

import io
import os
import resource
import struct
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from xraybatch import FilmError, Limits, StoredImage
from xraybatch.images.decode import decode
from xraybatch.images.readers import dicom, dicom_codecs
from xraybatch.images.rule import DecodingRule

imagecodecs = pytest.importorskip(
    "imagecodecs", reason="imagecodecs is not installed: pip install 'xraybatch[dicom]'"
)

jpeg_ls = pytest.importorskip(
    "jpeg_ls", reason="pyjpegls is not installed: pip install 'xraybatch[dicom]'"
)

RULE = DecodingRule(48, 40)
ONE_OF_EACH = {
    "wg04/RG3_RLE": "5",
    "ct/CT_JPEGBaseline_50.dcm": "4.50",
    "small/NM1_JPEGExtended_51_12bit.dcm": "4.51",
    "ct/CT_JPEGLossless_57.dcm": "4.57",
    "small/NM1_JPLL": "4.70",
    "made/film12_jls80.dcm": "4.80",
    "small/JPEGLSNearLossless_08.dcm": "4.81",
    "made/film12_j2k90.dcm": "4.90",
    "small/NM1_J2KI_91.dcm": "4.91",
    "made/film12_htj2k201.dcm": "4.201",
    "small/NM1_JPH": "4.202",
    "colour/HTJ2K_203_RGB.dcm": "4.203",
}


def stored(data: bytes, frame: int = 0) -> StoredImage:
    return dicom.read(io.BytesIO(data), Limits(), frame)


def answer(data: bytes) -> tuple[str, str]:
    try:
        decode(data, RULE)
    except FilmError as error:
        return str(error.status), error.sentence
    return "ok", ""


def jpeg(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def with_frame(path: Path, change) -> bytes:
    """A film of one frame, that frame changed, the DICOM around it whole."""
    film = dcmread(path)
    film.PixelData = encapsulate([change(get_frame(film.PixelData, 0, number_of_frames=1))])
    film["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    film.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_cut_frame_is_truncated_however_little_is_missing(name, shared_data):
    path = shared_data / "dicom" / name
    assert dcmread(path).file_meta.TransferSyntaxUID.endswith(ONE_OF_EACH[name])
    for share in (0.1, 0.5, 0.9):
        cut = with_frame(path, lambda frame, share=share: frame[: int(len(frame) * share)])
        assert answer(cut)[0] == "truncated", share
    # a byte of padding can stand where the end of JPEG 2000 was
    assert answer(with_frame(path, lambda frame: frame[:-3]))[0] in ("truncated", "corrupt")
    assert answer(with_frame(path, lambda frame: frame + b"\0\0"))[0] == "ok"  # padding


@pytest.mark.parametrize(
    "name", [n for n, syntax in ONE_OF_EACH.items() if syntax not in ("5", "4.50", "4.51")]
)
def test_a_frame_with_a_hole_is_not_ok(name, shared_data, capfd):
    path = shared_data / "dicom" / name

    def with_hole(frame: bytes) -> bytes:
        middle = len(frame) // 2
        return frame[:middle] + frame[middle + min(200, len(frame) // 4) :]

    assert answer(with_frame(path, with_hole))[0] in ("corrupt", "truncated")
    assert capfd.readouterr() == ("", "")


def odd_adobe(frame: bytes) -> bytes:
    return frame[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0\x03" + frame[2:]


def no_table(frame: bytes) -> bytes:
    at = frame.index(b"\xff\xc4")
    return frame[:at] + b"\xff\x00" + frame[at + 2 :]


def full_table(frame: bytes) -> bytes:
    at = frame.index(b"\xff\xc4")
    return frame[: at + 5] + bytes([3]) + frame[at + 6 :]


def no_predictor(frame: bytes) -> bytes:
    at = frame.index(b"\xff\xda")
    return frame[: at + 7] + b"\0" + frame[at + 8 :]


@pytest.mark.parametrize(
    ("change", "status"),
    [(odd_adobe, "ok"), (no_table, "corrupt"), (full_table, "corrupt"), (no_predictor, "corrupt")],
)
def test_headers_that_end_the_process_in_gdcm(change, status, shared_data, tmp_path):
    """In a process of its own; the first two were aborted."""
    path = tmp_path / "film.dcm"
    path.write_bytes(with_frame(shared_data / "dicom" / "small" / "NM1_JPLL", change))
    code = f"""
        from xraybatch import FilmError
        from xraybatch.images.decode import decode_path
        from xraybatch.images.rule import DecodingRule
        try:
            decode_path({str(path)!r}, DecodingRule(32, 32))
            print("ok")
        except FilmError as error:
            print(error.status)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{status}\n", "")


def test_codecs_are_quiet(shared_data, capfd):
    for name in ONE_OF_EACH:
        data = (shared_data / "dicom" / name).read_bytes()
        assert answer(data)[0] == "ok"
        answer(with_frame(shared_data / "dicom" / name, lambda f: f[:400] + f[:400] + f[400:]))
    assert capfd.readouterr() == ("", "")


def test_what_others_write_to_the_standard_error_comes_back(shared_data, capfd):
    assert answer((shared_data / "dicom" / "small" / "NM1_JPLL").read_bytes())[0] == "ok"
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


# Codestreams that announce more than their DICOM: a codec would believe them.


def huge_jpeg(frame: bytes) -> bytes:
    at = frame.index(b"\xff\xc0")
    return frame[: at + 5] + struct.pack(">HH", 65535, 65535) + frame[at + 9 :]


def huge_jpeg2000(frame: bytes) -> bytes:
    return frame[:8] + struct.pack(">II", 65535, 65535) + frame[16:]


def huge_jpegls(frame: bytes) -> bytes:
    at = frame.index(b"\xff\xf7")
    return frame[: at + 5] + struct.pack(">HH", 65535, 65535) + frame[at + 9 :]


def huge_lossless(frame: bytes) -> bytes:
    at = frame.index(b"\xff\xc3")
    return frame[: at + 5] + struct.pack(">HH", 65535, 65535) + frame[at + 9 :]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ct/CT_JPEGBaseline_50.dcm", huge_jpeg),
        ("small/NM1_JPLL", huge_lossless),
        ("made/film12_jls80.dcm", huge_jpegls),
        ("made/film12_j2k90.dcm", huge_jpeg2000),
        ("made/film12_htj2k201.dcm", huge_jpeg2000),
    ],
)
def test_a_codestream_that_announces_65535_squared_is_refused(name, change, shared_data):
    data = with_frame(shared_data / "dicom" / name, change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, sentence = answer(data)
    assert status == "corrupt"
    assert "65535 x 65535" in sentence
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_boxed_codestream_is_looked_into(grey, dicom_film):
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG2000", irreversible=False)
    boxed = buffer.getvalue()
    assert boxed[4:8] == b"jP  "
    film = dicom_film(grey, [boxed], syntax=JPEG2000Lossless)
    assert np.array_equal(stored(film).array, grey)
    at = boxed.index(b"\xff\x4f\xff\x51")
    huge = boxed[:at] + huge_jpeg2000(boxed[at:])
    status, sentence = answer(dicom_film(grey, [huge], syntax=JPEG2000Lossless))
    assert (status, "65535 x 65535" in sentence) == ("corrupt", True)


def test_runs_that_unpack_without_end_are_refused(dicom_film):
    small = np.zeros((8, 8), np.uint8)
    bomb = struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\x00" * 2_000_000
    status, sentence = answer(dicom_film(small, [bomb], syntax=RLELossless))
    assert status == "corrupt"
    assert "64 bytes" in sentence


@pytest.mark.parametrize("name", list(ONE_OF_EACH)[1:])
def test_what_is_no_codestream_is_corrupt(name, shared_data):
    noise = np.random.default_rng(0).bytes(500)
    assert answer(with_frame(shared_data / "dicom" / name, lambda _: noise))[0] == "corrupt"


def test_another_depth_than_the_headers_is_corrupt(grey, dicom_film):
    wide = grey.astype(np.uint16)
    film = dicom_film(wide, [jpeg(grey)], syntax=JPEGBaseline8Bit)
    status, sentence = answer(film)
    assert (status, "16 bits a sample" in sentence) == ("corrupt", True)


# Frames


@pytest.mark.parametrize(
    "name", ["emri_10frames_RLE.dcm", "emri_10frames_J2K.dcm", "emri_10frames_JLS.dcm"]
)
def test_each_frame_is_its_own(name, shared_data):
    path = shared_data / "dicom" / "small" / name
    theirs = dcmread(path).pixel_array
    assert len(np.unique(theirs.reshape(10, -1), axis=0)) == 10
    for frame in range(10):
        assert np.array_equal(stored(path.read_bytes(), frame).array, theirs[frame]), frame


@pytest.mark.parametrize(
    ("syntax", "encode", "near"),
    [
        (JPEGBaseline8Bit, jpeg, 12),
        (JPEGExtended12Bit, jpeg, 12),
        (JPEGExtended12Bit, lambda a: imagecodecs.jpeg_encode(a, bitspersample=12), 200),
        (JPEGLossless, lambda a: imagecodecs.ljpeg_encode(a), 0),
        (JPEGLosslessSV1, lambda a: imagecodecs.ljpeg_encode(a), 0),
        (JPEGLSLossless, lambda a: imagecodecs.jpegls_encode(a), 0),
        (JPEGLSNearLossless, lambda a: imagecodecs.jpegls_encode(a, level=2), 2),
        (JPEG2000Lossless, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k"), 0),
        (JPEG2000, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k"), 0),
        (HTJ2K, lambda a: imagecodecs.htj2k_encode(a), 0),
    ],
)
@pytest.mark.parametrize("with_table", [True, False])
def test_a_chosen_frame_of_every_codec(grey, dicom_film, syntax, encode, near, with_table):
    """Three frames by an encoder of another library, with and without a table of offsets."""
    smooth = np.asarray(Image.fromarray(grey).resize((96, 80)).resize((40, 48)))
    eight = [smooth, smooth[::-1].copy(), smooth[:, ::-1].copy()]
    twelve = near == 200
    frames = [f.astype(np.uint16) * 16 for f in eight] if twelve else eight
    film = dicom_film(
        frames[0],
        [encode(f) for f in frames],
        syntax=syntax,
        NumberOfFrames=3,
        BitsStored=12 if twelve else 8,
    )
    if not with_table:
        header = dcmread(io.BytesIO(film))
        header.PixelData = encapsulate([encode(f) for f in frames], has_bot=False)
        buffer = io.BytesIO()
        header.save_as(buffer)
        film = buffer.getvalue()
    for number, want in enumerate(frames):
        got = stored(film, number)
        assert got.frames == 3
        assert np.abs(got.array.astype(int) - want).max() <= near
        assert got.notes == (f"The file has 3 frames; frame {number} was read.",)
    with pytest.raises(FilmError, match="Frame 3"):
        stored(film, 3)


# Sign, depth, colour


def jpegls(values: np.ndarray, bits: int) -> bytes:
    rows, columns = values.shape
    said = {"rows": rows, "columns": columns, "samples_per_pixel": 1, "bits_stored": bits}
    return bytes(jpeg_ls.encode_pixel_data(values.tobytes(), **said))


@pytest.mark.parametrize("bits", [9, 12, 15, 16])
@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (JPEGLSLossless, jpegls),
        (JPEGLosslessSV1, lambda a, bits: imagecodecs.ljpeg_encode(a, bitspersample=bits)),
    ],
)
def test_codecs_without_a_sign_get_it_from_the_header(dicom_film, syntax, encode, bits):
    random = np.random.default_rng(bits)
    half = 2 ** (bits - 1)
    film = random.integers(-half, half, (48, 40)).astype(np.int16)
    film[0, :2] = -half, half - 1
    masked = film.view(np.uint16) & np.uint16(2**bits - 1)
    got = stored(dicom_film(film, [encode(masked, bits)], syntax=syntax, BitsStored=bits))
    assert got.array.dtype == np.int16
    assert np.array_equal(got.array, film)


def test_codestream_and_header_that_disagree_on_the_sign(shared_data):
    image = stored((shared_data / "dicom" / "small" / "J2K_pixelrep_mismatch.dcm").read_bytes())
    assert (image.array.min(), image.array.max()) == (-2000, 1896)


@pytest.mark.parametrize(
    ("photometric", "options"),
    [
        ("YBR_FULL_422", {}),  # JFIF's marker
        ("YBR_FULL", {"subsampling": 0}),
        ("RGB", {"keep_rgb": True}),
    ],
)
def test_colour_of_jpeg(dicom_film, photometric, options):
    colour = np.zeros((48, 40, 3), np.uint8)
    colour[:24, :, 0], colour[24:, :, 1], colour[:, 20:, 2] = 200, 150, 90
    film = dicom_film(
        colour,
        [jpeg(colour, **options)],
        syntax=JPEGBaseline8Bit,
        PhotometricInterpretation=photometric,
    )
    far = np.abs(stored(film).array.astype(int) - colour)
    assert np.median(far) <= 3


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "RGB"])
def test_colour_that_an_adobe_marker_explains_is_turned_once(dicom_film, photometric):
    colour = np.zeros((48, 40, 3), np.uint8)
    colour[:24, :, 0], colour[24:, :, 1], colour[:, 20:, 2] = 200, 150, 90
    plain = jpeg(colour, subsampling=0)
    length = int.from_bytes(plain[4:6], "big")
    assert plain[6:10] == b"JFIF"
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0\x01"
    marked = plain[:2] + adobe + plain[4 + length :]
    film = dicom_film(
        colour, [marked], syntax=JPEGBaseline8Bit, PhotometricInterpretation=photometric
    )
    far = np.abs(stored(film).array.astype(int) - colour)
    assert np.median(far) <= 3


@pytest.mark.parametrize("photometric", ["CMYK", "HSV", "YBR_PARTIAL_420"])
def test_colours_that_nobody_writes_are_unsupported(grey, dicom_film, photometric):
    colour = np.stack([grey] * 3, axis=-1)
    status, sentence = answer(dicom_film(colour, PhotometricInterpretation=photometric))
    assert (status, photometric in sentence) == ("unsupported", True)


def test_samples_that_contradict_the_photometric_interpretation(grey, dicom_film):
    film = dicom_film(np.stack([grey] * 3, axis=-1), PhotometricInterpretation="MONOCHROME2")
    assert answer(film)[0] == "corrupt"


# Traps of the libraries


def test_a_cut_encapsulated_file_is_not_without_pixels(shared_data):
    assert answer((shared_data / "dicom" / "broken" / "emri_j2k_too_short.dcm").read_bytes()) == (
        "truncated",
        "The DICOM is cut short in its encapsulated pixels.",
    )


def test_the_missing_delimiter_is_told(shared_data):
    path = shared_data / "hostile" / "files" / "dicom" / "jpeg50_no_delimiter.dcm"
    status, sentence = answer(path.read_bytes())
    assert status == "truncated"
    assert "encapsulated" in sentence


@pytest.mark.parametrize("content", [b"{}", b"\0" * 4096, b"plain text, " * 50])
def test_what_pydicom_would_force_is_no_dicom(content):
    assert answer(content)[0] == "unsupported"


def test_bits_at_another_place_are_refused_not_misread(shared_data):
    path = shared_data / "dicom" / "made" / "film12_high_bit_15.dcm"
    with pytest.raises(FilmError, match="12 bits end at bit 15"):
        stored(path.read_bytes())


@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_those_stored_are_dropped_from_plain_pixels(dicom_film, signed):
    clean = np.random.default_rng(1).integers(0, 4096, (48, 40)).astype(np.uint16)
    dirty = clean | np.uint16(0xF000)
    kind = np.int16 if signed else np.uint16
    want = ((clean << 4).view(kind) >> 4) if signed else clean
    assert np.array_equal(stored(dicom_film(dirty.view(kind), BitsStored=12)).array, want)


def test_nested_sequences_never_reach_gdcm(shared_data):
    path = shared_data / "hostile" / "files" / "bomb" / "dicom_nested_20000.dcm"
    assert answer(path.read_bytes()) == ("corrupt", "The DICOM is nested too deeply.")


# Without the extra


def test_without_the_extra_the_sentence_names_it(shared_data):
    """In a process of its own, because pydicom looks for codecs once."""
    names = ["made/film12_jls80.dcm", "small/NM1_JPLL", "made/film12_htj2k201.dcm"]
    names += ["small/NM1_JPEGExtended_51_12bit.dcm", "colour/J2K_TextGBR_90.dcm"]
    alone = ["wg04/RG3_RLE", "ct/CT_JPEGBaseline_50.dcm", "made/film12_j2k90.dcm"]
    code = f"""
        import sys
        sys.modules.update(dict.fromkeys(["gdcm", "openjpeg", "jpeg_ls", "imagecodecs"]))
        from xraybatch import FilmError
        from xraybatch.images.decode import decode_path
        from xraybatch.images.rule import DecodingRule
        for name in {names + alone}:
            try:
                decode_path({str(shared_data / "dicom")!r} + "/" + name, DecodingRule(32, 32))
                print("ok")
            except FilmError as error:
                print(error.status, error.sentence)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    for line in lines[: len(names)]:
        assert line.startswith("unsupported ")
        assert line.endswith("is not installed: pip install 'xraybatch[dicom]'.")
    assert lines[len(names) :] == ["ok"] * len(alone)


def test_imagecodecs_is_loaded_at_the_first_film_that_needs_it(shared_data):
    code = f"""
        import sys
        from xraybatch.images.decode import decode_path
        from xraybatch.images.rule import DecodingRule
        folder, rule = {str(shared_data / "dicom")!r}, DecodingRule(32, 32)
        decode_path(folder + "/made/film12_jls80.dcm", rule)
        assert "imagecodecs" not in sys.modules
        decode_path(folder + "/small/NM1_JPEGExtended_51_12bit.dcm", rule)
        assert "imagecodecs" in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_the_codec_is_named(shared_data):
    named = {
        "made/film12_jls80.dcm": "pyjpegls",
        "made/film12_htj2k201.dcm": "pylibjpeg-openjpeg",
        "small/NM1_JPLL": "python-gdcm",
        "small/NM1_JPEGExtended_51_12bit.dcm": "imagecodecs",
        "ct/CT_JPEGBaseline_50.dcm": "pillow",
    }
    for name, library in named.items():
        reader = stored((shared_data / "dicom" / name).read_bytes()).reader
        assert reader.startswith("pydicom ")
        assert f", {library} " in reader


def test_every_syntax_has_a_codec_that_is_installed():
    for syntax, codecs in dicom_codecs.CODECS.items():
        for codec in codecs:
            assert codec.plugin in dicom_codecs._decoder(syntax, codec).available_plugins


def test_colour_takes_little_more_memory_than_its_samples(dicom_film):
    colour = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3)).astype(np.uint8)
    data = dicom_film(colour, PhotometricInterpretation="YBR_FULL")
    stored(data)
    tracemalloc.start()
    image = stored(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.2 * colour.nbytes + (12 << 20)
    whole = convert_color_space(colour, "YBR_FULL", "RGB")
    assert np.array_equal(image.array, whole)
