import re
import subprocess
import sys
import tomllib
from pathlib import Path

from aifashion.extras import EXTRAS, MissingExtraError, explained

ROOT = Path(__file__).parent.parent
PACKAGES = {"skimage": "scikit-image"}
"""Modules whose package has another name, apart from dashes."""


def extras_of_the_package() -> dict[str, set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        extra: {re.split(r"[<>=\[ ]", wanted)[0] for wanted in packages} - {"aifashion"}
        for extra, packages in project["optional-dependencies"].items()
    }


def test_the_table_names_the_packages_of_pyproject() -> None:
    named = {extra: {PACKAGES.get(m, m.replace("_", "-")) for m in modules} for extra, modules in EXTRAS.items()}
    assert named == extras_of_the_package()


def test_a_missing_package_is_explained_by_its_extra() -> None:
    error = explained(ModuleNotFoundError("No module named 'keras.ops'", name="keras.ops"), "aifashion train")
    assert isinstance(error, MissingExtraError)
    assert str(error) == (
        "aifashion train needs the package keras, which is not installed: pip install 'aifashion[train]'"
    )
    other = ModuleNotFoundError("No module named 'abc'", name="abc")
    assert explained(other) is other


BLOCK = """
import sys
for name in {blocked}:
    sys.modules[name] = None
from aifashion.top.cli import COMMANDS, main
"""


def without_extras(code: str) -> subprocess.CompletedProcess[str]:
    """Code that is run where no package of an extra can be imported."""
    block = BLOCK.format(blocked=[module for modules in EXTRAS.values() for module in modules])
    return subprocess.run([sys.executable, "-c", block + code], capture_output=True, text=True, check=False)


def test_no_help_needs_an_extra() -> None:
    done = without_extras(
        """
for command in COMMANDS:
    try:
        main([*command.split(), "--help"])
    except SystemExit as end:
        print(f"{command}: {end.code}", file=sys.stderr)
"""
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.endswith(": 0")] == []
    assert "usage: aifashion train" in done.stdout


def test_photos_are_recognised_without_any_extra(tmp_path: Path) -> None:
    done = without_extras(f"main({['predict', str(ROOT / 'tests/golden/shipped'), '--out', str(tmp_path / 't.csv')]})")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 7


def test_a_training_without_its_extra_names_it(tmp_path: Path) -> None:
    done = without_extras(f"main({['train', '--data', str(tmp_path), '--out', str(tmp_path / 'runs')]})")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "pip install 'aifashion[train]'" in done.stderr


def test_the_service_without_its_extra_names_it_before_it_listens() -> None:
    done = without_extras("main(['serve', '--port', '0'])")
    assert done.returncode == 1 and "Traceback" not in done.stderr and "serving" not in done.stdout
    assert "aifashion serve needs the package fastapi" in done.stderr
    assert "pip install 'aifashion[serve]'" in done.stderr
