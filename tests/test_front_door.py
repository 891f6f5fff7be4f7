"""`import aifashion`: light, documented by examples that run, and without TensorFlow where no run is loaded."""

import doctest
import importlib
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import aifashion

ROOT = Path(__file__).parent.parent
PHOTO = Path(__file__).parent / "golden" / "shipped" / "dress.jpg"


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["aifashion", "aifashion.recognition.recognizer", "aifashion.recognition.adapters"])
def test_the_examples_of_the_documentation(module: str):
    found = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 3 and found.failed == 0


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, aifashion; print(sorted({'numpy', 'cv2', 'keras', 'tensorflow', 'pandas'} & set(sys.modules)))"
    assert python(code) == "[]"


def test_an_artifact_is_used_without_tensorflow():
    code = (
        "import sys, aifashion\n"
        f"garment = aifashion.load('shipped')({str(PHOTO)!r})\n"
        "garment.draw(), aifashion.to_pandas(garment)\n"
        "print(garment.category, sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    assert python(code) == "dress []"


def test_all_names_of_the_front_door_are_there():
    for name in aifashion.__all__:
        assert getattr(aifashion, name) is not None and name in dir(aifashion)
    with pytest.raises(AttributeError, match="module 'aifashion' has no attribute 'laod'"):
        aifashion.laod  # noqa: B018


def test_type_checkers_see_the_names_that_load_later():
    source = (ROOT / "src" / "__init__.py").read_text(encoding="utf-8")
    typed = source.partition("if TYPE_CHECKING:")[2].partition("__all__")[0]
    for name, module in aifashion._MODULES.items():
        (line,) = (line for line in typed.splitlines() if f"from .{module} import" in line)
        assert name in line.partition("import")[2].replace(",", " ").split()
    assert {*aifashion._MODULES, "__version__"} == set(aifashion.__all__)


def test_version(monkeypatch):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def installed(name: str) -> str:
        assert name == "aifashion"
        return "7.8.9"

    monkeypatch.setattr(metadata, "version", installed)
    assert aifashion._version() == "7.8.9"

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert aifashion._version() == project["version"]
