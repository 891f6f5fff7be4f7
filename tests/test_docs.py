"""The documentation: its links, the commands and options that it names, and the names that it lists."""

import contextlib
import importlib.util
import io
import posixpath
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest

from aifashion.top.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / folder / "README.md" for folder in ("benchmarks", "data", "recipes", "trained_models", "submission")),
        *(ROOT / "data" / folder / "README.md" for folder in ("photographs", "street")),
        *(ROOT / "docs").glob("*.md"),
    ]
)
MADE = ("vocabulary_names.md", "commands.md", "benchmarks.md")
"""Pages that exist in the built site only."""
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"--[a-zA-Z][\w-]*")


def load_hooks():
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = load_hooks()


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as Markdown sites make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def shell_lines(text: str) -> list[str]:
    """The commands of indented blocks and of inline code: `aifashion ...` and `python src/top/...`."""
    blocks = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    found = [re.sub(r"\s+", " ", line.split(" # ")[0].split("  #")[0]).strip() for line in [*blocks, *inline]]
    return [line for line in found if re.match(r"(aifashion |python src/top/)", line)]


def command_of(line: str) -> tuple[str, list[str]]:
    """`aifashion data crop --data X` -> ("data crop", ["--data", "X"])."""
    words = shlex.split(line)
    if words[0] == "python":
        return Path(words[1]).stem.replace("_", "-"), words[2:]
    for count in (2, 1):
        name = " ".join(words[1 : 1 + count])
        if name in COMMANDS:
            return name, words[1 + count :]
    raise AssertionError(f"no command {line!r}")


@cache
def options_of(command: str) -> frozenset[str]:
    """The options that the help of a command lists, older spellings apart."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return frozenset(OPTION.findall(out.getvalue().partition("older spellings")[0]))


@pytest.fixture(autouse=True)
def wide_help(monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 9000


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:") or (page.parent.name == "docs" and target in MADE):
            continue
        path = page.parent / target if target else page
        assert path.exists(), f"{page_id(page)} links to {link}, which is not there"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page_id(page)}: no heading for {link}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_and_options_exist(page):
    for line in shell_lines(page.read_text(encoding="utf-8")):
        if line.split()[1] in ("COMMAND", "--version", "--help") or line.removeprefix("aifashion ") in GROUPS:
            continue
        command, words = command_of(line)
        assert command in COMMANDS, f"{page_id(page)}: {line}"
        unknown = {word.partition("=")[0] for word in words if OPTION.match(word)} - options_of(command)
        assert not unknown, f"{page_id(page)}: {line!r} has {sorted(unknown)}, which the help does not list"


def test_lines_are_found_in_blocks_and_inline():
    text = (
        "    aifashion data crop --data X   # note\n\nUse `aifashion runs list`.\n\n```python\naifashion.load(1)\n```\n"
    )
    assert shell_lines(text) == ["aifashion data crop --data X", "aifashion runs list"]
    assert command_of("aifashion data crop --data X") == ("data crop", ["--data", "X"])
    assert command_of("python src/top/train_attributes.py --task all") == ("train-attributes", ["--task", "all"])
    assert {"--data", "--crop", "--out"} <= options_of("data crop") and "--modelpath" not in options_of("data crop")


def test_options_that_stand_alone_are_those_of_some_command():
    """Options in tables and text, without their command: some command must have them."""
    known = set().union(*(options_of(command) for command in COMMANDS))
    others = {"--extra", "--group", "--directory", "--no-deps", "--require-hashes", "--logdir"}
    others |= {"--real", "--imagenet", "--work", "--stages"}  # of benchmarks and recipes
    for page in PAGES:
        if page.name in ("CHANGELOG.md", "CONTRIBUTING.md"):
            continue
        text = page.read_text(encoding="utf-8")
        named = {option for code in re.findall(r"`([^`]*)`", text) for option in OPTION.findall(code)}
        assert named - known - others == set(), page_id(page)


def test_names_of_the_vocabularies_are_those_of_the_files():
    page = hooks.vocabulary_names()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))
    files = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in _vocabulary_files()}
    assert set(sections) == {*files, "Styles"}
    for name, data in files.items():
        for category in data["categories"]:
            assert f"| `{category}` |" in sections[name]
    fashionai = files["fashionai"]
    listed = re.findall(r"^\| \d+ \| `(\w+)` \|", sections["fashionai"], re.MULTILINE)
    assert listed == fashionai["keypoints"] and len(listed) == 24
    tasks = re.findall(r"^\| `(\w+)` \| \w+ \| \d+ \| (.+) \|$", sections["fashionai"], re.MULTILINE)
    classes = {task: cell.split("; ") for task, cell in tasks}
    assert classes == {task: entry["classes"] for task, entry in fashionai["attributes"].items()}
    assert sum(map(len, classes.values())) == 54
    assert len(re.findall(r"^\| \d+ \| .+ \|$", sections["Styles"], re.MULTILINE)) == 13


def _vocabulary_files() -> list[Path]:
    return sorted((ROOT / "src" / "vocabularies").glob("*.toml"))


def test_the_example_vocabulary_can_be_loaded(tmp_path):
    from aifashion.vocabulary import load_vocabulary

    text = (ROOT / "docs" / "vocabularies.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "neckwear.toml").write_text(example, encoding="utf-8")
    vocabulary = load_vocabulary(tmp_path / "neckwear.toml")
    assert vocabulary.categories == ("scarf", "tie") and len(vocabulary.attributes) == 2


def test_benchmarks_page_has_the_latest_row_of_every_case(tmp_path):
    results = tmp_path / "results.csv"
    header = "benchmark,case,value,unit,bound,commit,time\n"
    rows = [
        "startup,help,0.5,s,< 0.4,aaa,2026-01-01T00:00:00",
        "startup,help,0.3,s,< 0.4,bbb,2026-01-02T00:00:00",
        "synthetic,draw,20,images/s,>= 30,ccc,2026-01-03T00:00:00",
        'peers,"lite 192 px, ours (1.0): p50",7,ms,,ddd,2026-01-03T00:00:00',
        'peers,"lite 192 px, ours (1.0): p50, of runtime-int8",1.5,x,,ddd,2026-01-03T00:00:00',
    ]
    results.write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    page = hooks.benchmarks(results)
    assert "| help | 0.3 | s | < 0.4 | bbb | 2026-01-02 |" in page and "aaa" not in page
    assert "| draw | 20 | images/s | >= 30 (missed) | ccc |" in page
    assert "| ours (1.0) | 7 ms (1.5x) |" in page


def test_links_of_files_elsewhere_lead_to_pages():
    linked = hooks.linked("[a](CONTRIBUTING.md#glossary) [b](docs/data.md) [c](src/x.py) [d](https://x.y)", "")
    assert linked == "[a](contributing.md#glossary) [b](data.md) c [d](https://x.y)"
    assert hooks.linked("[a](../CHANGELOG.md) ![p](stage1.jpg)", "docs") == "[a](changelog.md) ![p](stage1.jpg)"


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r": (\w+\.md)$", text, re.MULTILINE))
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    made = {*MADE, *(posixpath.basename(page) for page in hooks.ELSEWHERE.values())}
    assert listed == written | made


def python_block(page: str, index: int = 0) -> str:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[index]


@pytest.mark.slow
def test_python_of_the_readme_and_of_the_pages_runs(tmp_path, monkeypatch, capsys):
    import numpy as np
    from PIL import Image

    from aifashion.data_gen.synthetic.scene import render

    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("photo.jpg", "other.jpg")):
        Image.fromarray(render(np.random.default_rng(number), 256, "dress").image).save(name)
    names: dict = {}
    exec(compile(python_block("README.md"), "README.md", "exec"), names)
    assert names["picture"].ndim == 3 and len(names["garment"].keypoints) > 3
    assert names["garment"].category in capsys.readouterr().out
    exec(compile(python_block("docs/recognition.md"), "recognition.md", "exec"), names)
    exec(compile(python_block("docs/recognition.md", 1), "recognition.md", "exec"), names)
    assert len(names["table"]) == 2
    exec(compile(python_block("docs/recognition.md", 2), "recognition.md", "exec"), names)
    assert names["garment"].garment_id == 1 and names["garment"].box[:2] == (100, 20)
    exec(compile(python_block("docs/artifacts.md", 1), "artifacts.md", "exec"), names)
    assert names["points"].shape == (1, 24, 3)


def test_the_program_for_a_combined_file_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    from PIL import Image

    import small_onnx
    from aifashion.serve.combined import write_combined
    from aifashion.serve.combined_parts import Parts

    monkeypatch.chdir(tmp_path)
    photo = small_onnx.painted((200, 150), (small_onnx.SKIRT, 7, 7, 16))
    Image.fromarray(photo).save("photo.jpg", quality=95)
    parts = Parts.read(small_onnx.detector(tmp_path / "detector"), small_onnx.keypoints(tmp_path / "keypoints"), 20)
    write_combined(Path("combined"), parts, [photo])
    exec(compile(python_block("docs/artifacts.md"), "artifacts.md", "exec"), {})
    first, *points = capsys.readouterr().out.splitlines()
    assert re.match(r"skirt \d\d% at \[", first) and len(points) == 4 and points[0].startswith("  waistband_left: ")
