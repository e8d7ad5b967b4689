"""The picture of the house: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "deepsvdd_core"
PROGRAM = [*CORE.rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]
ROOMS = (
    "progress",
    "experiment",
    "selection",
    "digests",
    "catalogue",
    "header",
    "library",
    "products",
    "datasets",
    "corruptions",
    "tasks",
    "calibration",
    "evaluation",
    "figures",
    "export",
    "clustering",
    "scaling",
    "oriented_gradients",
    "layers",
    "networks",
    "backbones",
    "sphere",
    "recording",
    "objectives",
    "training",
    "health",
    "estimators",
    "detectors",
    "projections",
    "explainers",
    "strategies",
    "honesty",
    "pipeline",
    "worker",
    "engine",
    "jobs",
    "benchmark",
    "ready_made",
)
LIGHT = (
    "progress",
    "experiment",
    "selection",
    "digests",
    "catalogue",
    "header",
    "library",
    "products",
    "datasets",
    "corruptions",
    "tasks",
    "calibration",
    "evaluation",
    "sphere",
    "projections",
    "recording",
    "worker",
    "jobs",
    "figures",
    "export",
    "benchmark",
)
HEAVY = ("torch", "torchvision", "umap", "numba", "captum")


def imported(path: Path) -> set[str]:
    """Dotted names of everything a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files(room: str) -> list[Path]:
    """One file, or the files of a folder."""
    return (
        [CORE / f"{room}.py"] if (CORE / f"{room}.py").is_file() else [*(CORE / room).glob("*.py")]
    )


def rooms_used(path: Path) -> set[str]:
    parts = [name.split(".") for name in imported(path)]
    return {part[1] for part in parts if part[0] == "deepsvdd_core" and len(part) > 1}


def test_the_list_of_rooms_is_complete():
    found = {path.stem for path in CORE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - {"__init__", "__pycache__"} == set(ROOMS)
    picture = (CORE / "__init__.py").read_text(encoding="utf-8")
    assert all(f"\n    {room} " in picture for room in ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_those_before_it(room):
    allowed = {*ROOMS[: ROOMS.index(room)], room}
    for path in files(room):
        assert rooms_used(path) <= allowed, path.name


@pytest.mark.parametrize("room", ROOMS)
def test_the_core_knows_nothing_of_the_pages(room):
    for path in files(room):
        tops = {name.split(".")[0] for name in imported(path)}
        assert not tops & {"streamlit", "pages", "app"}
        assert not tops & {"pickle", "joblib"}
        text = path.read_text(encoding="utf-8")
        assert text.count("torch.load(") == text.count("weights_only=True")
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 320, path.name


def test_light_rooms_load_nothing_heavy():
    code = (
        "import importlib, sys\n"
        f"for room in {list(LIGHT)}: importlib.import_module('deepsvdd_core.' + room)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == "[]", run.stderr


def opens_pictures(path: Path) -> list[ast.Call]:
    """The calls in a file that may decode a picture; everything imported as `Image` counts."""
    names = {"Image.open", "PIL.Image.open", "skimage.io.imread", "torchvision.io.read_image"}
    assert not {name for name in imported(path) if name in names}, path.name
    calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
    return [call for call in calls if ast.unparse(call.func).endswith(("Image.open", "imread"))]


def test_pictures_are_opened_in_one_place_by_a_list_of_formats():
    found = {path.name: calls for path in PROGRAM if (calls := opens_pictures(path))}
    assert list(found) == ["pictures.py"]
    assert [[k.arg for k in call.keywords] for call in found["pictures.py"]] == [["formats"]]


def test_no_process_but_the_one_that_decodes_loads_what_decodes():
    rooms = [f"deepsvdd_core.{room}" for room in LIGHT]
    code = (
        f"import importlib, sys\nfor room in {rooms}: importlib.import_module(room)\n"
        "print('deepsvdd_core.datasets.pictures' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == "False", run.stderr
    users = [path.name for path in PROGRAM if "deepsvdd_core.datasets.pictures" in imported(path)]
    assert users == ["decoder.py"]


def test_pages_are_thin_and_light():
    pages = [ROOT / "app.py", *(ROOT / "pages").glob("*.py")]
    assert len(pages) >= 6
    for path in pages:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 80, path.name
    for path in [*pages, *(ROOT / "pages" / "parts").glob("*.py")]:
        assert rooms_used(path) <= set(LIGHT), path.name
        assert not {name.split(".")[0] for name in imported(path)} & set(HEAVY)


def public(path: Path) -> list[ast.AST]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.ClassDef
    return [tree, *(n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_"))]


def test_everything_public_says_what_it_is():
    for path in PROGRAM:
        for node in public(path):
            assert ast.get_docstring(node), (path.name, getattr(node, "name", "module"))
