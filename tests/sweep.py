"""Everything a link to a page may say, read from the source of the pages, and absurd values."""

from __future__ import annotations

import ast
import base64
import itertools
import json
import zlib
from collections.abc import Iterator
from urllib.parse import urlencode

from tests.server import ROOT, Server, Visit, elements

PAGES = ("", "train", "explore", "explain", "hans", "compare", "models")
# Functions of the pages whose first argument is a name in the link.
NAMING = {
    "choose", "choose_one", "several", "number", "switch", "choose_count", "choose_normal",
    "recall", "remember", "get", "pop",
}  # fmt: skip
BOMB = base64.urlsafe_b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
ABSURD = {
    "empty": "",
    "digits": "9" * 5_000,
    "minus": "-1",
    "beyond-float": "1e999",
    "nan": "NaN",
    "infinity": "-Infinity",
    "zero": "0",
    "fraction": "0.5",
    "far": "999999999",
    "arabic": "٣",
    "spaces": " 3 ",
    "nul": "a\0b",
    "lines": "a\r\nb\tc\x1b[31m",
    "unicode": "👩‍👩‍👧\u202e\u200b\ufeff\uffff",
    "half-a-sign": "%ED%A0%80",
    "long": "x" * 20_000,
    "commas": "," * 5_000,
    "json": json.dumps({"a": [None, {"b": 1e5}]}),
    "html": "<script>alert(1)</script>",
    "markdown": "[a](javascript:alert(1)) $\\frac$ :red[b] **c**",
    "path": "../../../../etc/passwd",
    "percent": "%00%ff%zz%",
    "none": "None",
    "true": "true",
    "another": "umap",
    "colons": "a:b:c:1e999",
    "base64": base64.b64encode(bytes(range(256)) * 40).decode(),
    "bomb": BOMB,
    "shell": "$(id) `id` {0} %s",
}


def names() -> list[str]:
    """The parameters a page reads, from the calls in `pages/`; parts that change are a digit."""
    found = set()
    for path in sorted((ROOT / "pages").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        known = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            found |= set(_named(node, known))
    return sorted(found)


def _named(node: ast.AST, known: dict[str, object]) -> Iterator[str]:
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("query_params"):
        yield from _texts(node.slice, known)
    if not isinstance(node, ast.Call) or not node.args:
        return
    name = ast.unparse(node.func)
    of = name.rpartition(".")[2]
    if of == "step":
        yield from (f"step-{text}" for text in _texts(node.args[0], known))
    elif of in ("get", "pop") and not name.endswith(f"query_params.{of}"):
        return
    elif of in NAMING:
        yield from _texts(node.args[0], known)


def _texts(node: ast.AST, known: dict[str, object]) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and isinstance(known.get(node.id), str):
        yield known[node.id]
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "0" for part in node.values)


def steps() -> list[str]:
    """The steps of the laboratory."""
    return [name for name in names() if name.startswith("step-")]


def links() -> Iterator[tuple[str, dict[str, str]]]:
    """Every page with every parameter and every absurd value."""
    for page, name, value in itertools.product(PAGES, names(), ABSURD.values()):
        yield page, {name: value}


def pairs() -> Iterator[tuple[str, dict[str, str]]]:
    """The laboratory with two steps open, with each other parameter absurd in turn."""
    others, values = [n for n in names() if n not in steps()], itertools.cycle(ABSURD.values())
    for two in itertools.combinations(steps(), 2):
        opened = dict.fromkeys(two, "true")
        yield "hans", opened
        for name in others:
            yield "hans", {**opened, name: next(values)}


def faults(running: Server, page: str, link: dict[str, str]) -> list[str]:
    """What went wrong on a page in a fresh session: exceptions in it, or a page that is not."""
    with Visit(running) as visit:
        messages = visit.run(page, urlencode(link, errors="surrogatepass"))
    kinds = {message.WhichOneof("type") for message in messages}
    found = [f"{error.type} {error.message}" for error in elements(messages, "exception")]
    return found + [kind for kind in kinds if kind == "page_not_found"]


def tracebacks(running: Server) -> list[str]:
    """The last line of every traceback in the log."""
    log = running.output().split("Traceback (most recent call last)")
    return [next((x for x in t.splitlines()[1:] if x[:1].isalpha()), "?") for t in log[1:]]
