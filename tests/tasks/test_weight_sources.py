import hashlib
import json
import types
from pathlib import Path

import pytest

from aifashion.tasks.weight_sources import find_start
from aifashion.unet.runs import RunError
from small_runs import keep_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(types.ModuleType):
    """In the place of huggingface_hub: one model, and a note of what was asked for."""

    def __init__(self, folder: Path, files: tuple[str, ...] = ("config.json", "model.safetensors")) -> None:
        super().__init__("huggingface_hub")
        self.folder, self.files, self.asked, self.cached = folder, files, [], False
        self.reachable = True

    def model_info(self, name: str, revision: str | None = None):
        self.asked.append(("info", name, revision))
        if not self.reachable:
            raise ConnectionError("[Errno -3] no name\nmore")
        siblings = [types.SimpleNamespace(rfilename=file) for file in self.files]
        return types.SimpleNamespace(sha=COMMIT, siblings=siblings)

    def hf_hub_download(self, name: str, file: str, revision: str) -> str:
        self.asked.append(("file", name, file, revision))
        (self.folder / file).write_bytes(b"weights")
        return str(self.folder / file)

    def try_to_load_from_cache(self, name: str, file: str, revision: str) -> str | None:
        return str(self.folder / file) if self.cached and file in self.files else None


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Hub:
    made = Hub(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", made)
    return made


@pytest.mark.parametrize("word", ["auto", "imagenet", "none", "nowhere.h5"])
def test_words_and_files_that_are_not_there_stay_as_they_are(word, tmp_path):
    start = find_start(word)
    assert start.weights == word
    start.write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_run_keeps_the_digest_of_its_file(tmp_path):
    path, run = tmp_path / "x.weights.h5", tmp_path / "run"
    path.write_bytes(b"weights")
    run.mkdir()
    start = find_start(str(path))
    start.write(run)
    assert start.weights == str(path)
    told = json.loads((run / "start.json").read_text())
    assert told == {"weights": str(path), "sha256": hashlib.sha256(b"weights").hexdigest()}


@pytest.mark.parametrize("by_folder", [False, True])
def test_of_a_run_its_best_model_is_kept(tmp_path, by_folder):
    older, newest = (tmp_path / "all" / f"2026_01_0{day}_00_00_00" for day in (1, 2))
    for run in (older, newest):
        run.mkdir(parents=True)
        (run / "config.json").write_text("{}")
    model = keep_model(older, epoch=7)
    word = str(older.parent if by_folder else older)
    start = find_start(word, "attributes")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert start.weights == str(older)
    assert start.facts == {"weights": word, "file": str(model), "sha256": digest}
    with pytest.raises(RunError, match="2026_01_02_00_00_00 has no usable model yet"):
        find_start(str(newest))
    with pytest.raises(RunError, match=r"no run in .*nothing: train one first"):
        (tmp_path / "nothing").mkdir()
        find_start(str(tmp_path / "nothing"))


@pytest.mark.parametrize("word", ["auto", "imagenet", "none"])
def test_a_folder_called_like_a_word_is_not_meant(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / word).mkdir()
    assert find_start(word, "attributes").weights == word and not find_start(word, "attributes").facts


@pytest.mark.parametrize(("word", "revision"), [("", None), ("@main", "main"), ("@v1.0", "v1.0")])
def test_a_name_on_the_hub_is_fetched_at_a_commit_that_is_kept(hub, tmp_path, word, revision):
    start = find_start(f"hf://timm/resnet50d.ra2_in1k{word}")
    name = "timm/resnet50d.ra2_in1k"
    files = [("file", name, file, COMMIT) for file in ("model.safetensors", "config.json")]
    assert hub.asked == [("info", name, revision), *files]
    assert start.weights == str(tmp_path / "model.safetensors")
    assert start.facts == {
        "weights": f"hf://{name}{word}",
        "revision": COMMIT,
        "file": "model.safetensors",
        "sha256": hashlib.sha256(b"weights").hexdigest(),
    }


def test_a_commit_that_was_fetched_before_needs_no_network(hub):
    hub.cached, hub.reachable = True, False
    start = find_start(f"hf://timm/x@{COMMIT}")
    assert start.facts["revision"] == COMMIT
    assert hub.asked == [("file", "timm/x", file, COMMIT) for file in ("model.safetensors", "config.json")]


def test_older_models_have_a_file_of_torch_save(hub):
    hub.files = ("pytorch_model.bin",)
    assert find_start("hf://timm/x").facts["file"] == "pytorch_model.bin"


def test_what_cannot_be_had(hub):
    with pytest.raises(ValueError, match=r"hf://timm is no name on the hub; expected one like hf://timm/resnet50d"):
        find_start("hf://timm")
    hub.files = ("tf_model.h5",)
    with pytest.raises(ValueError, match=r"hf://timm/x has none of model\.safetensors, pytorch_model\.bin"):
        find_start("hf://timm/x")
    hub.reachable = False
    with pytest.raises(ValueError) as caught:
        find_start("hf://timm/x")
    assert str(caught.value) == (
        "hf://timm/x could not be fetched from the hub ([Errno -3] no name). Without a network, fetch "
        "model.safetensors elsewhere and give its path"
    )


def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(
        ValueError, match=r"needs the package huggingface_hub, .*pip install 'aifashion\[hub\]', or fetch"
    ):
        find_start("hf://timm/x")
