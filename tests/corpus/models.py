"""Hostile, damaged, foreign and plain files that may be taken for models; always the same."""

from __future__ import annotations

import copy
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from safetensors.numpy import load, save

from deepsvdd_core import detectors, library
from deepsvdd_core.experiment import Experiment

HUGE = "1" + "0" * 5_000  # more digits than Python reads
# Values of the wrong kind or out of any range, as JSON text, for every field there is.
WRONG = {
    "null": "null",
    "true": "true",
    "minus-one": "-1",
    "half": "0.5",
    "huge": HUGE,
    "beyond-float": "1e999",
    "nan": "NaN",
    "infinity": "-Infinity",
    "text": '"high"',
    "number-as-text": '"0.5"',
    "empty-text": '""',
    "long-text": json.dumps("x" * 100_000),
    "lines": '"a\\nb\\u0000c"',
    "half-a-sign": '"\\ud800"',
    "list": "[]",
    "list-of-all": '[1, null, "a", {}, []]',
    "object": '{"a": 1}',
    "deep": "[" * 50_000 + "]" * 50_000,
    "deep-object": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "many": json.dumps(["0"] * 100_000),
    "very-many": json.dumps([1] * 1_000_000),
}
# Texts that mean something to Markdown, HTML, LaTeX, a terminal, a query, or the eye.
TEXTS = {
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "markdown": "# a\t**b** [c](javascript:alert(1)) ![d](http://127.0.0.1/x.png) `e` ~~f~~ > g",
    "latex": "$\\frac{1}{0}$ \\(x\\) $$\\input{/etc/passwd}$$",
    "streamlit": ":red[a] :material/delete: :rainbow-background[b] :blue-badge[c] {{x}} %s {0}",
    "right-to-left": "\u202egnp.\u202c \u200f \u200b \ufeff \u2066",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 20,
    "combining": "a" + "\u0301" * 300,
    "separators": "a\u2028b\u2029c\u0085d",
    "private": "\ue000\uffff\U000f0000\U0010ffff",
    "surrogate-pair": "\U0001f600",
    "csv": "=cmd|' /C calc'!A0",
    "query": "a&b=c?d#e/../f%00%0a",
    "quotes": "\"'`´’”",
    "spaces": "   \u00a0\u3000 ",
    "nothing": "",
}
NAMES = (
    "../x", "../../etc/passwd", "a/b", "a\\b", "/etc/passwd", "C:\\x", "..", ".", "", " ", "   ",
    "\u3000", ".hidden", "-rf", "--help", "_x", "~", "a\nb", "a\r\nb", "a\0b", "a\tb", "\x1b[31m",
    "x" * 121, "x" * 300, "x" * 5_000, "ä" * 200, "a.safetensors",
    "a.SafeTensors", "a.safetensors.",
    "CON", "con.txt", "NUL", "com1", "LPT9.a", "a.", "a ", " a", "a:b", "a*b", "a?b", "a|b",
    "a<b>c", 'a"b', "a;b", "a&b=c", "a#b", "a%00b", "a%2e%2e", "$(id)", "`id`", "{a}", "😀",
    "👩\u200d👩\u200d👧", "\u202egnp", "a\u202eb", "\u200b", "a\u200bb", "\ufeffa", "a\u2028b",
    "\udce9", "caf\udce9",
    "MNIST-3-ONE-CLASS-94721C07BC", "Mnist-3-One-Class-94721c07bc",
    "mnist-3-one-class-94721c07bc", "fashion-mnist-ankle-boot-one-class-DFCC2AA26E",
)  # fmt: skip
FINE_NAMES = (
    "a", "0", "a-ankle-boot-b", "x" * 120, "cafe\u0301", "café", "模型", "модель 1", "a.b", "a (2)",
    "a+b", "con-tent", "tmp", "a..b", "a.owners", "z-", "1[2]", "ﬁ",
)  # fmt: skip


@cache
def corpus() -> tuple[tuple[str, bytes], ...]:
    """(name without suffix, content). Those that begin with fine- must be shown, with odd- may."""
    found = tuple((name, content) for make in MAKERS for name, content in make())
    assert len({name for name, _ in found}) == len(found)
    return found


@cache
def shipped() -> tuple[dict, dict[str, np.ndarray]]:
    """Header and tensors of a model that comes with the program."""
    path = next(iter(sorted(library.BUNDLED.glob("mnist-3-one-class-*"))))
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    about = json.loads(content[8 : 8 + size])["__metadata__"]["header"]
    return json.loads(about), load(content)


def scores() -> dict[str, np.ndarray]:
    """The calibration scores that its header counts."""
    return {"calibration": shipped()[1]["calibration"]}


def header(**changes: object) -> dict:
    """The header of the shipped model with parts of it changed; a part is a dict."""
    made = copy.deepcopy(shipped()[0])
    made["provenance"]["history"] = made["provenance"]["history"][:2]
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(made.get(name), dict):
            made[name] |= value
        else:
            made[name] = value
    return made


def model(about: dict | str, tensors: dict[str, np.ndarray] | None = None) -> bytes:
    """A model file; a header that is text is written as it is."""
    text = about if isinstance(about, str) else json.dumps(about)
    metadata = {"format": library.FORMAT, "header": text}
    return save(shipped()[1] if tensors is None else tensors, metadata=metadata)


def places(about: object, at: tuple = ()) -> Iterator[tuple]:
    """The way to every value of a header; of lists, to the first entry."""
    if isinstance(about, dict):
        for key, value in about.items():
            yield (*at, key)
            yield from places(value, (*at, key))
    elif isinstance(about, list) and about:
        yield (*at, 0)
        yield from places(about[0], (*at, 0))


def put(about: dict, at: tuple, text: str) -> str:
    """The header as text with this text at a place."""
    made = copy.deepcopy(about)
    part = made
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] = "\0here\0"
    return json.dumps(made).replace(json.dumps("\0here\0"), text)


def whole_header() -> dict:
    """A header in which every field of the schema has a value."""
    everything = Experiment("mnist", ("3",)).to_dict()
    chosen = {"width": 1.0}
    return header(experiment=everything, chosen=chosen, shape=[1, 28, 28], threshold=1.0)


def wrong_fields() -> Iterator[tuple[str, bytes]]:
    """Each field with a few values that do not belong there; some fields take some of them."""
    about, rng, kinds = whole_header(), np.random.default_rng(0), list(WRONG)
    for at in places(about):
        for kind in rng.permutation(kinds)[:2]:
            name = "-".join(map(str, at)).replace("_", "-")
            yield f"odd-field-{name}-{kind}", model(put(about, at, WRONG[kind]))


def bad_headers() -> Iterator[tuple[str, bytes]]:
    """Headers that are refused for one reason each."""
    good = json.dumps(header())
    texts = {
        "empty": "",
        "null": "null",
        "number": "1",
        "list": "[]",
        "text": '"a"',
        "cut": good[:-1],
        "two": good + good,
        "comment": good + " // a",
        "single-quotes": good.replace('"', "'"),
        "mark": "\ufeff" + good,
        "deep": WRONG["deep"],
        "deep-object": WRONG["deep-object"],
        "deep-inside": good[:-1] + f', "more": {WRONG["deep"]}}}',
        "twice": good[:-1] + ', "provenance": 1}',
        "proto": good[:-1] + ', "__proto__": {}}',
        "long": good[:-1] + " " * 9_000_000 + "}",
        "million-keys": json.dumps({str(number): 0 for number in range(300_000)}),
        "high": json.dumps(header(provenance={"auroc": "high"})),
        "control": good.replace('"title": "', '"title": "\\u0007'),
        "raw-control": good.replace('"title": "', '"title": "\n'),
        "half-a-sign": good.replace('"title": "', '"title": "\\udc00'),
    }
    for name, text in texts.items():
        yield f"header-{name}", model(text)
    shapes = [[3, 7, 9], [1, 28], [1, 10**9, 10**9], [1, 28, 28.0], [True, 28, 28], [[1], 28, 28]]
    shapes += [[0, 0, 0], [-1, 28, 28], ["1", "28", "28"], 1e9, None, [3, 32, 32], {"0": 1}]
    for number, shape in enumerate(shapes):
        yield f"shape-{number}", model(header(provenance={"image_shape": shape}))
    for part in ("detector", "experiment", "provenance"):
        about = header()
        del about[part]
        yield f"without-{part}", model(about)
    for part in ("dataset", "normal_classes"):
        about = header()
        del about["experiment"][part]
        yield f"without-{part.replace('_', '-')}", model(about)
    for name, choices in {
        "other-detector": {"detector": "vae"},
        "unknown-detector": {"detector": "magic"},
        "unknown-objective": {"objective": "magic"},
        "unknown-estimator": {"estimator": "magic"},
        "unknown-encoder": {"encoder": "../../x"},
        "unknown-features": {"features": "http://127.0.0.1/x"},
        "unknown-choice": {"callback": "os.system"},
        "same-class-twice-over": {"anomaly_classes": ["3"]},
        "no-class": {"normal_classes": []},
        "million-classes": {"normal_classes": ["0"] * 1_000_000},
        "million-wrong-classes": {"normal_classes": [0] * 1_000_000},
        "long-class": {"normal_classes": ["0" * 100_000]},
        "class-of-lines": {"normal_classes": ["a\nb"]},
        "class-of-nothing": {"normal_classes": [""]},
        "number-class": {"normal_classes": [3]},
    }.items():
        yield f"choices-{name}", model(header(experiment=choices))
    for name, facts in {
        "few-quantiles": {"calibration_quantiles": [1.0] * 100},
        "million-quantiles": {"calibration_quantiles": [1.0] * 1_000_000},
        "no-quantiles": {"calibration_quantiles": []},
        "long-history": {"history": header()["provenance"]["history"][:1] * 30_000},
        "stage": {"history": [{**header()["provenance"]["history"][0], "stage": "magic"}]},
        "far-created": {"created": "10000-01-01"},
        "word-created": {"created": "yesterday"},
        "unknown": {"magic": 1},
        "many-versions": {"versions": {str(n): "1" for n in range(100_000)}},
        "wrong-versions": {"versions": {str(n): 1 for n in range(300_000)}},
        "wrong-history": {"history": [{}] * 900_000},
        "wrong-notes": {"notes": [1] * 1_000_000},
        "long-notes": {"notes": ["x" * 1_000_000]},
        "many-notes": {"notes": ["x"] * 100_000},
        "many-classes": {"class_names": ["x"] * 100_000},
        "share-of-two": {"auroc": 2},
        "negative-seconds": {"seconds": -1},
    }.items():
        yield f"facts-{name}", model(header(provenance=facts))
    cut = save({"a": np.zeros(1, np.float32)}, metadata={"format": "deepsvdd-explorer/9"})
    yield "format-of-tomorrow", cut
    yield "format-without-header", save({}, metadata={"format": library.FORMAT})
    yield "format-none", save(shipped()[1])


def odd_headers() -> Iterator[tuple[str, bytes]]:
    """Headers that mean something elsewhere, in a file whose weights are sound."""
    for name, text in TEXTS.items():
        facts = {
            "title": text.replace("\t", " ").replace("\x85", " "),
            "class_names": [text] * 3,
            "notes": [text],
            "device": text,
            "command": text,
            "health": text,
            "versions": {text: text},
            "dataset_fingerprint": text,
        }
        choices = {"normal_classes": [text or "0"], "dataset": text or "mnist"}
        yield f"odd-text-{name}", model(header(provenance=facts))
        yield f"odd-choices-{name}", model(header(experiment=choices))
    for number, moment in enumerate(
        (
            "0001-01-01", "9999-12-31T23:59:59.999999", "0001-01-01T00:00+23:59", "2024-W01-1",
            "9999-12-31T23:59:59-23:59", "20240101", "2024-01-01T00:00:00,5", "1900-02-28 24:00",
        )
    ):  # fmt: skip
        yield f"odd-created-{number}", model(header(provenance={"created": moment}))
    for name, facts in {
        "far-quantiles": {"calibration_quantiles": [-1e30] * 50 + [1e30] * 51},
        "falling-quantiles": {"calibration_quantiles": list(range(101, 0, -1))},
        "no-facts": {"auroc": None, "history": [], "class_names": []},
        "many-names": {"class_names": ["x" * 500] * 10_000},
        "long-title": {"title": "W" * 500},
        "much-trained": {"training_images": 10**12, "seconds": 1e9},
        "long-history": {"history": header()["provenance"]["history"][1:] * 20_000},
        "strange-history": {
            "history": [
                {
                    "stage": "fitting", "epoch": 10**12, "epochs": 0, "loss": -1e30,
                    "radius": 1e30, "auroc": 0, "health": "x" * 500,
                }
            ]
        },
    }.items():  # fmt: skip
        yield f"odd-facts-{name}", model(header(provenance=facts))
    for name, choices in {
        "ten-thousand-classes": {"normal_classes": [f"{n:0255}" for n in range(10_000)]},
        "unknown-data": {"dataset": "x" * 255},
        "path-as-data": {"dataset": "../../etc"},
        "extremes": {"nu": 1, "epochs": 10_000, "batch_size": 100_000, "seed": 2**32 - 1},
        "mark": {"artefact": "planted tag", "artefact_share": 1},
        "mark-of-colours": {"artefact": "planted tag", "dataset": "cifar10"},
        "spoilt": {"spoilt": "dotted line+zigzag"},
        "width": {"width": 1.0},
        "unknown-mark": {"artefact": "magic"},
        "unknown-spoilt": {"spoilt": "dotted line+magic"},
        "left-out": {"leave_out": "nowhere", "outlier_exposure": "nowhere"},
        "class-of-others": {"normal_classes": ["Trouser"]},
        "all-classes": {"normal_classes": list("0123456789")},
    }.items():
        yield f"odd-choices-of-{name}", model(header(experiment=choices))
    yield (
        "odd-duplicate-keys",
        model(json.dumps(header()).replace('"title": ', '"title": "first", "title": ')),
    )
    yield (
        "odd-minimal",
        model(
            {
                "detector": "deep",
                "experiment": {"dataset": "mnist", "normal_classes": ["3"]},
                "provenance": {"image_shape": [1, 28, 28]},
            }
        ),
    )


def filled(choices: dict) -> dict[str, np.ndarray]:
    """Tensors of an untrained detector, with a radius so that it counts as one."""
    tensors = detectors.build(Experiment("mnist", ("3",), **choices)).contents()[1]
    return scores() | {
        name: np.ones_like(value) if name.rpartition(".")[2] in ("radius", "threshold_score")
        else np.asarray(value, order="C")
        for name, value in tensors.items()
    }  # fmt: skip


KINDS = {
    "vae": {"detector": "vae"},
    "real-nvp": {"detector": "real-nvp"},
    "soft-boundary": {"objective": "soft-boundary"},
    "multi-sphere": {"objective": "multi-sphere"},
    "multi-center": {"objective": "multi-center"},
    "reconstruction": {"objective": "reconstruction"},
    "hsc": {"objective": "hsc", "encoder": "fcdd-28-small"},
    "fcdd": {"objective": "fcdd", "encoder": "fcdd-28-small"},
}


def kinds() -> Iterator[tuple[str, bytes]]:
    """A file of every kind of detector, and with the weights of another kind."""
    for name, choices in KINDS.items():
        about = {"experiment": choices, "detector": choices.get("detector", "deep")}
        yield f"fine-kind-{name}", model(header(**about), filled(choices))
        if name not in ("soft-boundary",):
            yield f"weights-of-another-for-{name}", model(header(**about))
    for objective in ("soft-boundary", "deep-sad"):
        yield (
            f"odd-weights-of-one-class-for-{objective}",
            model(header(experiment={"objective": objective})),
        )
    for name, choices in {
        "anogan": {"detector": "anogan"},
        "other-encoder": {"encoder": "fashion-lenet"},
        "colour-encoder": {"encoder": "cifar-lenet"},
        "biased-encoder": {"encoder": "fcdd-28"},
        "vae-without-decoder": {"detector": "vae", "encoder": "fcdd-28"},
        "shallow": {"detector": "shallow"},
        "shallow-codes": {"detector": "shallow", "features": "codes"},
    }.items():
        about = {"experiment": choices, "detector": choices.get("detector", "deep")}
        yield f"weights-of-another-for-{name}", model(header(**about))
    yield "weights-none", model(header(), {})


def changed(**tensors: object) -> bytes:
    """The shipped model with some tensors changed: an array, a function of it, or None for away."""
    made = dict(shipped()[1])
    for name, value in tensors.items():
        name = name.replace("__", ".")
        value = value(made[name]) if callable(value) else value
        made.pop(name, None)
        if value is not None:
            made[name] = np.asarray(value, order="C")
    return model(header(), made)


def tensors() -> Iterator[tuple[str, bytes]]:
    """Weights that do not belong, are no numbers, or lead out of all numbers."""
    weight, names = "encoder__0__weight", list(shipped()[1])
    for dtype in ("float64", "float16", "int8", "uint8", "bool", "int64", "uint32", "complex64"):
        yield f"dtype-{dtype}", changed(**{weight: lambda x, d=dtype: x.astype(d)})
    yield (
        "dtype-all-float64",
        model(header(), {name: x.astype(np.float64) for name, x in shipped()[1].items()}),
    )
    for name in names:
        yield f"missing-{name.replace('.', '-')}", changed(**{name.replace(".", "__"): None})
    for name, shape in {
        "transposed": lambda x: x.transpose(3, 2, 1, 0),
        "flat": lambda x: x.ravel(),
        "larger": lambda x: np.ones((16, 1, 5, 5), np.float32),
        "zero-size": lambda x: np.zeros((0, 1, 5, 5), np.float32),
        "no-axes": lambda x: np.float32(1),
        "more-axes": lambda x: x[None],
    }.items():
        yield f"weight-{name}", changed(**{weight: shape})
    for name, value in {"nan": np.nan, "infinite": np.inf, "minus-infinite": -np.inf}.items():
        yield f"weight-{name}", changed(**{weight: lambda x, v=value: np.full_like(x, v)})
        yield f"one-weight-{name}", changed(encoder__9__weight=lambda x, v=value: at_first(x, v))
        yield f"radius-{name}", changed(objective__radius=np.float64(value))
        yield f"center-{name}", changed(objective__center=lambda x, v=value: np.full_like(x, v))
    for name, value in {"huge": 1e38, "tiny": 1e-45, "zero": 0.0, "minus": -1.0}.items():
        yield f"odd-weight-{name}", changed(**{weight: lambda x, v=value: np.full_like(x, v)})
        yield f"odd-last-{name}", changed(encoder__9__weight=lambda x, v=value: np.full_like(x, v))
        yield f"odd-center-{name}", changed(objective__center=lambda x, v=value: np.full_like(x, v))
        yield (
            f"odd-variance-{name}",
            changed(encoder__1__running_var=lambda x, v=value: np.full_like(x, v)),
        )
        yield f"odd-low-{name}", changed(preprocessing__low=np.float32(value))
        yield f"odd-high-{name}", changed(preprocessing__high=np.float32(value))
    for name, value in {
        "zero": 0.0,
        "minus": -1.0,
        "minus-zero": -0.0,
        "minus-tiny": -5e-324,
    }.items():
        yield f"radius-{name}", changed(objective__radius=np.float64(value))
    for name, value in {"huge": 1e300, "large": 1e100, "tiny": 1e-300, "denormal": 5e-324}.items():
        yield f"odd-radius-{name}", changed(objective__radius=np.float64(value))
    yield "radius-of-one-axis", changed(objective__radius=np.ones(1))
    yield "odd-batches", changed(encoder__1__num_batches_tracked=np.int64(-(2**63)))
    yield "more-tensors", changed(magic=np.zeros(3, np.float32))
    yield (
        "many-tensors",
        model(
            header(), {**shipped()[1], **{f"t{n}": np.zeros(1, np.uint8) for n in range(100_000)}}
        ),
    )
    for objective in ("multi-sphere", "multi-center"):
        choices = {"objective": objective}
        made, about = filled(choices), header(experiment=choices)
        for count in (0, 11, 2_001, 100_000):
            spheres = {
                "objective.center": np.ones((count, 32), np.float32),
                "objective.radius": np.ones(count),
            }
            kind = "odd" if objective == "multi-center" and count == 11 else "centers"
            yield f"{kind}-{count}-of-{objective}", model(about, {**made, **spheres})
        lacking = {name: value for name, value in made.items() if name != "objective.center"}
        yield f"centers-missing-of-{objective}", model(about, lacking)
        flat = {**made, "objective.center": np.ones(32, np.float32)}
        yield f"centers-flat-of-{objective}", model(about, flat)
        few = {**made, "objective.radius": np.ones(7)}
        yield f"centers-fewer-than-radii-of-{objective}", model(about, few)
    noughts = {name: np.zeros_like(x) for name, x in filled(KINDS["real-nvp"]).items()}
    about = header(experiment=KINDS["real-nvp"], detector="real-nvp")
    yield "odd-real-nvp-of-noughts", model(about, noughts)
    large = {
        name: np.full_like(x, 1e30) if x.dtype == np.float32 else x
        for name, x in filled(KINDS["vae"]).items()
    }
    yield "odd-vae-of-large-numbers", model(header(experiment=KINDS["vae"], detector="vae"), large)


def at_first(values: np.ndarray, value: float) -> np.ndarray:
    """A copy with the first number replaced."""
    made = values.copy()
    made.flat[0] = value
    return made


def shallow(rows: object, estimator: str = "knn", **changes: object) -> bytes:
    """A file of a shallow detector that holds these rows."""
    choices = {"detector": "shallow", "estimator": estimator}
    more = {"shape": [1, 28, 28], "threshold": 1.0, "chosen": {}, **changes}
    about = header(detector="shallow", experiment=choices)
    about |= {name: value for name, value in more.items() if value is not ...}
    return model(about, scores() | ({} if rows is None else {"rows": np.asarray(rows, order="C")}))


def prepared(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> bytes:
    """A file of kNN on images that were brought to one contrast, and these ends to 0 and 1."""
    choices = {"detector": "shallow", "estimator": "knn"}
    about = header(detector="shallow", experiment=choices)
    about |= {"shape": [1, 28, 28], "threshold": 1.0, "chosen": {}}
    ends = {"preprocessing.low": low, "preprocessing.high": high}
    return model(about, scores() | {"rows": rows} | ends)


def slow(title: str) -> bytes:
    """A sound model that takes a few seconds to load."""
    pixels = np.random.default_rng(0).integers(0, 256, (6_000, 784), np.uint8)
    return shallow(pixels, "lof", provenance={**header()["provenance"], "title": title})


def shallow_ones() -> Iterator[tuple[str, bytes]]:
    """Training features that do not belong, and hyper-parameters that nobody chose."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 784), np.uint8)
    yield "fine-shallow", shallow(pixels)
    for estimator in ("lof", "mahalanobis", "isolation-forest", "pca", "kde", "oc-svm"):
        yield f"fine-shallow-{estimator}", shallow(pixels, estimator)
        yield f"odd-equal-rows-{estimator}", shallow(np.zeros((60, 784), np.uint8), estimator)
        yield f"odd-two-rows-{estimator}", shallow(pixels[:2], estimator)
    for name, rows in {
        "none": None,
        "of-no-row": pixels[:0],
        "of-one-row": pixels[:1],
        "of-one-axis": pixels[0],
        "of-three-axes": pixels[None],
        "narrow": pixels[:, :783],
        "wide": np.pad(pixels, ((0, 0), (0, 1))),
        "of-no-width": pixels[:, :0],
        "of-int64": pixels.astype(np.int64),
        "of-float64": pixels.astype(np.float64),
        "of-float16": pixels.astype(np.float16),
        "of-float32": pixels.astype(np.float32),
        "of-bool": pixels > 9,
        "too-many": np.zeros((200_001, 1), np.uint8),
    }.items():
        yield f"rows-{name}", shallow(rows)
    for name, changes in {
        "no-threshold": {"threshold": ...},
        "null-threshold": {"threshold": None},
        "no-shape": {"shape": ...},
        "other-shape": {"shape": [3, 32, 32]},
        "no-chosen": {"chosen": ...},
        "chosen-by-nobody": {"chosen": {"contamination": 0.5}},
        "chosen-class": {"chosen": {"__class__": 1}},
        "chosen-width-of-knn": {"chosen": {"width": 1.0}},
    }.items():
        yield f"shallow-{name}", shallow(pixels, **changes)
    for number, width in enumerate((0, -1, 1e300, "1", [1], True)):
        yield f"shallow-width-{number}", shallow(pixels, "kde", chosen={"width": width})
    for width in (1e-30, 1e30):
        for estimator in ("kde", "oc-svm", "kernel-pca"):
            name = f"odd-width-{width:g}-of-{estimator}"
            yield name, shallow(pixels, estimator, chosen={"width": width})
    for name, ends in {"equal": (1, 1), "nan": (0, np.nan), "wide": ([0, 0], [1, 1])}.items():
        low, high = (np.asarray(end, np.float32) for end in ends)
        yield f"shallow-prepared-by-{name}", prepared(pixels, low, high)
    few = np.float32(-1), np.float32(9)
    yield "fine-shallow-prepared", prepared(pixels, *map(np.asarray, few))
    yield "odd-far-threshold", shallow(pixels, threshold=-1e30)
    yield "odd-many-rows", shallow(np.tile(pixels, (100, 1)), "lof")
    codes = {"detector": "shallow", "features": "codes"}
    about = header(
        detector="shallow", experiment=codes, shape=[1, 28, 28], threshold=1.0, chosen={}
    )
    network = {name: x for name, x in shipped()[1].items() if name not in scores()}
    inside = scores() | {f"deep.{name}": x for name, x in network.items()}
    rows = np.random.default_rng(0).normal(size=(60, 32)).astype(np.float32)
    yield "fine-shallow-on-codes", model(about, {"rows": rows, **inside})
    yield (
        "odd-codes-without-numbers",
        model(about, {"rows": rows, **inside, "deep.objective.radius": np.array(-1.0)}),
    )
    yield "odd-rows-of-1e38", model(about, {"rows": np.full_like(rows, 1e38), **inside})
    seen = about | {"experiment": {**about["experiment"], "features": "efficientnet-lite0"}}
    yield "rows-of-a-network-too-narrow", model(seen, {"rows": np.ones((60, 512), np.float32)})


def damaged() -> Iterator[tuple[str, bytes]]:
    """Files that are cut, foreign, or lie about where their parts are."""
    good = model(header())
    yield "fine-plain", good
    size = int.from_bytes(good[:8], "little")
    for at in (1, 7, 8, 9, 100, size, size + 7, size + 8, size + 9, len(good) // 2, len(good) - 1):
        yield f"cut-at-{at}", good[:at]
    yield "empty", b""
    yield "longer", good + b"\0"
    yield "noughts", bytes(10_000)
    yield "noise", np.random.default_rng(0).bytes(40_000)
    for bits in (16, 31, 32, 40, 53, 62, 63):
        yield f"header-of-2-to-the-{bits}", struct.pack("<Q", 2**bits) + good[8:]
    yield "header-of-all-ones", b"\xff" * 8 + good[8:]
    for place in (12, 40, size // 2, size):
        yield f"flipped-{place}", good[:place] + bytes([good[place] ^ 0x80]) + good[place + 1 :]

    def raw(about: object, data: bytes = b"") -> bytes:
        text = about if isinstance(about, bytes) else json.dumps(about).encode()
        return struct.pack("<Q", len(text)) + text + data

    kept = {"__metadata__": {"format": library.FORMAT, "header": json.dumps(header())}}
    one = {"dtype": "F32", "shape": [1]}
    for name, parts in {
        "overlapping": {
            "a": {**one, "data_offsets": [0, 4]},
            "b": {**one, "data_offsets": [0, 4]},
        },
        "with-a-gap": {"a": {**one, "data_offsets": [4, 8]}},
        "backwards": {"a": {**one, "data_offsets": [4, 0]}},
        "negative": {"a": {**one, "data_offsets": [-4, 0]}},
        "far": {"a": {**one, "data_offsets": [2**62, 2**62 + 4]}},
        "too-far": {"a": {**one, "data_offsets": [0, 10**30]}},
        "of-text": {"a": {**one, "data_offsets": ["0", "4"]}},
        "of-three": {"a": {**one, "data_offsets": [0, 4, 8]}},
        "vast": {"a": {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 4]}},
        "overflowing": {"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}},
        "negative-shape": {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        "many-axes": {"a": {"dtype": "U8", "shape": [1] * 10_000, "data_offsets": [0, 1]}},
        "of-a-dtype-of-tomorrow": {"a": {"dtype": "F1", "shape": [1], "data_offsets": [0, 1]}},
        "bf16": {"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}},
        "f8": {"a": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}},
        "f4": {"a": {"dtype": "F4", "shape": [16], "data_offsets": [0, 8]}},
        "nameless": {"": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
        "path": {"../../a\0\n": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
        "unknown-word": {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "x": 1}},
    }.items():
        yield f"offsets-{name}", raw({**kept, **parts}, bytes(8))
    yield "container-of-numbers", raw({"__metadata__": {"format": 1}})
    yield "container-of-lists", raw({"__metadata__": []})
    yield "container-null", raw(b"null")
    yield "container-list", raw(b"[]")
    yield "container-deep", raw(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    yield "container-no-utf8", raw(b'{"\xff\xfe": 1}')
    yield "container-metadata-twice", raw(b'{"__metadata__":{},"__metadata__":{}}')
    yield "container-spaces", raw(b" " * 1_000_000)
    yield "pickle", pickle.dumps({"weight": [1.0, 2.0]})
    yield "pickle-that-runs", b"cos\nsystem\n(S'false'\ntR."
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1]))
        archive.writestr("archive/data/0", bytes(10_000_000))
    yield "zip", packed.getvalue()
    yield "html", b"<!doctype html><title>404</title>" * 100
    yield "lfs-pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    yield "hdf5", b"\x89HDF\r\n\x1a\n" + bytes(2_000)


MAKERS: tuple[Callable[[], Iterator[tuple[str, bytes]]], ...] = (
    damaged,
    bad_headers,
    odd_headers,
    tensors,
    kinds,
    shallow_ones,
    wrong_fields,
)
