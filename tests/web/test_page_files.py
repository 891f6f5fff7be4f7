"""The files of the page: their size, their words, and what the policy of the service lets a browser run."""

import json
import re
from pathlib import Path

import pytest

from aifashion.vocabulary import load_vocabulary

PAGE = Path(__file__).resolve().parents[2] / "src" / "web" / "page"
SCRIPTS = sorted(PAGE.glob("*.js"))
HTML = (PAGE / "index.html").read_text(encoding="utf-8")
WORDS = json.loads((PAGE / "words.json").read_text(encoding="utf-8"))
NAMES = ("category.", "point.", "length.", "task.", "label.")


def test_all_files_together_are_small():
    assert sum(path.stat().st_size for path in PAGE.iterdir()) < 150_000


def test_nothing_is_inline_and_nothing_comes_from_elsewhere():
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", HTML)
    assert all('src="page/main.js"' in tag for tag in re.findall(r"<script[^>]*>", HTML))
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert not re.search(r"https?://|\beval\(|new Function|innerHTML|@import", text), path.name
    for name in re.findall(r'(?:src|href)="page/([^"]+)"', HTML):
        assert (PAGE / name).is_file()


def test_both_languages_have_the_same_texts():
    """Texts that are the same in both, and plurals, stand in English alone; names can stand in one."""
    english, chinese = WORDS["en"], WORDS["zh"]
    own = {key for key in english if not key.startswith(NAMES) and not key.endswith(".one")}
    same = {"title", "format.coco", "format.label-studio", "format.fashionai"}
    assert own - set(chinese) == same
    assert {key for key in chinese if not key.startswith(NAMES)} - own == set()
    for key in chinese.keys() & english.keys():
        assert re.findall(r"\{\w+\}", english[key]) == sorted_like(english[key], chinese[key])


def sorted_like(english: str, chinese: str) -> list[str]:
    """The values of a Chinese text, in the order of the English one."""
    values = re.findall(r"\{\w+\}", english)
    return sorted(re.findall(r"\{\w+\}", chinese), key=lambda value: values.index(value) if value in values else 99)


def test_every_text_that_the_page_asks_for_is_there():
    asked = set(re.findall(r'data-(?:word|label|hint)="([^"]+)"', HTML))
    for path in SCRIPTS:
        asked |= set(re.findall(r'\bword\("([^"]+)"', path.read_text(encoding="utf-8")))
    assert len(asked) > 80 and asked - set(WORDS["en"]) == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_modules_import_what_exists(path):
    for names, module in re.findall(r"import \{([^}]+)\} from \"\./([\w.]+)\"", path.read_text(encoding="utf-8")):
        text = (PAGE / module).read_text(encoding="utf-8")
        for name in filter(None, (one.strip() for one in names.split(","))):
            assert re.search(rf"export (?:async )?(?:function|const|class) {re.escape(name)}(?!\w)", text), (
                module,
                name,
            )


def test_every_name_of_fashionai_has_a_chinese_word():
    vocabulary, chinese = load_vocabulary(), WORDS["zh"]
    assert {f"category.{name}" for name in vocabulary.categories} <= set(chinese)
    assert {f"point.{name}" for name in vocabulary.keypoints} <= set(chinese)
    lengths = {m.name for category in vocabulary.definitions for m in category.measurements}
    assert {f"length.{name}" for name in lengths} <= set(chinese)
    labels = {label for task in vocabulary.attributes for label in task.classes}
    assert {f"label.{label}" for label in labels} <= set(chinese)
    assert {f"task.{task.name}" for task in vocabulary.attributes} <= set(chinese)
