"""Pages of the documentation that are made when it is built: from the vocabularies, the commands' own help, the
measured rows of benchmarks/results.csv, and the Markdown files that lie elsewhere in the checkout.

`make docs` calls the functions that start with `on_`; `make_pages` needs no MkDocs.
"""

import contextlib
import csv
import io
import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
    "src/serve/networks/detection/MODEL_CARD.md": "model_card_detection.md",
    "src/serve/networks/keypoints/MODEL_CARD.md": "model_card_keypoints.md",
    "src/serve/networks/attributes/MODEL_CARD.md": "model_card_attributes.md",
}
"""Markdown files outside docs/ -> their pages. The README's page is the first one, which says the same and more."""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for name, text in make_pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to files outside docs/ lead to their pages; those to files that have no page become plain text."""
    return linked(markdown, "docs") if page.file.generated_by is None else markdown


def make_pages() -> dict[str, str]:
    """Name of a page -> its Markdown."""
    pages = {
        "vocabulary_names.md": vocabulary_names(),
        "commands.md": commands(),
        "benchmarks.md": benchmarks(ROOT / "benchmarks" / "results.csv"),
    }
    for source, name in ELSEWHERE.items():
        if source != "README.md":
            text = (ROOT / source).read_text(encoding="utf-8")
            pages[name] = linked(text, posixpath.dirname(source))
    return pages


def linked(markdown: str, folder: str) -> str:
    """The text of a file in `folder` of the checkout with the links that it has as a page of docs/."""

    def replaced(match: re.Match[str]) -> str:
        picture, text, target, anchor = match[1], match[2], match[3], match[4] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if path in ELSEWHERE:
            page = ELSEWHERE[path]
        elif path.startswith("docs/"):
            page = path.removeprefix("docs/")
        else:
            return text
        return f"{picture}[{text}]({page}{anchor})"

    return _LINK.sub(replaced, markdown)


def vocabulary_names() -> str:
    """Every keypoint, category, attribute task and class of the vocabularies of the package, and the styles."""
    from aifashion.data_gen.formats.challenges import STYLES
    from aifashion.vocabulary import load_vocabulary, packaged

    parts = [
        "# The names in the vocabularies",
        "The lists below are read from the package when this page is built. Their order is the order of a network's "
        "outputs. [Vocabularies](vocabularies.md) explains what the entries mean and how to write a vocabulary.",
    ]
    for name in packaged():
        vocabulary = load_vocabulary(name)
        shared = len(vocabulary.keypoints) <= 100
        parts += [
            f"## {name}",
            f"{len(vocabulary.categories)} categories, {len(vocabulary.keypoints)} keypoints, "
            f"{len(vocabulary.attributes)} attribute tasks.",
        ]
        rows = [
            (
                f"`{c.name}`",
                str(len(c.keypoints)),
                " to ".join(f"`{end}`" for end in c.span) if c.span else "none",
                ", ".join(f"`{task}`" for task in c.attributes) or "none",
            )
            for c in vocabulary.definitions
        ]
        parts.append(_table(("category", "keypoints", "span", "attribute tasks"), rows))
        if shared:
            header = ("index", "keypoint", *vocabulary.categories)
            rows = [
                (str(k), f"`{keypoint}`", *("x" if keypoint in c.keypoints else "" for c in vocabulary.definitions))
                for k, keypoint in enumerate(vocabulary.keypoints)
            ]
            parts.append(_table(header, rows))
        else:
            rows = [(f"`{c.name}`", f"`{c.keypoints[0]}` to `{c.keypoints[-1]}`") for c in vocabulary.definitions]
            parts += ["The keypoints of a category are numbered from 1.", _table(("category", "keypoints"), rows)]
        if vocabulary.attributes:
            count = sum(len(task.classes) for task in vocabulary.attributes)
            parts.append(f"The tasks have {count} classes together:")
            rows = [(f"`{t.name}`", t.kind, str(len(t.classes)), "; ".join(t.classes)) for t in vocabulary.attributes]
            parts.append(_table(("task", "kind", "classes", "in their order"), rows))
    parts += [
        "## Styles",
        f"The {len(STYLES)} labels of the JingDong lists, `--task style`. A photo can have several of them.",
        _table(("index", "style"), [(str(k), style) for k, style in enumerate(STYLES)]),
    ]
    return "\n\n".join(parts) + "\n"


def commands() -> str:
    """What `--help` says of every command."""
    from aifashion.top.cli import COMMANDS

    rows = [(f"[`{name}`](#{name.replace(' ', '-')})", text) for name, (_, text) in COMMANDS.items()]
    parts = [
        "# Commands",
        "This is what `aifashion COMMAND --help` prints. A path in a default is written from the folder of the "
        "checkout; where the package was installed from a wheel, it starts from the current folder.",
        _table(("command", "what it does"), rows),
    ]
    for name in COMMANDS:
        parts += [f"## {name}", f"```text\n{help_of(name)}\n```"]
    return "\n\n".join(parts) + "\n"


def help_of(command: str) -> str:
    """The help of one command, with lines of 100 columns at most."""
    from aifashion.top.cli import main

    out, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            main([*command.split(), "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    lines = [line.rstrip() for line in out.getvalue().replace(f"{ROOT}{os.sep}", "").splitlines()]
    return "\n".join(lines).strip()


def benchmarks(results: Path) -> str:
    """The latest row of every case of results.csv; peers have a table with a column for each measure."""
    latest: dict[str, dict[str, dict[str, str]]] = {}
    with results.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            latest.setdefault(row["benchmark"], {})[row["case"]] = row
    count = sum(map(len, latest.values()))
    parts = [
        "# Every benchmark",
        f"The latest measurement of each of {count} cases, from `benchmarks/results.csv`. That file also has the "
        "earlier ones, the versions and the processor. `benchmarks/README.md` lists the command of each benchmark. A "
        "bound is what the figure should reach; a missed bound is marked.",
    ]
    for name in sorted(latest):
        cases = latest[name]
        parts.append(f"## {name}")
        parts += _peer_tables(cases) if name == "peers" else [_case_table(cases)]
    return "\n\n".join(parts) + "\n"


def _case_table(cases: Mapping[str, Mapping[str, str]]) -> str:
    rows = []
    for case, row in cases.items():
        bound = row["bound"] + ("" if met(float(row["value"]), row["bound"]) else " (missed)")
        rows.append((case.replace("|", "/"), row["value"], row["unit"], bound, row["commit"], row["time"][:10]))
    return _table(("case", "value", "unit", "bound", "commit", "date"), rows)


def met(value: float, bound: str) -> bool:
    """Whether a value keeps a bound such as `>= 250` or `< 0.4`; an empty one is always kept."""
    if not bound:
        return True
    sign, limit = bound.split()
    number = float(limit)
    return {"<": value < number, "<=": value <= number, ">": value > number, ">=": value >= number}[sign]


_MEASURES = ("p50", "p99", "rate", "start", "memory")


def _peer_tables(cases: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Cases are called `NETWORK, PEER (VERSION): MEASURE`, and beside the reference `..., of REFERENCE`."""
    networks: dict[str, dict[str, dict[str, str]]] = {}
    rest: dict[str, Mapping[str, str]] = {}
    for case, row in cases.items():
        match = re.fullmatch(r"(.+?), (.+): (\w+)(, of runtime-int8)?", case)
        if match is None or match[3] not in _MEASURES:
            rest[case] = row
            continue
        network, peer, measure, ratio = match.groups()
        cells = networks.setdefault(network, {}).setdefault(peer, {})
        cells[measure + ("/" if ratio else "")] = row["value"] if ratio else f"{row['value']} {row['unit']}"
    parts = [
        "One photo (p50 and p99), a folder of photos (rate), the time from the start of the process to the first "
        "result, and the peak memory. In brackets: times that of the runtime in int8, worse if higher."
    ]
    for network, peers in networks.items():
        rows = [
            (peer, *(_with_ratio(cells.get(measure), cells.get(f"{measure}/")) for measure in _MEASURES))
            for peer, cells in peers.items()
        ]
        parts += [f"### {network}", _table((network, *_MEASURES), rows)]
    return parts + ([_case_table(rest)] if rest else [])


def _with_ratio(value: str | None, ratio: str | None) -> str:
    return (value or "") + (f" ({ratio}x)" if ratio else "")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
