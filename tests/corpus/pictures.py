"""Hostile, damaged, foreign and plain files that may be taken for pictures; always the same."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

SIDE = 48
MAGIC = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "gif": b"GIF89a",
    "bmp": b"BM",
    "tif": b"II*\x00\x08\x00\x00\x00",
    "be.tif": b"MM\x00*\x00\x00\x00\x08",
    "big.tif": b"II+\x00\x08\x00\x00\x00",
    "webp": b"RIFF\xff\xff\x00\x00WEBPVP8 ",
    "lossless.webp": b"RIFF\xff\xff\x00\x00WEBPVP8L",
    "avif": b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00avifmif1",
    "jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    "j2k": b"\xff\x4f\xff\x51",
    "ppm": b"P6 ",
    "pgm": b"P2 ",
    "pfm": b"Pf\n",
    "pcx": b"\x0a\x05\x01\x08",
    "tga": b"\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x30\x00\x30\x00\x18\x00",
    "psd": b"8BPS\x00\x01",
    "ico": b"\x00\x00\x01\x00\x01\x00",
    "icns": b"icns",
    "dds": b"DDS \x7c\x00\x00\x00",
    "blp": b"BLP2\x01\x00\x00\x00",
    "qoi": b"qoif",
    "fits": b"SIMPLE  =                    T",
    "grib": b"GRIB\x00\x00\x00\x01",
    "bufr": b"BUFR\x00\x00\x00\x04",
    "hdf5": b"\x89HDF\r\n\x1a\n",
    "ole.mic": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "emf": b"\x01\x00\x00\x00",
    "wmf": b"\xd7\xcd\xc6\x9a\x00\x00",
    "mpg": b"\x00\x00\x01\xb3",
    "sgi": b"\x01\xda\x01\x01",
    "exe": b"MZ\x90\x00",
}
WRITTEN = {
    "png": {},
    "jpg": {},
    "progressive.jpg": {"progressive": True},
    "gif": {},
    "bmp": {},
    "tif": {},
    "lzw.tif": {"compression": "tiff_lzw"},
    "deflate.tif": {"compression": "tiff_adobe_deflate"},
    "jpeg.tif": {"compression": "jpeg"},
    "webp": {},
    "lossless.webp": {"lossless": True},
    "avif": {},
    "jp2": {},
    "ppm": {},
    "pcx": {},
    "tga": {"compression": "tga_rle"},
    "mpo": {},
    "ico": {},
    "icns": {},
    "dds": {},
}

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 48\n%%EndComments\n"
WRITES = POSTSCRIPT + b"(owned.txt) (w) file dup (hello) writestring closefile\nshowpage\n"
LOOPS = POSTSCRIPT + b"{ } loop\nshowpage\n"


@cache
def corpus() -> list[tuple[str, bytes]]:
    """Names and contents. Those that begin with `fine-` are ordinary pictures."""
    made = [*fine(), *programs(), *foreign(), *bombs(), *loops(), *damaged()]
    assert len({name for name, _ in made}) == len(made)
    return made


def photograph(mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE // 4, SIDE // 4, 3), np.uint8)
    return Image.fromarray(pixels).resize((SIDE, SIDE)).convert(mode)


def written(kind: str) -> bytes:
    """A picture as Pillow writes it; kind: a key of WRITTEN."""
    names = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}
    end = kind.rsplit(".")[-1]
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": [photograph()]} if end == "mpo" else {}
    photograph().save(buffer, names.get(end, end.upper()), **WRITTEN[kind], **more)
    return buffer.getvalue()


def fine() -> Iterator[tuple[str, bytes]]:
    """Pictures of every format that is read, in many modes."""
    for kind in WRITTEN:
        if kind not in ("ico", "icns", "dds"):
            yield f"fine-{kind}", written(kind)
    for mode in ("1", "L", "P", "LA", "RGBA", "I;16"):
        buffer = io.BytesIO()
        grey = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE) * 28
        (Image.fromarray(grey) if mode == "I;16" else photograph(mode)).save(buffer, "PNG")
        yield f"fine-{mode.replace(';', '')}.png", buffer.getvalue()
    for mode in ("CMYK", "L"):
        buffer = io.BytesIO()
        photograph(mode).save(buffer, "JPEG")
        yield f"fine-{mode}.jpg", buffer.getvalue()
    yield "fine-picture-and-zip.jpg", written("jpg") + archive()
    yield "fine-picture-and-program.png", written("png") + WRITES
    yield "fine-7000x7000-of-16-bits.png", png(7000, 7000, depth=16)
    yield "fine-10000x10000.jpg", plain_jpeg(10_000)
    yield "fine-1000-frames.gif", many_frames(1_000)


def programs() -> Iterator[tuple[str, bytes]]:
    """Programs, under the names of pictures."""
    for end in ("eps", "png", "jpg", "tif", "gif", "bmp"):
        yield f"program-writes.{end}", WRITES
        yield f"program-loops.{end}", LOOPS
    preview = struct.pack("<IIIIIIIH", 0xC6D3D0C5, 32, len(LOOPS), 0, 0, 0, 0, 0xFFFF) + b"\0\0"
    yield "program-behind-a-preview.png", preview + LOOPS
    yield "program-old.png", b"%!PS\n{ } loop\n"
    yield "program.ps.png", b"\x04%!PS-Adobe-2.0\n{ } loop\n"
    yield "page.pdf.png", b"%PDF-1.7\n1 0 obj <</Type /Catalog /OpenAction 2 0 R>> endobj\n%%EOF"
    yield (
        "script.svg.png",
        (
            b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>for(;;);</script>&a;</svg>'
        ),
    )
    yield (
        "laughs.svg",
        b"<!DOCTYPE l ["
        + b"".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">'.encode() for n in range(12))
        + b"]><svg>&l12;</svg>",
    )
    yield "drawing.mvg.png", b"push graphic-context\nimage over 0,0 0,0 'https://x.example/'\n"
    yield "script.xpm.png", b'/* XPM */\nstatic char *x[] = {"99999 99999 1 1", "a c #fff"};'
    yield "script.xbm.png", b"#define x_width 99999\n#define x_height 99999\nstatic char x[] = {\n"
    yield "page.html.jpg", b"<html><script>while(1);</script></html>"
    yield "shell.png", b"#!/bin/sh\ntouch owned.txt\n"
    metafile = struct.pack("<IHhhhhHIH", 0x9AC6CDD7, 0, 0, 0, 3000, 3000, 1440, 0, 0)
    yield "metafile.wmf.png", metafile + struct.pack("<HHHIHIH", 1, 9, 0x300, 99, 0, 9, 0)


def foreign() -> Iterator[tuple[str, bytes]]:
    """Other kinds of files, and files in files."""
    yield "empty.png", b""
    yield "one-byte.png", b"\x89"
    yield "text.png", b"no picture, but text\n" * 20
    yield "archive.zip.png", archive()
    yield "archive-with-a-picture-first.png", archive() + written("png")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        link = tarfile.TarInfo("picture.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    yield "archive.tar.jpg", buffer.getvalue()
    for kind in ("ico", "icns", "dds"):
        yield f"foreign.{kind}", written(kind)
    icon = written("ico")
    for _ in range(50):
        icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(icon), 22) + icon
    yield "icon-in-icon.ico", icon
    huge = png(30_000, 30_000, content=b"\0")
    yield (
        "bomb-in-icon.ico",
        (struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(huge), 22) + huge),
    )
    yield "picture-in-bitmap.bmp", bitmap(SIDE, SIDE, compression=5, body=written("png"))


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that claim or unpack to much."""
    for width, height in ((2**31 - 1, 2**31 - 1), (2**31, 1), (2**32 - 1, 2**32 - 1), (0, 0)):
        yield f"claims-{width}x{height}.png", png(width, height, content=b"\0")
    for width, height in ((0, SIDE), (20_000, 20_000), (1, 1), (SIDE, 1), (1, SIDE), (3, 100)):
        yield f"claims-{width}x{height}.png", png(width, height, content=b"\0")
    yield "one-row-of-60000.png", png(60_000, 1)
    yield "one-column-of-60000.png", png(1, 60_000)
    yield "eight-rows-of-100000.png", png(100_000, 8)
    yield "16-rows-of-60000.png", png(60_000, 16)
    yield "9000x9000.png", png(9000, 9000)
    yield "5000x5000-colours-of-16-bits.png", png(5000, 5000, depth=16, colour=2)
    yield "7000x7000-in-seven-passes.png", png(7000, 7000, interlaced=True, content=zeros(50 * MB))
    yield "too-much-behind.png", png(SIDE, SIDE, content=zeros(50 * MB))
    text = chunk(b"zTXt", b"Comment\0\0" + zeros(50 * MB))
    yield "text-of-50-MB.png", png(SIDE, SIDE, before=text)
    yield "2000-texts.png", png(SIDE, SIDE, before=chunk(b"zTXt", b"a\0\0" + zeros(MB - 10)) * 2000)
    yield "200000-chunks.png", png(SIDE, SIDE, before=chunk(b"tEXt", b"a\0b") * 200_000)
    profile = chunk(b"iCCP", b"a\0\0" + zeros(50 * MB))
    yield "profile-of-50-MB.png", png(SIDE, SIDE, before=profile)
    frames = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    yield "claims-2147483647-frames.png", png(SIDE, SIDE, before=frames)
    yield "palette-without-colours.png", png(SIDE, SIDE, colour=3)
    yield (
        "claims-65535x65535.gif",
        b"GIF89a"
        + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
        + (b",\0\0\0\0\xff\xff\xff\xff\0\x08\x02\x00\x01\0;"),
    )
    yield "claims-65535x65535.jpg", resized_jpeg(written("jpg"), 65535, 65535)
    yield (
        "claims-65535x65535.progressive.jpg",
        resized_jpeg(written("progressive.jpg"), 65535, 65535),
    )
    yield (
        "claims-10000x10000.progressive.jpg",
        resized_jpeg(written("progressive.jpg"), 10_000, 10_000),
    )
    yield "claims-6000x6000.progressive.jpg", resized_jpeg(written("progressive.jpg"), 6000, 6000)
    for width, height in ((2**31 - 1, 2**31 - 1), (-5, 5), (30_000, -30_000), (5000, 5000)):
        yield f"claims-{width}x{height}.bmp", bitmap(width, height)
    yield "rows-for-ever.bmp", bitmap(5000, 5000, bits=8, compression=1, body=b"\0\0" * 500_000)
    yield "jumps.bmp", bitmap(5000, 5000, bits=8, compression=1, body=b"\0\2\xff\xff" * 250_000)
    for kind, compression in (("deflate", 8), ("packed", 32773), ("lzw", 5), ("fax", 4)):
        packed = zeros(40 * MB) if compression == 8 else b"\x81\0" * 300_000
        yield f"bomb-{kind}.tif", tiff(6500, 6500, compression=compression, body=packed)
    yield "claims-2147483647x2147483647.tif", tiff(2**31 - 1, 2**31 - 1)
    yield "claims-30000x30000.tif", tiff(30_000, 30_000)
    yield "floats.tif", tiff(9000, 9000, more=[(258, 3, 1, 32), (339, 3, 1, 3)])
    yield "claims-60000x60000.ppm", b"P6 60000 60000 255\n"
    yield "claims-99999999999x9.pgm", b"P5 99999999999 9 255\n" + b"\0" * 100
    yield "one-long-number.pgm", b"P2 " + b"9" * 5_000_000
    yield "one-long-comment.pgm", b"P2 #" + b"a" * 2_000_000
    yield "plain-numbers.ppm", b"P3 2000 2000 255\n" + b"1 " * 500_000
    yield "nan.pfm", b"Pf\n48 48\nnan\n" + b"\xff" * (4 * SIDE * SIDE)
    yield "infinite.pfm", b"Pf\n48 48\n-1\n" + struct.pack("<f", float("inf")) * SIDE * SIDE
    yield (
        "claims-65535x65535.pcx",
        struct.pack(
            "<BBBBHHHHHH48xBBHHHH54x", 10, 5, 1, 8, 0, 0, 65534, 65534, 72, 72, 0, 3, 65534, 1, 0, 0
        ),
    )
    for kind in (2, 3, 10, 11):
        header = struct.pack("<BBBHHBHHHHBB", 0, 0, kind, 0, 0, 0, 0, 0, 65535, 65535, 24, 0)
        yield f"claims-65535x65535-kind-{kind}.tga", header + b"\xff\0\0\0" * 1000
    yield "claims-16383x16383.webp", lossless_webp(16383, 16383)
    yield "claims-4000x4000.webp", lossless_webp(4000, 4000)
    yield (
        "claims-16777216x16777216.webp",
        (b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + b"\xff" * 6),
    )
    yield "claims-4294967295.jp2", patched(written("jp2"), b"\xff\x51", 4, b"\xff" * 16)
    yield "claims-4294967295.avif", patched(written("avif"), b"ispe", 8, b"\xff" * 8)
    yield (
        "claims-16000x16000.avif",
        patched(written("avif"), b"ispe", 8, struct.pack(">II", 16000, 16000)),
    )


def loops() -> Iterator[tuple[str, bytes]]:
    """Files that point at themselves, or repeat what takes long."""
    yield "directory-of-itself.tif", tiff(SIDE, SIDE, after=8)
    yield "directory-within-itself.tif", tiff(SIDE, SIDE, more=[(330, 4, 1, 8), (34665, 4, 1, 8)])
    yield "position-within-itself.tif", tiff(SIDE, SIDE, more=[(34853, 4, 1, 8)])
    yield "65535-tags.tif", b"II*\0\x08\0\0\0\xff\xff" + b"\xfe\xff\x03\0\x01\0\0\0\0\0\0\0" * 65535
    yield "claims-65535-tags.tif", b"II*\0\x08\0\0\0\xff\xff"
    yield "claims-4294967295-strips.tif", tiff(SIDE, SIDE, more=[(273, 4, 2**32 - 1, 8)])
    yield "strips-outside.tif", tiff(SIDE, SIDE, more=[(273, 4, 1, 2**32 - 1)])
    yield "no-rows-in-a-strip.tif", tiff(SIDE, SIDE, more=[(278, 4, 1, 0)], compression=8)
    yield (
        "tiles-of-no-size.tif",
        tiff(SIDE, SIDE, compression=8, more=[(322, 4, 1, 0), (323, 4, 1, 0), (324, 4, 1, 8)]),
    )
    yield "directories-in-a-long-chain.tif", chain(50_000)
    yield "2000-scans.jpg", repeated_scans(6000, 2000)
    segment = b"\xff\xe1\xff\xffExif\0\0" + b"\0" * 65527
    yield "100-segments.jpg", b"\xff\xd8" + segment * 100 + written("jpg")[2:]
    yield "200000-segments.jpg", b"\xff\xd8" + b"\xff\xe1\0\x04ab" * 200_000 + written("jpg")[2:]
    yield "filled-up.jpg", b"\xff\xd8" + b"\xff" * 5_000_000 + written("jpg")[2:]
    yield "restarts.jpg", written("jpg")[:-2] + b"\xff\xd0\xff\xd7" * 500_000
    yield "pictures-within-itself.mpo", patched(written("mpo"), b"MPF\0", 8, b"\0\0\0\x08")
    comment = b"!\xfe\x01a\0"
    head, frame = gif_parts()
    yield "500000-comments.gif", head + comment * 500_000 + frame + b";"
    yield (
        "one-comment-of-10-MB.gif",
        (head + b"!\xfe" + (b"\xff" + b"a" * 255) * 40_000 + b"\0" + frame + b";"),
    )
    yield "extensions-without-end.gif", head + b"!\xff\x01a\0" * 500_000
    yield "no-end.gif", head + b"\0" * 2_000_000
    yield "codes-without-end.gif", (head + frame[:11] + (b"\xff" + b"\0" * 255) * 20_000)
    yield "boxes-of-no-length.jp2", MAGIC["jp2"] + b"\0\0\0\0jp2h" * 100_000
    yield (
        "boxes-within-boxes.jp2",
        MAGIC["jp2"]
        + b"".join(struct.pack(">I4s", 8 * (10_000 - n), b"jp2h") for n in range(10_000)),
    )
    yield (
        "boxes-within-boxes.avif",
        written("avif")[:32]
        + b"".join(struct.pack(">I4s", 8 * (10_000 - n), b"meta") for n in range(10_000)),
    )
    yield "references-to-itself.avif", patched(written("avif"), b"iloc", 4, b"\x44\x40\xff\xff")


def damaged() -> Iterator[tuple[str, bytes]]:
    """Every format cut short, with flipped bits, and noise or nothing behind its first bytes."""
    random = np.random.default_rng(1)
    for kind, content in ((kind, written(kind)) for kind in WRITTEN):
        yield f"cut-in-half.{kind}", content[: len(content) // 2]
        yield f"cut-after-30-bytes.{kind}", content[:30]
        for number in range(3):
            flipped = np.frombuffer(content, np.uint8).copy()
            flipped[random.integers(8, len(flipped), 8)] ^= random.integers(1, 256, 8, np.uint8)
            yield f"flipped-{number}.{kind}", flipped.tobytes()
    for kind, magic in MAGIC.items():
        yield f"noise.{kind}", magic + random.bytes(5000)
        yield f"nothing.{kind}", magic + bytes(5000)
        yield f"end.{kind}", magic


MB = 1_000_000


def gif_parts() -> tuple[bytes, bytes]:
    """What a GIF begins with, and its one frame."""
    content = written("gif")
    start = content.index(b",\0\0\0\0" + struct.pack("<HH", SIDE, SIDE))
    return content[:start], content[start:-1]


@cache
def zeros(count: int) -> bytes:
    """So many zeros, packed."""
    return zlib.compress(bytes(count), 1)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int,
    height: int,
    *,
    depth: int = 8,
    colour: int = 0,
    interlaced: bool = False,
    before: bytes = b"",
    content: bytes | None = None,
) -> bytes:
    """A black picture, or one of this packed content."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    if content is None:
        row = 1 + width * depth // 8 * {0: 1, 2: 3, 3: 1}[colour]
        content = zeros(row * height)
    return (
        MAGIC["png"]
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", content)
        + chunk(b"IEND", b"")
    )


def bitmap(
    width: int, height: int, *, bits: int = 24, compression: int = 0, body: bytes = b"\0" * 500
) -> bytes:
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 2835, 2835, 256, 0
    )
    palette = bytes(1024) if bits == 8 else b""
    start = 14 + len(header) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + header + palette + body


def tiff(
    width: int,
    height: int,
    *,
    compression: int = 1,
    body: bytes = b"\0" * (SIDE * SIDE),
    more: list[tuple[int, int, int, int]] | None = None,
    after: int = 0,
) -> bytes:
    """more: tags (number, type, count, value) that replace others; after: the next directory."""
    tags = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, compression),
        262: (3, 1, 1),
        273: (4, 1, 0),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, len(body)),
    } | {number: rest for number, *rest in more or []}
    start = 8 + 2 + 12 * len(tags) + 4
    if tags[273] == (4, 1, 0):
        tags[273] = (4, 1, start)
    listed = b"".join(struct.pack("<HHII", number, *rest) for number, rest in sorted(tags.items()))
    return MAGIC["tif"] + struct.pack("<H", len(tags)) + listed + struct.pack("<I", after) + body


def chain(count: int) -> bytes:
    """A picture and so many empty directories, each with the place of the next."""
    first = tiff(SIDE, SIDE)
    start = len(first)
    links = b"".join(struct.pack("<HI", 0, start + 6 * ((n + 1) % count)) for n in range(count))
    return tiff(SIDE, SIDE, after=start) + links


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(zipfile.ZipInfo("../owned.txt"), "hello")
    return buffer.getvalue()


def plain_jpeg(side: int, **options: bool) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (side, side), 90).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def resized_jpeg(content: bytes, width: int, height: int) -> bytes:
    """Another size in the frame header."""
    place = max(content.find(b"\xff\xc0\0\x11"), content.find(b"\xff\xc2\0\x11"))
    return content[: place + 5] + struct.pack(">HH", height, width) + content[place + 9 :]


def repeated_scans(side: int, count: int) -> bytes:
    """A progressive JPEG whose last scan is there many times."""
    content = plain_jpeg(side, progressive=True)
    last = content.rfind(b"\xff\xda")
    return content[:last] + content[last:-2] * count + content[-2:]


def many_frames(count: int) -> bytes:
    head, frame = gif_parts()
    return head + (b"!\xf9\x04\0\0\0\0\0" + frame) * count + b";"


def lossless_webp(width: int, height: int) -> bytes:
    """One colour: a few bytes whatever the size."""
    bits = (width - 1) | (height - 1) << 14
    body = b"\x2f" + struct.pack("<I", bits) + b"\x88\x88\x08" + bytes(8)
    return (
        b"RIFF"
        + struct.pack("<I", len(body) + 12)
        + b"WEBPVP8L"
        + (struct.pack("<I", len(body)) + body)
    )


def patched(content: bytes, mark: bytes, after: int, new: bytes) -> bytes:
    """Other bytes so many behind a mark."""
    place = content.index(mark) + after
    return content[:place] + new + content[place + len(new) :]
