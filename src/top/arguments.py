"""What all commands share: how a command line is read, and where the checkout's folders lie."""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn, get_args

import tyro
from rich.console import Console
from rich.text import Text
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from aifashion.files import CHECKOUT
from aifashion.records import CropKind, CropRule
from aifashion.top.run_log import RUN_LOG, logged_command
from aifashion.vocabulary import Vocabulary, load_vocabulary

console = Console(soft_wrap=True, emoji=False)


def read_arguments(
    kind: Callable[..., Any], prog: str, arguments: Sequence[str] | None = None, default: Any = None
) -> Any:
    """Reads a command line into a dataclass, or calls a function with it.

    Options are taken in the usual spelling and in that of the original commands (`--batchSize`, `--gpuID`), and
    yes-or-no options as `--augment True` or `--augment False`.
    """
    words = [_usual_spelling(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    more = {} if default is None else {"default": default}
    return tyro.cli(kind, prog=prog, args=words, config=(tyro.conf.FlagConversionOff,), registry=_registry(), **more)


def _registry() -> ConstructorRegistry:
    """How a vocabulary and a crop rule are written on a command line: by a name or file, and by the kind alone."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def vocabulary(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        if info.type is not Vocabulary:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="NAME|FILE",
            instance_from_str=lambda texts: _read(load_vocabulary, texts[0]),
            is_instance=lambda value: isinstance(value, Vocabulary),
            str_from_instance=lambda value: [value.name],
        )

    @registry.primitive_rule
    def crop_rule(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        if info.type is not CropRule:
            return None
        kinds = get_args(CropKind)
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="{" + ",".join(kinds) + "}",
            instance_from_str=lambda texts: CropRule(texts[0]),
            is_instance=lambda value: isinstance(value, CropRule),
            str_from_instance=lambda value: [value.kind],
            choices=kinds,
        )

    return registry


def _read(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except OSError as error:  # a parser reports a ValueError beside the option
        raise ValueError(str(error)) from None


def _usual_spelling(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    value = {"true": "True", "false": "False"}.get(value, value)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", option).lower() + equals + value


def option_value(arguments: Sequence[str] | None, name: str, default: str) -> str:
    """The value of one option, the last where it is given twice, before the command line is read in full: other
    defaults depend on it.
    """
    words = [_usual_spelling(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    found = default
    for place, word in enumerate(words):
        if word == name and place + 1 < len(words):
            found = words[place + 1]
        elif word.startswith(f"{name}="):
            found = word.partition("=")[2]
    return found


def choose_device(gpu_id: str | None) -> None:
    """Shows the framework only these GPUs. Call before Keras is imported."""
    if gpu_id is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu_id


def tell(text: str) -> None:
    """Prints a line as it is: brackets in it, as paths may have them, are no markup."""
    console.print(text, markup=False)


def warn(text: str) -> None:
    """Prints a line in yellow."""
    console.print(text, style="yellow", markup=False)


class _ConsoleHandler(logging.Handler):
    """Shows what the library reports as the commands show their own lines: notes plain, warnings in yellow."""

    def emit(self, record: logging.LogRecord) -> None:
        (warn if record.levelno >= logging.WARNING else tell)(record.getMessage())


_HANDLER = _ConsoleHandler()


def show_reports() -> None:
    """From now on notes and warnings of the library appear on the console."""
    library = logging.getLogger("aifashion")
    library.setLevel(logging.INFO)
    library.propagate = False
    if _HANDLER not in library.handlers:
        library.addHandler(_HANDLER)


def fail(message: object) -> NoReturn:
    """Ends the command with a message on standard error and exit code 1."""
    line = Text.assemble(("error:", "bold red"), f" {message}")
    Console(stderr=True, soft_wrap=True).print(line)
    raise SystemExit(1)


def run_command(
    prog: str, kind: Callable[..., Any] | None, arguments: Sequence[str] | None, body: Callable[[Any], Any]
) -> None:
    """Runs a command: reads its words into `kind` and calls `body` with it, or, where `kind` is None, with the words.

    Mistakes of the user and of the data become one clear line instead of a traceback. What was called, when and how it
    ended goes to `run_log.txt` in the checkout, or to the file that AIFASHION_RUN_LOG names; empty means to none.
    """
    show_reports()
    words = list(sys.argv[1:] if arguments is None else arguments)
    log = os.environ.get("AIFASHION_RUN_LOG", str(CHECKOUT / RUN_LOG))
    silent = not log or bool({"-h", "--help"} & set(words))
    try:
        with nullcontext() if silent else logged_command(Path(log), [*prog.split(), *words], warn):
            body(words if kind is None else read_arguments(kind, prog, words))
    except (ValueError, OSError, FloatingPointError) as error:
        fail(error)
    except KeyboardInterrupt:
        fail("stopped by the keyboard")
    except Exception as error:
        # TensorFlow's own error, known by its name: the commands that do without TensorFlow shall not load it.
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            fail(f"out of memory ({reason}): take a smaller --batch-size or --size")
        raise
