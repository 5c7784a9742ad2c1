"""Reading a CT series: IPIU beside SimpleITK, on the same files in the same process.

Run ``python benchmarks/read_ct.py``. It writes a synthetic uncompressed series, reads it alternately with both, checks
that voxels and geometry agree, prints one line of JSON and keeps it in benchmarks/results/read_ct.json.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from results import keep

from ipiu.cases.dicom import read_dicom

PACKAGES = ("ipiu", "numpy", "pydicom", "SimpleITK", "torch", "monai")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--slices", type=int, default=200)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--repeats", type=int, default=5)
    options = arguments.parse_args()
    keep("read_ct", compare(options.slices, options.size, options.repeats), packages=PACKAGES)


def compare(slices: int, size: int, repeats: int) -> dict:
    """Median seconds of both readers, which must agree."""
    with tempfile.TemporaryDirectory() as folder:
        write_series(Path(folder), slices, size)
        check_equal(read_ours(folder), read_peer(folder))
        ours, peer = [], []
        for _ in range(repeats):
            ours.append(seconds(read_ours, folder))
            peer.append(seconds(read_peer, folder))
    ours_s, peer_s = statistics.median(ours), statistics.median(peer)
    return {
        "what": f"read {slices} uncompressed CT slices of {size} x {size} int16: read_dicom / ImageSeriesReader",
        "ours_s": round(ours_s, 3),
        "peer_s": round(peer_s, 3),
        "ratio": round(ours_s / peer_s, 3),
    }


def read_ours(folder: str):
    return read_dicom(folder)[0].images["ct"]


def read_peer(folder: str) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
    return reader.Execute()


def seconds(read, folder: str) -> float:
    start = time.perf_counter()
    read(folder)
    return time.perf_counter() - start


def check_equal(ours, peer: sitk.Image) -> None:
    """Stop unless voxels and geometry agree."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(peer.GetDirection()).reshape(3, 3) * peer.GetSpacing()
    affine[:3, 3] = peer.GetOrigin()
    np.testing.assert_allclose(ours.affine.numpy(), np.diag([-1, -1, 1, 1]) @ affine, atol=1e-5)
    np.testing.assert_array_equal(ours[0].numpy().transpose(2, 1, 0), sitk.GetArrayViewFromImage(peer))


def write_series(folder: Path, slices: int, size: int) -> None:
    """One synthetic CT series with the header elements a scanner writes."""
    random, series, study = np.random.default_rng(0), generate_uid(), generate_uid()
    for k in range(slices):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
        ds.Modality, ds.PatientID, ds.PatientName = "CT", "1", "Phantom"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 1, k + 1, 1
        ds.KVP, ds.SliceThickness, ds.ConvolutionKernel = "120", "1.25", "B30f"
        ds.ImagePositionPatient = ["-180", "-170", f"{-100 + 1.25 * k:.2f}"]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing = ["0.703125", "0.703125"]
        ds.WindowCenter, ds.WindowWidth = "40", "400"
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "-1024", "HU"
        ds.Rows = ds.Columns = size
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.PixelData = random.integers(0, 3000, (size, size), dtype=np.int16).tobytes()
        pydicom.dcmwrite(folder / f"{slices - k:05}.dcm", ds, enforce_file_format=True)


if __name__ == "__main__":
    main()
