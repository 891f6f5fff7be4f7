"""Installs the wheel in a new environment, away from the checkout, and uses it there.

    python .ci/try_wheel.py DIST

Fails where a file is missing from the wheel, or where it needs a package that it does not depend on.
"""

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECOGNISE = """
import aifashion, json, sys
from pathlib import Path
assert Path(aifashion.__file__).is_relative_to(sys.prefix), aifashion.__file__
photo = sorted(Path("demo/photos").glob("*.jpg"))[0]
garment = aifashion.load("shipped")(photo)
print(garment)
assert garment.category and garment.keypoints and garment.attributes and garment.draw().ndim == 3
garments = aifashion.load("shipped").garments(photo)
assert garments and all(garment.keypoints for garment in garments)
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""

TRAIN = """
import importlib.util, subprocess, sys
assert importlib.util.find_spec("tensorflow") is None, "the core brings TensorFlow"
words = [sys.executable, "-m", "aifashion.top.cli", "train", "--data", ".", "--out", "runs"]
done = subprocess.run(words, capture_output=True, text=True)
assert done.returncode == 1 and "pip install 'aifashion[train]'" in done.stderr, done.stderr
"""


def check_contents(wheel: Path) -> None:
    """Raises SystemExit naming the files of src that the wheel lacks."""
    with zipfile.ZipFile(wheel) as file:
        inside = set(file.namelist())
    expected = {f"aifashion/{path.relative_to(ROOT / 'src').as_posix()}" for path in _package_files()}
    missing = sorted(expected - inside)
    if missing:
        raise SystemExit(f"{wheel.name} lacks {len(missing)} files: {', '.join(missing[:10])}")
    more = sorted(name for name in inside - expected if ".dist-info/" not in name)
    if more:
        raise SystemExit(f"{wheel.name} has {len(more)} files that src does not have: {', '.join(more[:10])}")


def _package_files() -> list[Path]:
    """All files of src that git knows or would add."""
    words = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "src")
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def main(dist: Path) -> None:
    (wheel,) = dist.resolve().glob("*.whl")
    check_contents(wheel)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "env", with_pip=False)
        programs = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        python = programs / "python"
        uv = Path(sys.executable).with_name("uv")
        # The lock as constraints: only what the wheel depends on is installed, in the locked versions.
        lock = ROOT / "requirements.lock"
        _run(uv, "pip", "install", "--quiet", "--python", python, "--constraints", lock, wheel, cwd=folder)
        command = programs / "aifashion"
        _run(command, "--version", cwd=folder)
        _run(command, "--help", cwd=folder)
        _run(command, "demo", "--out", "demo", "--no-show", cwd=folder)
        _run(command, "predict", "demo/photos", "--out", "garments.csv", cwd=folder)
        _run(python, "-c", RECOGNISE, cwd=folder)
        _run(python, "-c", TRAIN, cwd=folder)
        if len((folder / "garments.csv").read_text(encoding="utf-8").splitlines()) != 6:
            raise SystemExit("aifashion predict wrote another number of rows than a header and five photos")
    print(f"{wheel.name}: complete, and works on its own")


def _run(*words: str | Path, cwd: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    print(">", *(str(word).strip().partition("\n")[0] for word in words), flush=True)
    subprocess.run([str(word) for word in words], cwd=cwd, check=True, env=environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
