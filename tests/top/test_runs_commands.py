import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aifashion.config import AttributeConfig, KeypointConfig
from aifashion.files import locked, sealed
from aifashion.top import runs_commands
from aifashion.top.runs_commands import clear, find_runs, list_runs
from links import link


def make_run(root: Path, name: str, config: str, epochs: int = 0, best: tuple[float, int] | None = None) -> Path:
    """A run folder with what a training leaves in it."""
    run = root / name
    for part in ("models", "states", "tensorboard"):
        (run / part).mkdir(parents=True)
    (run / "config.json").write_text(config)
    (run / "models" / "epoch_001.weights.h5").write_bytes(bytes(2_500_000))
    rows = "".join(f"{n},0.1,0.5\n" for n in range(1, epochs + 1))
    (run / "history.csv").write_text(f"epoch,learning_rate,score\n{rows}" if epochs else "")
    if best is not None:
        (run / "best.json").write_text(json.dumps({"file": "x", "score": best[0], "epoch": best[1]}))
    return run


def attribute_run(root: Path, name: str, tag: str = "", **more) -> Path:
    return make_run(
        root, name, AttributeConfig(task="skirt_length", network="lite", epochs=4, tag=tag).to_json(), **more
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A keypoint run without a tag, two runs of tag `try` and one of tag `keep`."""
    root = tmp_path / "trained_models"
    make_run(root, "all/2026_01_01_00_00_00", KeypointConfig(network="lite", size=96, epochs=2).to_json(), 2, (0.08, 2))
    attribute_run(root, "skirt_length/2026_01_02_00_00_00", "try", epochs=1, best=(0.25, 1))
    attribute_run(root, "skirt_length/2026_01_03_00_00_00", "try")
    attribute_run(root, "skirt_length/2026_01_04_00_00_00_001", "keep", epochs=4, best=(float("nan"), 4))
    (root / "README.md").write_text("what goes here")
    return root


def folders(root: Path) -> list[str]:
    return sorted(path.parent.relative_to(root).as_posix() for path in root.rglob("config.json"))


def answer(monkeypatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_lists_every_kind_of_run(root: Path, capsys) -> None:
    list_runs(["--folder", str(root)])
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        "kind task network size epochs best (epoch) state tag MB folder",
        "keypoints all lite 96 2/2 0.0800 (2) finished - 2.5 all/2026_01_01_00_00_00",
        "attributes skirt_length lite 224 1/4 0.2500 (1) stopped try 2.5 skirt_length/2026_01_02_00_00_00",
        "attributes skirt_length lite 224 0/4 - stopped try 2.5 skirt_length/2026_01_03_00_00_00",
        "attributes skirt_length lite 224 4/4 - finished keep 2.5 skirt_length/2026_01_04_00_00_00_001",
    ]


def test_lists_the_runs_of_a_tag(root: Path, capsys) -> None:
    list_runs(["--folder", str(root), "--tag", "keep"])
    header, row = capsys.readouterr().out.splitlines()
    assert header.startswith("kind") and row.endswith("skirt_length/2026_01_04_00_00_00_001")
    list_runs(["--folder", str(root), "--tag", "none"])
    assert "No runs with tag 'none' in " in capsys.readouterr().out


def test_a_tag_or_folder_with_a_line_end_stays_in_its_row(tmp_path: Path, capsys) -> None:
    attribute_run(tmp_path, "a/2026_01_02_00_00_00", "first\nsecond\x1b[31m\t\u2028", epochs=4)
    attribute_run(tmp_path, "b\nb/2026_01_02_00_00_00", "other", epochs=4)
    list_runs(["--folder", str(tmp_path)])
    header, first, second = capsys.readouterr().out.split("\n")[:-1]
    assert " first\\nsecond\\x1b[31m\\t\\u2028  " in first and first.endswith("a/2026_01_02_00_00_00")
    assert second.endswith("b\\nb/2026_01_02_00_00_00")
    assert first.index("2.5") == second.index("2.5") == header.index("MB")
    list_runs(["--folder", str(tmp_path), "--tag", "first\nsecond\x1b[31m\t\u2028"])
    assert len(capsys.readouterr().out.splitlines()) == 2  # such a run can still be chosen


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("epochs", "3", "a whole number"),
        ("epochs", True, "a whole number"),
        ("epochs", 2.0, "a whole number"),
        ("size", "96", "a whole number"),
        ("tag", ["try"], "a text"),
        ("tag", None, "a text"),
        ("network", 7, "a text"),
        ("task", {}, "a text"),
    ],
)
def test_a_field_of_another_type_is_named(tmp_path: Path, capsys, field: str, value, expected: str) -> None:
    config = json.loads(AttributeConfig(network="lite", epochs=3).to_json()) | {field: value}
    run = make_run(tmp_path, "2026_01_02_00_00_00", json.dumps(config), epochs=3)
    list_runs(["--folder", str(tmp_path)])
    told, header, row = capsys.readouterr().out.splitlines()
    assert told == f"{run / 'config.json'}: {field} = {value!r} is not {expected}; listed as unknown"
    cells = dict(zip(header.replace("best (epoch)", "best").split(), row.split(), strict=True))
    if field == "epochs":
        assert (cells["epochs"], cells["state"]) == ("3/?", "unknown")
    else:
        assert cells[field] == "-" and (cells["epochs"], cells["state"]) == ("3/3", "finished")


def test_a_configuration_that_was_changed_is_named(tmp_path: Path, capsys) -> None:
    config = sealed(json.loads(AttributeConfig(network="lite").to_json())) | {"size": 64}
    run = make_run(tmp_path, "2026_01_02_00_00_00", json.dumps(config))
    list_runs(["--folder", str(tmp_path)])
    told, _, row = capsys.readouterr().out.splitlines()
    assert told.startswith(f"{run / 'config.json'} is damaged (it was changed since it was written") and " 64 " in row


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "{}", '{"kind": 1}', "\udcff"])
def test_what_is_no_configuration_is_passed_over(root: Path, capsys, text: str) -> None:
    run = make_run(root, "all/2026_01_09_00_00_00", "")
    (run / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    list_runs(["--folder", str(root)])
    told, *rows = capsys.readouterr().out.splitlines()
    assert told == f"passed over, not the configuration of a run: {run / 'config.json'}" and len(rows) == 5


def test_an_empty_or_missing_folder(tmp_path: Path, fails, capsys) -> None:
    list_runs(["--folder", str(tmp_path)])
    assert capsys.readouterr().out.startswith("No runs in ")
    assert fails(list_runs, "--folder", tmp_path / "none").startswith("no folder ")


def test_clears_the_runs_of_a_tag_and_nothing_else(root: Path, capsys) -> None:
    clear(["--tag", "try", "--folder", str(root), "--yes", "True"])
    assert folders(root) == ["all/2026_01_01_00_00_00", "skirt_length/2026_01_04_00_00_00_001"]
    assert sorted(path.name for path in (root / "skirt_length").iterdir()) == ["2026_01_04_00_00_00_001"]
    assert (root / "README.md").exists()
    out = capsys.readouterr().out
    assert "skirt_length/2026_01_02_00_00_00" in out and out.endswith("Deleted 2 of 2 runs, 5.0 MB\n")


@pytest.mark.parametrize(("word", "left"), [("y\n", 2), ("Yes\n", 2), ("n\n", 4), ("\n", 4), ("try\n", 4)])
def test_asks_first(root: Path, monkeypatch, capsys, word: str, left: int) -> None:
    answer(monkeypatch, word)
    clear(["--tag", "try", "--folder", str(root)])
    assert len(folders(root)) == left
    out = capsys.readouterr().out
    assert "Delete 2 runs, 5.0 MB? [y/N]" in out and ("Nothing deleted" in out) == (left == 4)


def test_where_nobody_answers_nothing_is_deleted(root: Path, monkeypatch, fails) -> None:
    answer(monkeypatch, "")
    assert fails(clear, "--tag", "try", "--folder", root) == (
        "nobody is there to answer: give --yes to delete without asking"
    )
    assert len(folders(root)) == 4


def test_refuses_without_a_tag(root: Path, fails, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        clear(["--folder", str(root), "--yes", "True"])
    assert caught.value.code == 2
    capsys.readouterr()
    for tag in ("", " "):
        assert "an empty --tag would mean every run without one" in fails(
            clear, "--tag", tag, "--folder", root, "--yes", "True"
        )
    assert len(folders(root)) == 4


def test_refuses_a_tag_that_no_run_has(root: Path, fails) -> None:
    text = fails(clear, "--tag", "tr", "--folder", root, "--yes", "True")
    assert text == f"no run with tag 'tr' in {root}; tags there: keep, try"
    assert len(folders(root)) == 4


def test_what_is_no_run_folder_stays(root: Path, capsys) -> None:
    tagged = AttributeConfig(task="skirt_length", tag="try").to_json()
    (root / "config.json").write_text(tagged)  # the folder of all runs
    (root / "skirt_length" / "config.json").write_text(tagged)  # other runs lie in it
    for name, text in {"notes": '{"tag": "try"}', "list": "[1]", "broken": '{"kind": "attri'}.items():
        (root / name).mkdir()
        (root / name / "config.json").write_text(text)
    (root / "hidden" / ".old").mkdir(parents=True)
    (root / "hidden" / ".old" / "config.json").write_text(tagged)
    clear(["--tag", "try", "--folder", str(root), "--yes", "True"])
    assert folders(root) == [
        ".",
        "all/2026_01_01_00_00_00",
        "broken",
        "hidden/.old",
        "list",
        "notes",
        "skirt_length",
        "skirt_length/2026_01_04_00_00_00_001",
    ]
    assert f"passed over, not the configuration of a run: {root / 'broken' / 'config.json'}" in capsys.readouterr().out


def test_what_lies_inside_a_run_is_part_of_it(root: Path) -> None:
    export = root / "skirt_length" / "2026_01_02_00_00_00" / "export"
    export.mkdir()
    (export / "config.json").write_text(AttributeConfig(task="skirt_length", tag="other").to_json())
    assert len(find_runs(root)) == 4
    clear(["--tag", "try", "--folder", str(root), "--yes", "True"])
    assert not export.exists()


def test_links_are_not_followed(root: Path, tmp_path: Path, fails) -> None:
    outside = attribute_run(tmp_path / "elsewhere", "2026_01_05_00_00_00", "linked")
    link(root / "link", outside)
    link(root / "links", outside.parent)
    assert "no run with tag 'linked'" in fails(clear, "--tag", "linked", "--folder", root, "--yes", "True")
    link(root / "skirt_length" / "2026_01_02_00_00_00" / "models" / "link", outside)
    link(root / "skirt_length" / "2026_01_02_00_00_00" / "link", outside)
    clear(["--tag", "try", "--folder", str(root), "--yes", "True"])
    assert len(folders(root)) == 2 and (outside / "models" / "epoch_001.weights.h5").exists()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell what is open")
def test_a_run_whose_files_are_open_is_running(root: Path, fails, capsys) -> None:
    run = root / "skirt_length" / "2026_01_03_00_00_00"
    code = "import sys; file = open(sys.argv[1], 'w'); print('open', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", code, str(run / "tensorboard" / "events")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        assert [found.folder for found in find_runs(root) if found.running] == [run]
        clear(["--tag", "try", "--folder", str(root), "--yes", "True"])
        assert f"left alone, as it seems to be running: {run}" in capsys.readouterr().out
        assert run.exists() and not (root / "skirt_length" / "2026_01_02_00_00_00").exists()
        assert fails(clear, "--tag", "try", "--folder", root, "--yes", "True") == "no run was deleted"
        process.communicate()
    assert not any(found.running for found in find_runs(root))


def test_where_open_files_cannot_be_seen_the_time_decides(root: Path, monkeypatch) -> None:
    monkeypatch.setattr(runs_commands, "_open_files", lambda: None)
    # Those with epochs left, that were just written.
    assert [run.running for run in find_runs(root)] == [False, True, True, False]
    for path in (root / "skirt_length" / "2026_01_02_00_00_00").rglob("*"):
        os.utime(path, (0, time.time() - 3600))
    assert [run.running for run in find_runs(root)] == [False, False, True, False]


def test_damaged_files_of_a_run_are_named_and_the_others_listed(root: Path, capsys) -> None:
    run = root / "all" / "2026_01_01_00_00_00"
    for text in ("", "{", "[]", '{"score": "?", "epoch": 1}', '{"score": null}'):
        (run / "best.json").write_text(text)
        assert find_runs(root)[0].best is None
    for text in ("", "epoch\n", "epoch\nx\n", "score\n1\n", "\0"):
        (run / "history.csv").write_text(text)
        assert find_runs(root)[0].epochs == (0, 2)
    (run / "config.json").write_text('{"kind": "keypoints", "epochs": "many"}')
    assert find_runs(root)[0].epochs == (0, 0) and find_runs(root)[0].tag == ""
    (run / "data.json").write_bytes(b"\xff")
    capsys.readouterr()
    list_runs(["--folder", str(root)])
    said = capsys.readouterr().out
    for name in ("best.json", "history.csv", "data.json"):
        assert f"{run / name} is damaged (" in said
    assert "2026_01_04_00_00_00_001" in said


def test_a_debug_run_is_listed_as_such(root: Path, capsys) -> None:
    run = root / "skirt_length" / "2026_01_03_00_00_00"
    (run / "data.json").write_text('{"train": 1, "val": 1, "debug": true, "photos_sha256": ""}')
    list_runs(["--folder", str(root)])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.endswith(run.name)]
    assert " debug " in line


def test_a_run_that_a_training_has_locked_stays(root: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(runs_commands, "_open_files", lambda: [])
    run = root / "skirt_length" / "2026_01_03_00_00_00"
    with locked(run):
        clear(["--tag", "try", "--folder", str(root), "--yes", "True"])
    assert f"left alone, as a training is at work in it: {run}" in capsys.readouterr().out
    assert (run / "config.json").exists() and not (root / "skirt_length" / "2026_01_02_00_00_00").exists()


def test_a_deletion_that_was_cut_short_can_be_repeated(root: Path, monkeypatch) -> None:
    run = root / "skirt_length" / "2026_01_02_00_00_00"
    calls = []

    def stopped(path: Path) -> None:
        calls.append(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(runs_commands.shutil, "rmtree", stopped)
        clear(["--tag", "try", "--folder", str(root), "--yes", "True"])
    assert calls and (run / "config.json").exists()
    clear(["--tag", "try", "--folder", str(root), "--yes", "True"])
    assert not run.exists()


def test_starts_without_keras(root: Path) -> None:
    code = (
        "import sys\nfrom aifashion.top.cli import main\n"
        f"main(['runs', 'list', '--folder', {str(root)!r}])\n"
        "print('loaded:', [name for name in ('keras', 'tensorflow', 'cv2', 'numpy', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"
