"""Synthetic DICOM files for the tests: slices of an oblique series, enhanced multi-frame objects, pictures."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SOP_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "ENHANCED MR": "1.2.840.10008.5.1.4.1.1.4.1",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "SC": "1.2.840.10008.5.1.4.1.1.7",
    "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
    "RTDOSE": "1.2.840.10008.5.1.4.1.1.481.2",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
}
SERIES_UID = "1.2.826.0.1.3680043.8.498.1"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def oblique(degrees_x=20.0, degrees_z=35.0):
    """ImageOrientationPatient of a plane turned about two axes."""
    a, b = np.radians([degrees_x, degrees_z])
    turn_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    axes = turn_z @ turn_x
    return (*axes[:, 0], *axes[:, 1])


def dataset(kind="CT", pixels=None, **elements):
    """A data set of one object with the elements every test needs; ``elements`` are set last, None deletes."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = SOP_CLASSES[kind], generate_uid()
    ds.PatientID, ds.PatientName = "P1", "One"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.4", SERIES_UID
    ds.Modality = {"ENHANCED MR": "MR", "SC": "OT"}.get(kind, kind)
    if pixels is not None:
        _put_pixels(ds, np.asarray(pixels))
    for keyword, value in elements.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def save(ds, path, syntax=ExplicitVRLittleEndian):
    """Write a data set as a DICOM file."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True, little_endian=True, implicit_vr=False)
    return Path(path)


def write_series(
    folder,
    *,
    voxels=None,
    shape=(5, 7, 6),
    axes=AXIAL,
    spacing=(0.75, 0.5),
    step=2.5,
    shear=(0, 0, 0),
    names=None,
    **more,
):
    """Write (slices, rows, columns) int16 voxels as one CT series; returns the voxels and the files, slice by slice."""
    voxels = example_voxels(shape) if voxels is None else voxels
    across, down = np.array(axes[:3]), np.array(axes[3:])
    along = np.cross(across, down) * step + np.array(shear)
    paths = []
    for k, slice_ in enumerate(voxels):
        position = np.array([-60.25, 31.5, 12.0]) + k * along
        elements = {
            "ImagePositionPatient": [f"{mm:.10g}" for mm in position],
            "ImageOrientationPatient": [f"{c:.10g}" for c in axes],
            "PixelSpacing": [str(mm) for mm in spacing],
            "SliceThickness": str(step),
            "RescaleSlope": "1",
            "RescaleIntercept": "-1024",
            "InstanceNumber": str(1000 - k),
            **{keyword: value(k) if callable(value) else value for keyword, value in more.items()},
        }
        name = names[k] if names else f"slice{k:04}.dcm"
        paths.append(save(dataset("CT", slice_, **elements), Path(folder) / name))
    return voxels, paths


def write_enhanced(path, voxels, *, positions, axes=AXIAL, spacing=(0.75, 0.5), extra=None, slopes=None):
    """Write (frames, rows, columns) voxels as one enhanced MR object with the given frame positions."""
    ds = dataset("ENHANCED MR", voxels)
    shared, per_frame = Dataset(), []
    shared.PixelMeasuresSequence = Sequence([_items(PixelSpacing=list(spacing), SliceThickness=2.5)])
    shared.PlaneOrientationSequence = Sequence([_items(ImageOrientationPatient=list(axes))])
    for k, position in enumerate(positions):
        item = Dataset()
        item.PlanePositionSequence = Sequence([_items(ImagePositionPatient=[float(mm) for mm in position])])
        if slopes is not None:
            item.PixelValueTransformationSequence = Sequence(
                [_items(RescaleSlope=float(slopes[k]), RescaleIntercept=0.0, RescaleType="US")]
            )
        if extra is not None:
            item.MREchoSequence = Sequence([_items(EffectiveEchoTime=float(extra[k]))])
        per_frame.append(item)
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    ds.PerFrameFunctionalGroupsSequence = Sequence(per_frame)
    return save(ds, path)


def write_segmentation(path, masks, segments, positions, *, step=2.0, labels=("liver", "spleen")):
    """Write (frames, rows, columns) binary masks as a segmentation object, 8 pixels a byte."""
    masks = np.asarray(masks, np.uint8)
    ds = dataset("SEG", masks, BitsStored=1, HighBit=0, BitsAllocated=1, SegmentationType="BINARY")
    ds.PixelData = np.packbits(masks.reshape(-1), bitorder="little").tobytes()
    ds.PixelData += b"\0" * (len(ds.PixelData) % 2)
    ds["PixelData"].VR = "OB"
    ds.SegmentSequence = Sequence([_items(SegmentNumber=n, SegmentLabel=name) for n, name in enumerate(labels, 1)])
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence(
        [_items(PixelSpacing=[1, 1], SpacingBetweenSlices=step, SliceThickness=step)]
    )
    shared.PlaneOrientationSequence = Sequence([_items(ImageOrientationPatient=list(AXIAL))])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    items = []
    for segment, position in zip(segments, positions, strict=True):
        item = _items(
            PlanePositionSequence=Sequence([_items(ImagePositionPatient=list(position))]),
            SegmentIdentificationSequence=Sequence([_items(ReferencedSegmentNumber=segment)]),
        )
        items.append(item)
    ds.PerFrameFunctionalGroupsSequence = Sequence(items)
    return save(ds, path)


def example_voxels(shape):
    """Int16 voxels that differ everywhere."""
    return np.random.default_rng(0).integers(0, 3000, shape).astype(np.int16)


def _items(**elements):
    """A data set of a sequence."""
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _put_pixels(ds, pixels):
    """State what the array is and keep its bytes."""
    colour = pixels.ndim >= 3 and pixels.shape[-1] == 3 and pixels.dtype == np.uint8
    size = pixels.shape[:-1] if colour else pixels.shape
    ds.Rows, ds.Columns = size[-2:]
    if len(size) == 3:
        ds.NumberOfFrames = size[0]
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"
