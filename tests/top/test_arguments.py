import dataclasses
import importlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tyro

from aifashion.top import arguments
from aifashion.top.arguments import (
    check_no_input,
    choose_device,
    make_folder,
    option_value,
    read_arguments,
    without_secrets,
)


@dataclass(frozen=True)
class Options:
    batch_size: int = 1
    gpu_id: str | None = None
    augment: bool = False
    flip: bool = True
    data: Path = Path("data")
    out: Path = Path("out")
    schedule: str = "cosine"
    precision: Literal["float32", "bfloat16"] = "float32"
    photos: tyro.conf.Positional[tuple[Path, ...]] = ()


@dataclass(frozen=True)
class Nested:
    config: Annotated[Options, tyro.conf.arg(name="")] = field(default_factory=Options)
    network: str = "v11"


def read(*tokens: str) -> Options:
    return read_arguments(Options, "prog", tokens)


@pytest.mark.parametrize(
    "tokens",
    [["--batchSize", "4"], ["--batch-size", "4"], ["--batch_size", "4"], ["--batchSize=4"], ["--batch-size=4"]],
)
def test_both_spellings(tokens):
    assert read(*tokens) == Options(batch_size=4)


@pytest.mark.parametrize("word", ["--gpuID", "--gpu-id", "--gpu_id", "--gpuId"])
def test_runs_of_capitals(word):
    assert read(word, "1").gpu_id == "1"


@pytest.mark.parametrize(
    ("tokens", "augment", "flip"),
    [
        ([], False, True),
        (["--augment"], True, True),
        (["--no-augment"], False, True),
        (["--augment", "--no-flip"], True, False),
        (["--augment", "True", "--flip", "False"], True, False),
        (["--augment", "true", "--flip=false"], True, False),
        (["--augment=Yes", "--flip", "no"], True, False),
        (["--augment", "1", "--flip", "0"], True, False),
    ],
)
def test_flags_are_given_alone_or_with_a_value(tokens, augment, flip):
    options = read(*tokens)
    assert (options.augment, options.flip) == (augment, flip) and options.photos == ()
    nested = read_arguments(Nested, "prog", tokens).config
    assert (nested.augment, nested.flip) == (augment, flip)


def test_a_photo_after_a_flag_is_not_its_value():
    assert read("--augment", "a.jpg", "b.jpg") == Options(augment=True, photos=(Path("a.jpg"), Path("b.jpg")))


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["--outpath", "x"], Options(out=Path("x"))),
        (["--output=x"], Options(out=Path("x"))),
        (["--lrdecay", "True"], Options(schedule="cosine")),
        (["--lrdecay=False"], Options(schedule="constant")),
        (["--lrdecay"], Options(schedule="cosine")),
        (["--lrdecay", "a.jpg"], Options(schedule="cosine", photos=(Path("a.jpg"),))),
        (["--schedule", "2x", "--lrdecay", "yes"], Options(schedule="cosine")),
        (["--lrdecay", "0"], Options(schedule="constant")),
        (["--no-lrdecay"], Options(schedule="constant")),
        (["--precision", "mixed_bfloat16"], Options(precision="bfloat16")),
        (["--precision=f32"], Options(precision="float32")),
    ],
)
def test_older_spellings(tokens, expected):
    assert read(*tokens) == expected


def test_an_older_spelling_of_one_command_is_none_of_the_others():
    assert read_arguments(Nested, "aifashion train-attributes", ["--model", "lite"]).network == "lite"
    with pytest.raises(SystemExit):
        read_arguments(Nested, "aifashion train", ["--model", "lite"])


def test_one_option_is_found_in_its_older_spellings():
    assert option_value(["--model", "lite"], "--network", "v11") == "lite"
    assert option_value(["--modelpath=x"], "--model", "y") == "x"
    assert option_value(["--lrdecay", "False", "--epochs", "3"], "--schedule", "2x") == "constant"
    assert option_value(["--model", "lite"], "--model", "x") == "lite"


def test_an_older_flag_takes_nothing_but_yes_and_no(capsys):
    with pytest.raises(SystemExit) as caught:
        read("--lrdecay=maybe")
    assert caught.value.code == 2 and "--lrdecay=maybe: expected --lrdecay, " in capsys.readouterr().err


def test_every_older_spelling_leads_to_an_option_of_some_command():
    dataclasses_of_commands = [
        value
        for path in Path(arguments.__file__).parent.glob("*.py")
        for value in vars(importlib.import_module(f"aifashion.top.{path.stem}")).values()
        if dataclasses.is_dataclass(value) and isinstance(value, type)
    ]
    known = {option for kind in dataclasses_of_commands for option in arguments._options(kind)}
    assert {alias.option for alias in arguments.ALIASES.values()} <= known


def test_help_shows_older_spellings_apart(capsys):
    with pytest.raises(SystemExit) as caught:
        read("--help")
    text = capsys.readouterr().out
    assert caught.value.code == 0 and text.startswith("usage: prog ")
    usual, _, older = text.partition("older spellings, which still work:")
    assert "--outpath" not in usual and "--augment, --no-augment" in usual
    assert "--outpath, --output" in older and "--gpuID" in older and "--modelpath" not in older


def test_values_keep_their_case():
    assert read("--data", "My/Photos").data == Path("My/Photos")
    assert read("--data=My/Photos").data == Path("My/Photos")


@pytest.mark.parametrize("tokens", [["--augment=perhaps"], ["--data"], ["--batchSize", "four"], ["--unknown", "1"]])
def test_what_cannot_be_read_ends_with_exit_code_2(tokens, capsys):
    with pytest.raises(SystemExit) as caught:
        read(*tokens)
    assert caught.value.code == 2
    assert tokens[0].partition("=")[0].replace("S", "-s").lower() in capsys.readouterr().err


def test_the_command_line_is_that_of_the_process_unless_given(monkeypatch):
    monkeypatch.setattr("sys.argv", ["prog", "--batchSize", "7", "--network", "lite"])
    assert option_value(None, "--network", "v11") == "lite"
    monkeypatch.setattr("sys.argv", ["prog", "--batchSize", "7"])
    assert read_arguments(Options, "prog") == Options(batch_size=7)


@pytest.mark.parametrize(
    ("tokens", "value"),
    [
        ([], "v11"),
        (["--network", "lite"], "lite"),
        (["--network=lite"], "lite"),
        (["--Network", "lite"], "lite"),
        (["--size", "64", "--network", "lite", "--epochs", "1"], "lite"),
        (["--network"], "v11"),
        (["--networks", "lite"], "v11"),
        (["--network", "lite", "--network", "resnet50"], "resnet50"),  # as the command line is read in full
    ],
)
def test_one_option_is_found_before_the_others_are_read(tokens, value):
    assert option_value(tokens, "--network", "v11") == value


def test_an_option_of_several_words_is_found_in_both_spellings():
    assert option_value(["--initEpoch", "3"], "--init-epoch", "") == "3"


def test_the_chosen_gpu_is_the_only_one(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    choose_device(None)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    for gpu in ("1", "-1", "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"):
        choose_device(gpu)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu


@pytest.mark.parametrize("gpus", ["0,1", "0,", "0 1"])
def test_several_gpus_are_refused_as_one_would_be_used(monkeypatch, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with pytest.raises(ValueError, match=rf"--gpu-id {gpus}: networks are computed on one GPU; name one"):
        choose_device(gpus)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"


@pytest.mark.parametrize("gpu", ["", "first", "0x1", "-2", "cuda:0"])
def test_what_is_no_gpu_is_refused_as_the_processor_would_be_used(gpu):
    with pytest.raises(ValueError, match=f"--gpu-id {gpu}: expected the number of a GPU, such as 0, or -1 for none"):
        choose_device(gpu)


def test_the_default_folders_are_those_of_the_checkout_or_of_the_current_folder():
    root = Path(arguments.__file__).resolve().parents[2]
    checkout = root if (root / "pyproject.toml").is_file() else Path.cwd()
    assert checkout == arguments.CHECKOUT


def test_outputs_that_are_refused(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"--out .*file is a file, a device or a pipe; expected a folder"):
        make_folder("--out", tmp_path / "file")
    with pytest.raises(ValueError, match=r"--json .*file is what is read"):
        check_no_input("--json", tmp_path / ".." / tmp_path.name / "file", tmp_path / "file")
    check_no_input("--json", tmp_path / "other", tmp_path / "file", tmp_path / "nowhere")
    check_no_input("--json", None, tmp_path / "file")


def test_a_folder_behind_a_link_is_made(tmp_path: Path):
    from links import link

    link(tmp_path / "link", tmp_path / "disk" / "out")
    make_folder("--out", tmp_path / "link")
    assert (tmp_path / "disk" / "out").is_dir() and (tmp_path / "link").is_symlink()


def test_secrets_stay_out_of_the_run_log():
    words = ["--port", "1", "--token", "secret", "--token=secret", "--queue", "2"]
    assert without_secrets(words) == ["--port", "1", "--token", "...", "--token=...", "--queue", "2"]
    assert without_secrets(["--token"]) == ["--token"]
