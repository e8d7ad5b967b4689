"""A picture reaches the model as a viewer shows it: upright, on a ground, by one scale."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image, ImageOps

from deepsvdd_core import datasets
from deepsvdd_core.datasets import decoding, folders

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
RNG = np.random.default_rng(0)
# Larger than what it is brought to, not square, nothing symmetric about it.
PATTERN = np.kron(RNG.integers(0, 256, (7, 5, 3), np.uint8), np.ones((8, 9, 1), np.uint8))
CLEAR = np.kron(RNG.integers(0, 2, (7, 5), np.uint8) * 255, np.ones((8, 9), np.uint8))


def picture(mode: str) -> Image.Image:
    """The pattern in a mode, transparent in parts where the mode can be."""
    image = Image.fromarray(PATTERN)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(CLEAR))
    if mode == "P-clear":
        indexed = image.quantize(16)
        indexed.info["transparency"] = 3
        return indexed
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "P":
        return image.quantize(16)
    return image.convert(mode)


WAYS = {
    "png": ("1", "L", "LA", "P", "P-clear", "RGB", "RGBA", "I;16"),
    "jpeg": ("L", "RGB", "CMYK"),
    "tiff": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"),
    "webp": ("RGB", "RGBA"),
    "avif": ("RGB", "RGBA"),
    "bmp": ("1", "L", "P", "RGB"),
    "gif": ("L", "P", "P-clear"),
    "ppm": ("1", "L", "RGB"),
    "pcx": ("1", "L", "P", "RGB"),
    "tga": ("L", "LA", "P", "RGB", "RGBA"),
    "jpeg2000": ("L", "LA", "RGB", "RGBA"),
}
TURNED = ("png", "jpeg", "tiff", "webp", "avif")  # formats that carry a flag
OPTIONS = {"webp": {"lossless": True}, "jpeg": {"quality": 95}}
CASES = [
    (form, mode, flag)
    for form, modes in WAYS.items()
    for mode in modes
    for flag in (range(1, 9) if form in TURNED else (1,))
]


def saved(form: str, mode: str, flag: int) -> bytes:
    """A file, with an orientation flag other than 1."""
    file, options = io.BytesIO(), dict(OPTIONS.get(form, {}))
    if flag > 1:
        exif = Image.Exif()
        exif[0x0112] = flag
        options["exif"] = exif
    picture(mode).save(file, form, **options)
    return file.getvalue()


def as_shown(content: bytes, shape: tuple[int, int, int], ground: str = "white") -> np.ndarray:
    """What a viewer shows, by Pillow alone, brought to a shape."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        below = Image.new("RGBA", image.size, ground)
        image = Image.alpha_composite(below, image.convert("RGBA"))
    mode = "L" if shape[0] == 1 else "RGB"
    small = image.convert(mode).resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
    return np.asarray(small).reshape(*shape[1:], shape[0]).transpose(2, 0, 1)


def read(content: bytes, shape: tuple[int, int, int], scale=None) -> np.ndarray:
    (found,) = decoding.read_pictures([content], shape, scale)
    assert not isinstance(found, str), found
    return found


def test_there_are_many_cases():
    assert len(CASES) >= 120


@pytest.mark.parametrize("form", WAYS)
def test_every_format_mode_and_flag_is_read_as_a_viewer_shows_it(form):
    for _, mode, flag in (case for case in CASES if case[0] == form):
        content = saved(form, mode, flag)
        for shape in (GREY, COLOUR):
            difference = read(content, shape).astype(int) - as_shown(content, shape)
            assert np.abs(difference).max() <= 3, (form, mode, flag, shape)


def test_what_could_not_be_seen_on_white_lies_on_black():
    for light, ground in ((255, 0), (0, 255), (128, 255)):
        pixels = np.full((40, 40, 4), light, np.uint8)
        pixels[..., 3] = 0
        pixels[10:20, 10:20, 3] = 255
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png")
        found = read(file.getvalue(), GREY)
        assert found[0, 0, 0] == ground and found[0, 10, 10] == light
    empty = io.BytesIO()
    Image.new("RGBA", (40, 40)).save(empty, "png")
    assert (read(empty.getvalue(), GREY) == 255).all()


def deep(values: np.ndarray, form: str) -> bytes:
    """A grey file of more than 8 bits."""
    file = io.BytesIO()
    if form == "big-endian.tif":
        head = b"MM\0*\0\0\0\x08"
        tags = [(256, values.shape[1]), (257, values.shape[0]), (258, 16), (259, 1), (262, 1)]
        tags += [(273, 8 + 2 + 12 * 8 + 4), (278, values.shape[0]), (279, values.size * 2)]
        entries = b"".join(
            tag.to_bytes(2, "big") + b"\0\x04\0\0\0\x01" + value.to_bytes(4, "big")
            for tag, value in tags
        )
        body = values.astype(">u2").tobytes()
        return head + len(tags).to_bytes(2, "big") + entries + b"\0" * 4 + body
    Image.fromarray(values).save(file, form)
    return file.getvalue()


STEPS = np.linspace(0, 1, 30).repeat(30).reshape(30, 30)
DEEP = {
    "16.png": ((65_535 * STEPS).astype(np.uint16), "png", (0, 65_535)),
    "16.tif": ((65_535 * STEPS).astype(np.uint16), "tiff", (0, 65_535)),
    "16-be.tif": ((65_535 * STEPS).astype(np.uint16), "big-endian.tif", (0, 65_535)),
    "12.png": ((4_095 * STEPS).astype(np.uint16), "png", (0, 4_095)),
    "260.png": ((260 * STEPS).astype(np.uint16), "png", (0, 260)),
    "8-in-16.png": ((255 * STEPS).astype(np.uint16), "png", (0, 255)),
    "32.tif": ((70_000 * STEPS).astype(np.int32), "tiff", (0, 70_000)),
    "signed.tif": ((400 * STEPS - 200).astype(np.int32), "tiff", (-200, 200)),
    "one.tif": (STEPS.astype(np.float32), "tiff", (0, 1)),
    "float.tif": ((900 * STEPS).astype(np.float32), "tiff", (0, 900)),
}


@pytest.mark.parametrize("name", DEEP)
def test_a_picture_of_more_than_8_bits_is_brought_to_8_by_the_scale_of_its_set(name):
    values, form, expected = DEEP[name]
    content = deep(values, form)
    scale = decoding.common_scale(decoding.ranges([content]))
    assert scale == expected
    found = read(content, GREY, scale)[0].astype(int)
    low, high = scale
    shown = np.asarray(Image.fromarray((255 * (values - low) / (high - low)).astype(np.float32)))
    small = np.asarray(Image.fromarray(shown).resize((28, 28), Image.Resampling.BILINEAR))
    assert np.abs(found - small).max() <= 1


def test_all_pictures_of_a_folder_have_one_scale(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPSVDD_DATA", str(tmp_path))
    for split, largest in itertools.product(("train", "test"), (1_000, 4_000)):
        place = tmp_path / "deep" / split / "a" / f"{largest}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((30, 30), largest, np.uint16)).save(place)
    loaded = datasets.load("deep")
    for split in (loaded.train, loaded.test):
        assert [int(image.max()) for image in split.images] == [64, 255]


def test_a_folder_that_is_read_otherwise_counts_as_another(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPSVDD_DATA", str(tmp_path))
    for split in ("train", "test"):
        place = tmp_path / "plain" / split / "a" / "one.png"
        place.parent.mkdir(parents=True)
        picture("L").save(place)
    before = datasets.fingerprint("plain")
    monkeypatch.setattr(folders, "READING", folders.READING + 1)
    assert datasets.fingerprint("plain") != before


def test_fractions_that_are_no_numbers_do_not_matter():
    values = STEPS.astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    content = deep(values, "tiff")
    assert decoding.common_scale(decoding.ranges([content])) == (0, 1)
    assert read(content, GREY, (0, 1)).max() >= 250


def test_masks_are_turned_as_their_pictures_are_and_clear_pixels_are_not_marked():
    marks = np.zeros((40, 60), np.uint8)
    marks[:10, :15] = 255
    for flag in range(1, 9):
        exif, file = Image.Exif(), io.BytesIO()
        exif[0x0112] = flag
        Image.fromarray(marks).save(file, "png", exif=exif)
        (found,) = decoding.read_masks([file.getvalue()], GREY)
        assert (found == (as_shown(file.getvalue(), GREY)[0] > 127)).mean() > 0.95, flag
    clear, file = np.full((40, 60, 4), 255, np.uint8), io.BytesIO()
    clear[..., 3] = marks
    Image.fromarray(clear).save(file, "png")
    (found,) = decoding.read_masks([file.getvalue()], GREY)
    assert found[:5, :5].all() and not found[10:].any()
    (found,) = decoding.read_masks([deep(marks.astype(np.uint16), "png")], GREY)
    assert found[:5, :5].all() and not found[10:].any()


def test_no_file_with_a_damaged_flag_is_refused():
    file = io.BytesIO()
    picture("RGB").save(file, "jpeg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    small = Image.open(file).resize((32, 32), Image.Resampling.BILINEAR)
    expected = np.asarray(small).transpose(2, 0, 1).astype(int)
    assert np.abs(read(file.getvalue(), COLOUR) - expected).max() <= 1
