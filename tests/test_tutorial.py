"""docs/tutorial.ipynb runs from its first cell to its last, and was kept as it ran."""

import json
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parent.parent / "docs" / "tutorial.ipynb"


def outputs(notebook: nbformat.NotebookNode) -> list[str]:
    """What each code cell showed, as text."""
    return [json.dumps(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]


def test_the_tutorial_is_kept_with_its_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    shown = outputs(notebook)
    assert len(shown) > 8
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(shown) + 1))
    text = "\n".join(shown)
    assert '"output_type": "error"' not in text and text.count("image/png") + text.count("image/jpeg") >= 5
    # What it was run on is nobody's business.
    assert str(Path.home()) not in text and "/tmp/" not in text and "site-packages" not in text


def test_the_first_code_cell_shows_a_result_of_the_shipped_networks():
    first = next(cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code")
    shown = json.dumps(first.outputs)
    assert "demo --model shipped" in first.source and "image/jpeg" in shown and "synthetic_skirt.jpg: skirt" in shown


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning")
def test_the_tutorial_runs_twice(tmp_path):
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:  # as short as they can be: what they learn was shown when the outputs were kept
        cell.source = re.sub(r"--epochs \d+", "--epochs 1", cell.source)
        cell.source = cell.source.replace("--count 600 --test-count 150", "--count 300 --test-count 100")
    here = {"metadata": {"path": str(tmp_path)}}

    def run() -> str:
        NotebookClient(notebook, timeout=1800, kernel_name="python3", resources=here).execute()
        return "\n".join(outputs(notebook))

    assert "reused from an earlier run" not in run()
    folder = tmp_path / "tutorial"
    submission = (folder / "submission" / "attribute_submission.csv").read_text().splitlines()
    score = json.loads((folder / "score.json").read_text())
    assert score["images"] == len(submission) > 20 and 0 < score["map"] <= 1
    assert len(list((folder / "demo").glob("*.json"))) == 1
    runs = sorted((folder / "runs").rglob("best.json"))
    assert run().count("reused from an earlier run of this cell: aifashion train") == 2
    assert sorted((folder / "runs").rglob("best.json")) == runs
    assert json.loads((folder / "score.json").read_text()) == score
