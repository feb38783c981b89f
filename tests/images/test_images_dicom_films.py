"""Real DICOM films: each has its status, and the same film in any encoding the same values."""

from __future__ import annotations

import csv
import hashlib
import os
import resource
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels import pixel_array
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from xraybatch import Limits, StoredImage
from xraybatch.images.decode import decode_path
from xraybatch.images.display import display
from xraybatch.images.readers import dicom
from xraybatch.images.rule import DecodingRule

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("XRAYBATCH_SHARED_DATA", ROOT.parent / "shared/data"))
MADE = DecodingRule(120, 80)  # the size of the films in made/


def manifest() -> list[dict[str, str]]:
    """Its rows; none where it is not here, because this is asked before fixtures skip."""
    path = SHARED / "dicom" / "manifest.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


ROWS = manifest()
STORED = [row for row in ROWS if row["reference_sha256_of_stored_array"]]
GREY_OR_RGB = [r for r in STORED if r["photometric"].startswith(("MONOCHROME", "RGB", "YBR_RCT"))]


def stored(path: Path, frame: int = 0) -> StoredImage:
    with path.open("rb") as file:
        return dicom.read(file, Limits(), frame)


@pytest.mark.parametrize("folder", ["dicom", "hostile"])
def test_every_film_has_the_status_of_its_manifest(folder, shared_data):
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "statuses.py", shared_data / folder],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stderr == ""
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 < 1500


@pytest.mark.parametrize("row", GREY_OR_RGB, ids=lambda row: row["path"])
def test_stored_values_are_the_manifests(row, shared_data):
    path = shared_data / "dicom" / row["path"]
    values = np.stack([stored(path, frame).array for frame in range(int(row["frames"] or 1))])
    raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
    assert hashlib.sha256(raw).hexdigest() == row["reference_sha256_of_stored_array"]


def test_every_lossless_encoding_of_a_film_gives_the_same_values(shared_data):
    groups = defaultdict(set)
    members = defaultdict(int)
    for row in ROWS:
        if row["group"] and row["lossless"] == "yes":
            values = stored(shared_data / "dicom" / row["path"]).array
            digest = hashlib.sha256(values.astype(values.dtype.newbyteorder("<")).tobytes())
            groups[row["group"]].add(digest.hexdigest())
            members[row["group"]] += 1
    assert sum(members.values()) >= 30
    assert min(members.values()) >= 2
    assert {group: len(digests) for group, digests in groups.items()} == dict.fromkeys(groups, 1)


@pytest.mark.parametrize(
    ("lossy", "lossless", "mean", "most"),
    [
        ("wg04/RG3_J2KI", "wg04/RG3_J2KR", 1.0, 12),
        ("wg04/RG3_JLSN", "wg04/RG3_J2KR", 2.0, 4),
        ("wg04/RG3_JPLY", "wg04/RG3_J2KR", 2.0, 60),
        ("wg04/XA1_JPLY", "wg04/XA1_J2KR", 2.5, 130),
        ("small/NM1_J2KI_91.dcm", "small/NM1_J2KR", 4.5, 110),
        ("small/NM1_JPEGExtended_51_12bit.dcm", "small/NM1_J2KR", 2.5, 45),
        ("colour/HTJ2K_203_RGB.dcm", "colour/HTJ2KLossless_201_RGB.dcm", 0.5, 4),
    ],
)
def test_a_lossy_encoding_is_near_the_film(lossy, lossless, mean, most, shared_data):
    """In stored values; of RG3 10 bits, of XA1 9, of NM1 9."""
    far = stored(shared_data / "dicom" / lossy).array.astype(int)
    far -= stored(shared_data / "dicom" / lossless).array
    assert np.abs(far).mean() <= mean
    assert np.abs(far).max() <= most


def test_white_that_overshoots_stays_white(shared_data):
    image = stored(shared_data / "dicom" / "wg04" / "RG3_JPLY")
    over = image.array == 1024
    assert over.sum() == 8
    clipped = replace(image, array=np.minimum(image.array, 1023))
    assert np.array_equal(display(image), display(clipped))
    # a film of MONOCHROME1: its largest value is its darkest
    assert set(display(image)[over]) == {display(image).min()}


@pytest.mark.parametrize(
    "row", [r for r in STORED if r not in GREY_OR_RGB], ids=lambda row: row["path"]
)
def test_other_colours_are_pydicoms(row, shared_data):
    path = shared_data / "dicom" / row["path"]
    header = dcmread(path)
    raw = pixel_array(header, raw=True)
    if row["photometric"] == "PALETTE COLOR":
        assert np.array_equal(stored(path).array, apply_color_lut(raw, header))
    else:
        theirs = convert_color_space(raw, "YBR_FULL", "RGB").astype(int)
        far = np.abs(stored(path).array - theirs)
        assert far.mean() <= 0.5  # another build of libjpeg may round otherwise
        assert far.max() <= 8


def test_one_picture_in_every_colour_space(shared_data):
    colour = shared_data / "dicom" / "colour"
    want = display(stored(colour / "SC_rgb_JPEGlossless_70.dcm")).astype(int)
    for name, most in (
        *(("SC_rgb_rle_16bit.dcm", 1), ("SC_ybr_full_422_uncompressed.dcm", 60)),
        *(("SC_rgb_JPEG_50.dcm", 60), ("SC_ybr422_JPEG_50.dcm", 60)),
    ):
        far = np.abs(display(stored(colour / name)) - want)
        assert far.mean() <= 3, name
        assert far.max() <= most, name


def test_twins_look_alike(shared_data):
    made = shared_data / "dicom" / "made"
    want = decode_path(made / "film12_explicit.dcm", MADE).pixels
    for twin in (
        *("film12_implicit.dcm", "film12_bigendian.dcm", "film12_deflated.dcm", "film12_rle.dcm"),
        *("film12_no_preamble_no_suffix", "film12_dirty_high_bits.dcm", "film12_mono1_twin.dcm"),
        *("film12_dx_mono1_inverse.dcm", "film12_signed_rescale.dcm", "film12_j2k90.dcm"),
        *("film12_jls80.dcm", "film12_jpll70.dcm", "film12_htj2k201.dcm"),
        "film12_dx_mono2_INVERSE_contradiction.dcm",
    ):
        assert np.array_equal(decode_path(made / twin, MADE).pixels, want), twin
    assert (want.min(), want.max()) == (0, 255)


def test_a_table_that_inverts_is_followed(shared_data):
    made = shared_data / "dicom" / "made"
    film = stored(made / "film12_voi_lut_inverting.dcm")
    plain = np.round(film.array / 4095 * 255).astype(int)
    assert np.abs(display(film).astype(int) + plain - 255).max() <= 1


def test_polarity_that_contradicts_itself_is_read_by_the_photometric_interpretation(shared_data):
    made = shared_data / "dicom" / "made"
    film = decode_path(made / "film12_dx_mono2_INVERSE_contradiction.dcm", MADE)
    assert any("contradicts" in note for note in film.facts.notes)
    partner = decode_path(made / "film12_dx_mono1_inverse.dcm", MADE)
    assert not any("contradicts" in note for note in partner.facts.notes)


def test_mammogram_with_table_windows_and_sigmoid_follows_its_table(shared_data):
    path = shared_data / "dicom" / "real" / "MG_sigmoid_voilut_3windows_JPLL.dcm"
    image, header = stored(path), dcmread(path)
    table = header.VOILUTSequence[0]
    count, first, bits = (int(v) for v in table.LUTDescriptor)
    entries = np.asarray(table.LUTData, dtype=np.float64)[:count]
    want = entries[np.clip(image.array.astype(int) - first, 0, count - 1)] / (2**bits - 1) * 255
    film = image.array != 0  # the padding value
    assert np.abs(display(image)[film] - want[film]).max() <= 0.5 + 1e-6
    assert (display(image)[~film] == 0).all()


def test_first_of_several_windows(shared_data):
    image = stored(shared_data / "dicom" / "made" / "film14_two_windows.dcm")
    header = dcmread(shared_data / "dicom" / "made" / "film14_two_windows.dcm")
    assert image.hints.window is not None
    assert image.hints.window.center == float(header.WindowCenter[0])
    assert image.hints.window.width == float(header.WindowWidth[0])


def test_the_polarities_of_the_hostile_film(shared_data):
    files = shared_data / "hostile" / "files"
    rule = DecodingRule(96, 64)
    one, two = (decode_path(files / "dicom" / f"mono{n}.dcm", rule).pixels for n in (1, 2))
    assert np.array_equal(one, two)
    png = decode_path(files / "good" / "film_8.png", rule).pixels
    assert np.corrcoef(one.ravel(), png.ravel())[0, 1] > 0.99
