"""Films as bytes: PNG of 8 and 16 bits, JPEG and DICOM."""

from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from xraybatch_samples.anatomy import Floats
from xraybatch_samples.plan import SEED, Film

__all__ = ["encode"]

TOP = 4095  # 12 bits
WINDOW_LOW, WINDOW_WIDTH = 400, 3200  # where the display range lies among a DICOM film's values


def encode(film: Film, display: Floats) -> bytes:
    """Write a film in its format.

    Parameters
    ----------
    film
        The plan of the film.
    display
        Values from 0 (black) to 1 (white), shape ``(rows, columns)``.

    Returns
    -------
    bytes
        The content of the file.
    """
    if film.storage.startswith("dicom"):
        return _dicom(film, display)
    out = BytesIO()
    if film.storage == "png16":
        counts = np.round(np.round(display * TOP) * (65535 / TOP)).astype(np.uint16)
        Image.fromarray(counts).save(out, "PNG", optimize=True)
    else:
        image = Image.fromarray(np.round(display * 255).astype(np.uint8))
        if film.storage == "jpeg":
            image.save(out, "JPEG", quality=film.quality, optimize=True)
        else:
            image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _uid(*parts: object) -> UID:
    return generate_uid(entropy_srcs=["xraybatch samples", *(str(p) for p in (SEED, *parts))])


def _dicom(film: Film, display: Floats) -> bytes:
    inverted = film.storage == "dicom-inverted"
    counts = np.round(WINDOW_LOW + display * (WINDOW_WIDTH - 1)).astype(np.uint16)
    center = WINDOW_LOW + WINDOW_WIDTH / 2
    if inverted:
        counts = (TOP - counts).astype(np.uint16)
        center = TOP + 1 - center
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = _uid("film", film.path)
    deflated = film.storage == "dicom-deflated"
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian if deflated else ExplicitVRLittleEndian
    data = FileDataset("", Dataset(), file_meta=meta, preamble=bytes(128))
    data.SOPClassUID = DigitalXRayImageStorageForPresentation
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = _uid("study", film.study)
    data.SeriesInstanceUID = _uid("series", film.study)
    data.PatientName = "Synthetic^Phantom"
    data.PatientID = film.patient
    data.PatientBirthDate = ""
    data.PatientSex = ""
    data.StudyID = film.study
    data.StudyDate = "20000101"
    data.StudyTime = "120000"
    data.AccessionNumber = ""
    data.ReferringPhysicianName = ""
    data.Modality = "DX"
    data.Manufacturer = "xraybatch synthetic phantom"
    data.SeriesDescription = "SYNTHETIC PHANTOM, NOT FOR DIAGNOSIS"
    data.PresentationIntentType = "FOR PRESENTATION"
    data.QualityControlImage = "YES"
    data.BodyPartExamined = "KNEE"
    data.ViewPosition = "AP"
    data.ImageLaterality = film.pose.side
    data.SeriesNumber = 1
    data.InstanceNumber = film.number
    data.BurnedInAnnotation = "NO"
    data.PixelIntensityRelationship = "LOG"
    data.PixelIntensityRelationshipSign = 1 if inverted else -1
    pitch = film.pose.field_width / film.pose.columns
    data.ImagerPixelSpacing = [f"{pitch:.4f}", f"{pitch:.4f}"]
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    data.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    data.Rows, data.Columns = display.shape
    data.BitsAllocated = 16
    data.BitsStored = 12
    data.HighBit = 11
    data.PixelRepresentation = 0
    data.RescaleIntercept = "0"
    data.RescaleSlope = "1"
    data.RescaleType = "US"
    data.WindowCenter = f"{center:g}"
    data.WindowWidth = str(WINDOW_WIDTH)
    data.PixelData = counts.astype("<u2").tobytes()
    data["PixelData"].VR = "OW"
    out = BytesIO()
    data.save_as(out, enforce_file_format=True)
    return out.getvalue()
