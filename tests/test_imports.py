"""Who can import whom, as the table in CONTRIBUTING.md says."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
SPINE = {
    "vocabulary",
    "vocabulary_names",
    "records",
    "geometry",
    "heatmaps",
    "box_maps",
    "boxes",
    "regions",
    "config",
    "config_fields",
}
SPINE |= {"measurement_sets", "measurements", "planes"}
SPINE |= {"extras", "files", "paths", "run_files"}
ROOMS = {
    "data_gen": {"data_gen", "spine"},
    "unet": {"unet", "spine"},
    "eval": {"eval", "data_gen", "spine"},
    "serve": {"serve", "eval", "data_gen", "spine"},
    "recognition": {"recognition", "serve", "eval", "unet", "data_gen", "spine"},
    "tasks": {"tasks", "recognition", "serve", "eval", "unet", "data_gen", "spine"},
    "web": {"web", "tasks", "recognition", "serve", "eval", "unet", "data_gen", "spine"},
    "top": {"top", "web", "tasks", "recognition", "serve", "eval", "unet", "data_gen", "spine"},
    "spine": {"spine"},
    # What it offers is loaded when it is first used.
    "front": {"recognition", "data_gen", "spine"},
}
LEARNING = {"keras", "tensorflow", "tensorboard", "jax", "torch"}
SPINE_LIBRARIES = {"numpy", "scipy", "cv2", "filelock"}
FILES = sorted(SOURCE.rglob("*.py"))


def room_of(module: str) -> str:
    """`aifashion.data_gen.images` -> data_gen; modules directly in the package are the spine, itself the front."""
    parts = module.split(".")
    if len(parts) == 1:
        return "front"
    return parts[1] if len(parts) > 1 and (SOURCE / parts[1]).is_dir() else "spine"


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(("aifashion", *parts[: -1 if parts[-1] == "__init__" else None]))


def imported(path: Path) -> set[str]:
    """Absolute names of all modules that the file imports, wherever in it the import stands."""
    package = ["aifashion", *path.relative_to(SOURCE).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            found.update([start] if node.module else [f"{start}.{alias.name}" for alias in node.names])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_stay_within_what_the_room_can_know(path):
    module = module_of(path)
    room, names = room_of(module), imported(path)
    ours = {name for name in names if name.split(".")[0] == "aifashion"}
    libraries = {name.split(".")[0] for name in names - ours} - sys.stdlib_module_names
    assert {room_of(name) for name in ours if name != "aifashion"} <= ROOMS[room]
    assert "src" not in libraries
    if room == "spine":
        assert libraries <= SPINE_LIBRARIES
    if room in ("data_gen", "eval") or module in ("aifashion.serve.runtime", "aifashion.serve.artifact"):
        assert not libraries & LEARNING


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name != "top"], ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_inside_the_package_are_relative(path):
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    absolute = [n.module for n in tree if isinstance(n, ast.ImportFrom) and not n.level and n.module]
    assert not [name for name in absolute if name.split(".")[0] == "aifashion"]


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if p.parent.name in ("recognition", "tasks", "web")],
    ids=lambda p: str(p.relative_to(SOURCE)),
)
def test_the_library_does_not_print(path):
    tree = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    calls = [node.func.id for node in tree if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert "print" not in calls


def test_the_spine_has_no_module_that_the_rules_do_not_know():
    assert {path.stem for path in SOURCE.glob("*.py")} - {"__init__"} == SPINE


def test_every_package_folder_is_listed_for_the_wheel():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent for path in SOURCE.rglob("__init__.py")}
    assert sorted(listed) == sorted(".".join(("aifashion", *f.relative_to(SOURCE).parts)) for f in folders)


def test_every_folder_with_code_is_a_package():
    assert not [path for path in FILES if not (path.parent / "__init__.py").exists()]
