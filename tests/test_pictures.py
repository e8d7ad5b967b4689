"""Pictures from anywhere: each is read or refused, in time, and nothing else suffers."""

import io
import os
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from deepsvdd_core import datasets, jobs
from deepsvdd_core.datasets import decoding, folders
from deepsvdd_core.datasets.decoding import MEMORY_LIMIT, TOO_SLOW, Decoder
from deepsvdd_core.pipeline import WORK
from tests.corpus.pictures import corpus

SHAPE = (3, 32, 32)
FILES = dict(corpus())
FINE = [name for name in FILES if name.startswith("fine-")]
SLOW = FILES["filled-up.jpg"]


@pytest.fixture(scope="module", autouse=True)
def no_other_decoder():
    """Tests of other files have let this process read folders, too."""
    decoding._decoder.close()


@pytest.fixture
def decoder():
    decoder = Decoder()
    yield decoder
    decoder.close()


def decoders() -> list[psutil.Process]:
    """The processes below this one that decode pictures."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "deepsvdd_core.datasets.decoder" in child.cmdline()]


def processor_time() -> float:
    """Seconds of this process and all it has started, whatever else the computer does."""
    return sum(sum(p.cpu_times()[:4]) for p in [psutil.Process(), *decoders()])


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """For each file of the corpus an answer, its seconds, and the largest memory it took."""
    place, decoder, found = tmp_path_factory.mktemp("files"), Decoder(), {}
    for name, content in corpus():
        (place / name).write_bytes(content)
        began = processor_time()
        (answer,) = decoder.ask("picture", SHAPE, [place / name])
        found[name] = answer, processor_time() - began, largest_memory()
    decoder.close()
    assert {path.name for path in place.iterdir()} == set(FILES)  # nothing else was written
    assert not decoders()
    return found


def largest_memory() -> int:
    """Bytes; 0 where nobody counts them."""
    states = [Path(f"/proc/{process.pid}/status") for process in decoders()]
    lines = [line.split() for s in states if s.exists() for line in s.read_text().splitlines()]
    return max((int(line[1]) * 1024 for line in lines if line[0] == "VmHWM:"), default=0)


def test_each_file_is_read_or_refused_with_a_few_words(answers):
    assert len(answers) >= 80
    for name, (answer, *_) in answers.items():
        if isinstance(answer, str):
            assert 0 < len(answer) < 80 and answer.isprintable(), name
            assert not name.startswith("fine-"), (name, answer)
        else:
            assert len(answer) == np.prod(SHAPE), name


def test_no_file_takes_two_seconds_or_more_memory_than_its_limit(answers):
    libraries = 60 * 2**20  # code in files counts as memory here and not for the limit
    for name, (_, seconds, memory) in answers.items():
        assert seconds < 2, name
        assert memory < MEMORY_LIMIT + libraries, name
    assert answers["fine-7000x7000-of-16-bits.png"][2] < 250 * 2**20


def test_nothing_that_runs_as_a_program_is_read(answers):
    names = [name for name in FILES if name.startswith(("program", "metafile", "foreign"))]
    assert len(names) > 15
    assert {answers[name][0] for name in names} == {"not a readable image"}


@pytest.mark.parametrize("name", [name for name in FINE if len(FILES[name]) < 20_000])
def test_an_ordinary_picture_is_read_as_a_viewer_shows_it(name, answers):
    expected = Image.open(io.BytesIO(FILES[name]))
    if name == "fine-I16.png":
        expected = Image.fromarray((np.asarray(expected) // 257).astype(np.uint8))
    small = expected.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
    pixels = np.frombuffer(answers[name][0], np.uint8).reshape(32, 32, 3)
    assert np.abs(pixels.astype(int) - np.asarray(small)).max() <= 2


def test_what_waits_for_ever_is_not_waited_for(decoder, tmp_path, monkeypatch):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # the name of a socket must be short
        server.bind("socket.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "circle.png").symlink_to("circle.png")
    names = ["pipe.png", "socket.png", "folder.png", "circle.png", "nothing.png", "a\0b.png"]
    said = decoder.ask("picture", SHAPE, [*(tmp_path / n for n in names), Path("/dev/zero")])
    assert set(said) == {"it is not a file", "it cannot be opened"}


def test_a_file_that_grows_while_it_is_read_ends_too(decoder, tmp_path):
    path, is_over = tmp_path / "growing.webp", threading.Event()
    path.write_bytes(FILES["fine-webp"])

    def grow() -> None:
        with path.open("ab") as file:
            while not is_over.wait(0.001) and file.tell() < 300_000_000:
                file.write(bytes(1_000_000))

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        assert all(len(a) for a in decoder.ask("picture", SHAPE, [path] * 10))
    finally:
        is_over.set()
        thread.join()


def test_after_a_file_that_takes_too_long_the_next_ones_are_read(decoder, tmp_path):
    for name, content in (("a", FILES["fine-png"]), ("b", SLOW), ("c", FILES["fine-gif"])):
        (tmp_path / name).write_bytes(content)
    first, slow, last = decoder.ask("picture", SHAPE, [tmp_path / name for name in "abc"])
    assert slow == TOO_SLOW
    for found, name in ((first, "fine-png"), (last, "fine-gif")):
        assert [found] == decoder.ask("picture", SHAPE, [FILES[name]])
    assert len(decoders()) == 1


def test_a_decoder_that_was_killed_starts_again(decoder):
    assert isinstance(decoder.ask("picture", SHAPE, [FILES["fine-png"]])[0], bytes)
    (process,) = decoders()
    process.kill()
    process.wait()
    assert isinstance(decoder.ask("picture", SHAPE, [FILES["fine-png"]])[0], bytes)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of processes are set on Linux")
def test_the_system_holds_the_limits_of_the_decoder(decoder):
    decoder.ask("picture", SHAPE, [b""])
    (process,) = decoders()
    assert process.rlimit(psutil.RLIMIT_DATA) == (MEMORY_LIMIT, MEMORY_LIMIT)
    assert process.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)


def test_a_decoder_that_cannot_start_says_so(monkeypatch):
    monkeypatch.setattr(decoding.sys, "executable", "/bin/false")
    with pytest.raises(OSError, match="cannot be started"):
        Decoder().ask("picture", SHAPE, [b""])


def test_a_photograph_of_24_million_pixels_is_read_long_before_the_limit(decoder):
    noise = np.random.default_rng(0).integers(0, 256, (250, 375, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((6000, 4000)).save(buffer, "JPEG", quality=92)
    decoder.ask("picture", SHAPE, [b""])
    began = processor_time()
    (answer,) = decoder.ask("picture", SHAPE, [buffer.getvalue()])
    assert isinstance(answer, bytes)
    assert processor_time() - began < decoding.TIME_LIMIT / 2


@pytest.fixture
def folder():
    """An image folder of grey pictures, three in each split."""
    root = datasets.data_root() / "tiles"
    for split in ("train", "test"):
        (root / split / "good").mkdir(parents=True)
        for number in range(3):
            Image.new("L", (40, 40), number).save(root / split / "good" / f"{number}.png")
    return root


def test_a_folder_of_hostile_files_is_read_without_them(folder):
    for name in FINE[:8] + [n for n in FILES if n.startswith(("program", "claims", "flipped"))]:
        (folder / "test" / "good" / f"x-{name}").write_bytes(FILES[name])
    loaded = datasets.load("tiles")
    assert len(loaded.test.images) >= 11
    assert "files were skipped: test/good/x-claims" in loaded.notes[0]


ODD_NAMES = [b"caf\xe9.png", b"two\nlines.png", b"\x1b[31m.png", "‮gnp.png".encode(), b"n" * 251]


def test_notes_can_be_shown_whatever_the_files_are_called(folder):
    for name in ODD_NAMES:
        try:
            (folder / "test" / "good" / os.fsdecode(name)).write_bytes(b"no picture")
            Image.new("L", (40, 40)).save(folder / "train" / "good" / os.fsdecode(name), "PNG")
        except OSError:
            pytest.skip("this system has no such names")
    assert len(datasets.fingerprint("tiles")) == 16
    loaded = datasets.load("tiles")
    assert len(loaded.train.images) == 8 and len(loaded.test.images) == 3
    (note,) = loaded.notes
    assert note.isprintable() and note.encode() and len(note) < 600
    assert "test/good/caf\ufffd.png (not a readable image)" in note


def test_a_folder_of_files_that_take_too_long_is_given_up(folder, monkeypatch):
    monkeypatch.setattr(folders, "MOST_SLOW", 0)
    (folder / "test" / "good" / "slow.jpg").write_bytes(SLOW)
    with pytest.raises(ValueError, match=r"More than 0 files of tiles take too long .*smaller"):
        datasets.load("tiles")


def test_the_shape_of_a_folder_is_asked_once_and_without_patience(folder, monkeypatch):
    assert datasets.source("tiles").image_shape == datasets.GREY
    Image.new("RGB", (40, 40)).save(folder / "train" / "good" / "0.png")
    assert datasets.source("tiles").image_shape == datasets.COLOUR
    monkeypatch.setattr(folders, "MOST_SLOW_LOOKED_AT", 1)
    (folder / "train" / "good" / "-slow.jpg").write_bytes(SLOW)
    assert datasets.source("tiles").image_shape == datasets.GREY
    monkeypatch.setattr(decoding, "is_grey", None)  # would not be callable
    assert datasets.source("tiles").image_shape == datasets.GREY


def work(contents: list[bytes], digests: list[str] | None = None) -> dict[str, np.ndarray]:
    named = [jobs.digest(content) for content in contents] if digests is None else digests
    reports = []
    return WORK["pictures"](
        digests=named,
        shape=[1, 28, 28],
        payload=contents,
        report=reports.append,
        on_step=lambda: None,
    )


def test_uploaded_pictures_are_answered_in_their_order():
    found = work([FILES["fine-png"], b"", FILES["program-loops.png"], FILES["fine-gif"]])
    assert found["images"].shape == (2, 1, 28, 28)
    reasons = found["refused"].tobytes().decode().split("\n")
    assert reasons == ["", "not a readable image", "not a readable image", ""]
    assert work([b""])["images"].shape == (0, 1, 28, 28)


@pytest.mark.parametrize("contents", [[], [b"a"], [b"b", b"a"]])
def test_contents_that_are_not_those_named_are_not_read(contents):
    with pytest.raises(ValueError, match="upload them again"):
        work(contents, [jobs.digest(b"a"), jobs.digest(b"b")])
