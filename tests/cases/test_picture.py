import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ipiu.cases.picture import read_picture
from ipiu.errors import IpiuError

RNG = np.random.default_rng(0)


def image_of(path, **options):
    (case,) = read_picture(path, **options)
    return case.images["image"], case


def save(path, values, **options):
    Image.fromarray(values).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_levels_of_8_and_16_bits_keep_their_depth(tmp_path, suffix):
    for dtype, top in ((np.uint8, 256), (np.uint16, 65536)):
        values = RNG.integers(0, top, (7, 11)).astype(dtype)
        image, _ = image_of(save(tmp_path / f"{top}{suffix}", values))
        assert image.shape == (1, 7, 11)
        assert str(image.dtype) == "torch.float32"
        np.testing.assert_array_equal(image[0].numpy(), values)
        assert image.meta["unit"] == "grey level"


def test_colours_are_rgb_of_8_bits_row_then_column(tmp_path):
    values = RNG.integers(0, 256, (5, 9, 3)).astype(np.uint8)
    image, case = image_of(save(tmp_path / "a.png", values))
    assert image.shape == (3, 5, 9)
    assert str(image.dtype) == "torch.uint8"
    np.testing.assert_array_equal(image.numpy(), np.moveaxis(values, -1, 0))
    assert image.meta["unit"] == "RGB"
    assert case.notes == []


def test_a_jpeg_equals_pillows_decoding(tmp_path):
    path = save(tmp_path / "a.jpg", RNG.integers(0, 256, (16, 24, 3)).astype(np.uint8), quality=90)
    image, _ = image_of(path)
    np.testing.assert_array_equal(np.moveaxis(image.numpy(), 0, -1), np.asarray(Image.open(path)))


def test_transparency_is_left_out_with_a_note(tmp_path):
    values = RNG.integers(0, 256, (5, 9, 4)).astype(np.uint8)
    image, case = image_of(save(tmp_path / "a.png", values))
    np.testing.assert_array_equal(np.moveaxis(image.numpy(), 0, -1), values[..., :3])
    assert case.notes == ["the transparency channel was left out"]


def test_palette_colours_are_looked_up(tmp_path):
    values = RNG.integers(0, 256, (5, 9, 3)).astype(np.uint8)
    picture = Image.fromarray(values).quantize(8)
    picture.save(tmp_path / "a.png")
    image, case = image_of(tmp_path / "a.png")
    np.testing.assert_array_equal(np.moveaxis(image.numpy(), 0, -1), np.asarray(picture.convert("RGB")))
    assert case.notes == ["the colours of its palette were looked up"]


@pytest.mark.parametrize(("orientation", "turn"), [(3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1))])
def test_exif_orientation_is_applied(tmp_path, orientation, turn):
    values = RNG.integers(0, 256, (5, 9)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    image, _ = image_of(tmp_path / "a.png")
    np.testing.assert_array_equal(image[0].numpy(), turn(values))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_zero_is_white_is_turned_around(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (4, 6)).astype(f"uint{bits}")
    path = save(tmp_path / "a.tif", values)
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HHIH", 262, 3, 1, 1))
    data[at + 8] = 0
    path.write_bytes(data)
    np.testing.assert_array_equal(image_of(path)[0][0].numpy(), 2**bits - 1 - values.astype(int))


def test_resolution_for_printing_is_not_taken_for_spacing(tmp_path):
    path = save(tmp_path / "a.png", np.zeros((4, 6), np.uint8), dpi=(300, 300))
    image, _ = image_of(path)
    assert image.meta["spacing_stated"] is False
    assert np.diag(image.affine.numpy()).tolist() == [1, 1, 1, 1]


def test_spacing_that_is_given_stands_in_the_affine(tmp_path):
    image, _ = image_of(save(tmp_path / "a.png", np.zeros((4, 6), np.uint8)), spacing=(0.2, 0.3))
    assert image.meta["spacing_stated"] is True
    assert np.diag(image.affine.numpy()).tolist() == [0.2, 0.3, 1, 1]
    with pytest.raises(ValueError, match="two numbers of mm above 0"):
        image_of(tmp_path / "a.png", spacing=(0.2, 0))


def test_several_pages_ask_which_one(tmp_path):
    pages = [Image.fromarray(np.full((4, 6), n, np.uint8)) for n in (10, 20, 30)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(IpiuError, match=r"a\.tif: has 3 pages; say which one to read, page=0 to page=2"):
        read_picture(tmp_path / "a.tif")
    assert image_of(tmp_path / "a.tif", page=2)[0].unique().tolist() == [30]
    with pytest.raises(IpiuError, match="has no page 3"):
        read_picture(tmp_path / "a.tif", page=3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_picture_is_refused(tmp_path, suffix, share):
    path = save(tmp_path / f"a{suffix}", RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(IpiuError, match=rf"a\{suffix}: cannot be decoded as PNG, JPEG or TIFF .*copy it again"):
        read_picture(path)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, pixels):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    (tmp_path / "bomb.png").write_bytes(png(60000, 60000, 8, 0, b"\0" * 100))
    with pytest.raises(IpiuError, match=r"bomb\.png: decodes to more pixels than Pillow allows"):
        read_picture(tmp_path / "bomb.png")
    monkeypatch.setenv("IPIU_MAX_GIB", "0.0001")
    (tmp_path / "large.png").write_bytes(png(300, 300, 8, 0, b"\0" * 301 * 300))
    with pytest.raises(IpiuError, match=r"large\.png: .* above the limit"):
        read_picture(tmp_path / "large.png")


def test_colours_of_16_bits_are_noted_as_reduced(tmp_path):
    (tmp_path / "deep.png").write_bytes(png(2, 1, 16, 2, b"\0" + struct.pack(">6H", 65535, 0, 256, 512, 1024, 40000)))
    image, case = image_of(tmp_path / "deep.png")
    assert image[0, 0, 0] == 255
    assert case.notes == ["colours of 16 bits were reduced to 8"]


def test_text_with_a_picture_never_reaches_the_case(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Description", "DOE^JANE")
    path = save(tmp_path / "a.png", np.zeros((4, 6), np.uint8), pnginfo=info)
    image, case = image_of(path)
    assert "JANE" not in repr(case) + case._repr_html_() + repr(dict(image.meta))


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0junk", b"II*\0\x08\0\0\0\xff\xff", b"text"]
)
def test_what_is_no_picture_gets_one_sentence(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(IpiuError, match=r"a\.png: cannot be decoded"):
        read_picture(tmp_path / "a.png")
