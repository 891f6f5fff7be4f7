"""Makes the virtual environments of the peers: `python benchmarks/peers/environments.py torch onnxruntime`.

Each lies in .venv-peers/NAME and has the packages pinned in requirements-NAME.txt, installed without their
dependencies. It is made again when that file changes.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / ".venv-peers"


def python_of(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def make(name: str) -> None:
    """Raises subprocess.CalledProcessError if a package cannot be installed."""
    folder, wanted = FOLDER / name, (HERE / f"requirements-{name}.txt").read_text()
    stamp = folder / "installed.txt"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"making the environment {folder.relative_to(FOLDER.parent)}; PyTorch takes up to 5 GB", flush=True)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [python_of(folder), "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--requirement", HERE / f"requirements-{name}.txt"], check=True)
    stamp.write_text(wanted)


if __name__ == "__main__":
    for environment in sys.argv[1:]:
        make(environment)
