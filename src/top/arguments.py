"""What all commands share: how a command line is read, and how they report."""

import dataclasses
import errno
import logging
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

import tyro
from rich.console import Console
from rich.text import Text

from aifashion.files import CHECKOUT
from aifashion.top.option_types import ONE_TEXT, described, full_name, option_types
from aifashion.top.run_log import RUN_LOG, logged_command


class _Console(Console):
    """A console to which nothing but text and rich's own codes comes: names of files can hold codes for terminals."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


def printable(text: str) -> str:
    """The text with control characters and bytes that are no UTF-8 as escapes, such as `\\x1b`; lines stay lines."""
    return text if text.isprintable() else "".join(map(_printable, text))


def one_line(text: str) -> str:
    """`printable` text in one line: a name with line ends cannot pass for other lines."""
    return printable(text).replace("\n", "\\n")


def _printable(character: str) -> str:
    if character.isprintable() or character == "\n" or unicodedata.category(character) == "Zs":
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a file name
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


console = _Console(soft_wrap=True, emoji=False)
errors = _Console(stderr=True, soft_wrap=True, emoji=False)


@dataclass(frozen=True, slots=True)
class Alias:
    """An older spelling. option: today's. values: what older values mean; with true and false among them it was a flag.
    commands: those that take it; empty: all."""

    option: str
    values: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()

    def known_to(self, prog: str) -> bool:
        return not self.commands or prog in self.commands

    @property
    def was_flag(self) -> bool:
        return "true" in self.values


SECRETS = ("--token",)
"""Options whose values stay out of the run log."""
ALIASES: dict[str, Alias] = {
    "--batchSize": Alias("--batch-size"),
    "--gpuID": Alias("--gpu-id"),
    "--modelpath": Alias("--model"),
    "--modelfile": Alias("--model"),
    "--model": Alias("--network", commands=("aifashion train-attributes", "aifashion data preview")),
    "--outpath": Alias("--out"),
    "--output": Alias("--out"),
    "--resumeModel": Alias("--load"),
    "--resume-model": Alias("--load"),
    "--initEpoch": Alias("--init-epoch"),
    "--val_freq": Alias("--val-freq"),
    "--save_freq": Alias("--save-freq"),
    "--lrdecay": Alias("--schedule", {"true": "cosine", "false": "constant"}),
    "--precision": Alias("--precision", {"mixed_bfloat16": "bfloat16", "bf16": "bfloat16", "f32": "float32"}),
}
"""Spellings of the original commands and of earlier versions; any option can also be camelCase or have underscores."""

_YES, _NO = ("true", "yes", "1"), ("false", "no", "0")


def read_arguments(
    kind: Callable[..., Any], prog: str, arguments: Sequence[str] | None = None, default: Any = None
) -> Any:
    """Reads a command line into a dataclass, or calls a function with it.

    Options are taken in today's spelling and in those of `ALIASES`; options that are true or false are flags
    (`--augment`, `--no-augment`) and can be given a value (`--augment True`).
    """
    options = _options(kind)
    aliases = {_dashed(spelling): alias for spelling, alias in ALIASES.items() if alias.known_to(prog)}
    tokens = _usual_values(_usual_tokens(arguments, aliases), options)
    more = {} if default is None else {"default": default}
    if not more and {"-h", "--help"} & set(tokens):
        from aifashion.top.help_texts import with_whole_lines  # its parser is of use only here

        kind = with_whole_lines(kind)
    try:
        return tyro.cli(kind, prog=prog, args=tokens, registry=option_types(), **more)
    except SystemExit:
        if {"-h", "--help"} & set(tokens):
            older = _older_spellings(options, prog)
            if older:
                print(f"older spellings, which still work:\n{older}")
        raise


def option_value(arguments: Sequence[str] | None, name: str, default: str) -> str:
    """The value of one option, the last where it is given twice, before the command line is read in full: other
    defaults depend on it.

    All older spellings of the option count; one that the command does not take is refused later, with the whole line.
    """
    aliases = {_dashed(spelling): alias for spelling, alias in ALIASES.items() if alias.option == name}
    tokens = _usual_tokens(arguments, aliases)
    found = default
    for index, token in enumerate(tokens):
        if token == name and index + 1 < len(tokens):
            found = tokens[index + 1]
        elif token.startswith(f"{name}="):
            found = token.partition("=")[2]
    return found


def _usual_tokens(arguments: Sequence[str] | None, aliases: Mapping[str, Alias]) -> list[str]:
    """The command line in today's spelling, with today's values of the options that have older ones."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    tokens: list[str] = []
    while given:
        token = given.pop(0)
        if not token.startswith("--") or token == "--":
            tokens.append(token)
            continue
        option, equals, value = token.partition("=")
        usual = _dashed(option)
        positive = usual.replace("--no-", "--", 1)
        alias = aliases.get(usual) or aliases.get(positive)
        if alias is not None and alias.was_flag:
            if not equals:
                value = given.pop(0) if given and given[0].lower() in (*_YES, *_NO) else "true"
            if value.lower() not in (*_YES, *_NO):
                _refuse(f"{token}: expected {option}, {option} True or {option} False")
            yes = (value.lower() in _YES) == (usual == positive)
            tokens += [alias.option, alias.values["true" if yes else "false"]]
            continue
        alias = aliases.get(usual)
        values = alias.values if alias else {}
        tokens.append((alias.option if alias else usual) + equals + values.get(value.lower(), value))
        if not equals and given and given[0].lower() in values:
            tokens.append(values[given.pop(0).lower()])
    return tokens


def _dashed(option: str) -> str:
    """`--batchSize` and `--batch_size` as `--batch-size`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", option).lower().replace("_", "-")


def _usual_values(tokens: Sequence[str], options: Mapping[str, bool]) -> list[str]:
    """`--augment True` and `--augment=true` as `--augment`; with False as `--no-augment`."""
    usual: list[str] = []
    for index, token in enumerate(tokens):
        option, equals, value = token.partition("=")
        before = tokens[index - 1] if index else ""
        if equals and options.get(option):
            if value.lower() not in (*_YES, *_NO):
                _refuse(f"{option}={value}: expected {option}, --no-{option[2:]}, {option} True or {option} False")
            usual.append(option if value.lower() in _YES else f"--no-{option[2:]}")
        elif options.get(before) and token.lower() in (*_YES, *_NO):
            usual[-1] = before if token.lower() in _YES else f"--no-{before[2:]}"
        else:
            usual.append(token)
    return usual


def _options(kind: Any) -> dict[str, bool]:
    """The options of a dataclass, and of those in it, and whether each is a flag."""
    if not dataclasses.is_dataclass(kind):
        return {}
    options: dict[str, bool] = {}
    hints = get_type_hints(kind)
    for part in dataclasses.fields(kind):
        hint = hints[part.name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint) and full_name(hint) not in ONE_TEXT:
            options |= _options(hint)
        else:
            options[f"--{part.name.replace('_', '-')}"] = hint is bool
    return options


def _older_spellings(options: Mapping[str, bool], prog: str) -> str:
    rows: dict[str, list[str]] = {}
    for spelling, alias in ALIASES.items():
        if alias.option in options and alias.known_to(prog):
            values = ", ".join(f"{old} for {new}" for old, new in alias.values.items())
            text = f"{alias.option} ({values})" if spelling != alias.option and values else values or alias.option
            rows.setdefault(text, []).append(spelling)
    width = max((len(", ".join(names)) for names in rows.values()), default=0)
    return "\n".join(f"  {', '.join(names):<{width}}  {text}" for text, names in rows.items())


def _refuse(message: str) -> NoReturn:
    """Ends the command as the parser does: exit code 2."""
    errors.print(Text.assemble(("error:", "bold red"), f" {printable(message)}"))
    raise SystemExit(2)


def choose_device(gpu_id: str | None) -> None:
    """Shows the framework only this GPU; -1 is none. Call before Keras is imported.

    Raises ValueError for several, since networks are computed on one device, and for what is no GPU: CUDA would pass
    it over, and all that stands behind it.
    """
    if gpu_id is None:
        return
    if "," in gpu_id or " " in gpu_id.strip():
        raise ValueError(f"--gpu-id {gpu_id}: networks are computed on one GPU; name one, such as 0")
    if not re.fullmatch(r"-1|\d+|(GPU|MIG)-[\w/-]+", gpu_id.strip()):
        raise ValueError(f"--gpu-id {gpu_id}: expected the number of a GPU, such as 0, or -1 for none")
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu_id.strip()


def tell(text: str) -> None:
    """Prints a line as it is: brackets in it, as paths can have them, are no markup."""
    console.print(text, markup=False)


def warn(text: str) -> None:
    """Prints a line in yellow."""
    console.print(text, style="yellow", markup=False)


class _ConsoleHandler(logging.Handler):
    """Shows what the library reports as the commands show their own lines: notes plain, warnings in yellow."""

    def emit(self, record: logging.LogRecord) -> None:
        (warn if record.levelno >= logging.WARNING else tell)(record.getMessage())


@contextmanager
def shown_reports() -> Iterator[None]:
    """Within it, notes and warnings of the library appear on the console."""
    library, handler = logging.getLogger("aifashion"), _ConsoleHandler()
    level, propagate = library.level, library.propagate
    library.addHandler(handler)
    library.setLevel(logging.INFO)
    # Some libraries give the root logger a handler, which would show every line once more.
    library.propagate = False
    try:
        yield
    finally:
        library.removeHandler(handler)
        library.setLevel(level)
        library.propagate = propagate


def fail(message: object) -> NoReturn:
    """Ends the command with a message on standard error and exit code 1."""
    errors.print(Text.assemble(("error:", "bold red"), f" {printable(str(message))}"))
    raise SystemExit(1)


def take_any_text() -> None:
    """Lets standard output and error take characters that their encoding does not have, as escapes: whether a name can
    be shown must not decide whether the work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_no_input(option: str, output: Path | None, *inputs: Path) -> None:
    """Raises ValueError where the output would replace one of the inputs."""
    for path in inputs:
        if output is not None and path.is_file() and output.exists() and output.samefile(path):
            raise ValueError(f"{option} {output} is what is read: name another file")


def make_folder(option: str, folder: Path) -> Path:
    """Makes the folder of an output, behind a link too. Raises NotADirectoryError where there is something else."""
    target = Path(os.path.realpath(folder))
    try:
        target.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        reason = f"{option} {folder} is a file, a device or a pipe; expected a folder"
        raise NotADirectoryError(errno.ENOTDIR, reason) from None
    return folder


def without_secrets(tokens: Sequence[str]) -> list[str]:
    """The command line with ... in place of the value of `--token`, for the run log."""
    kept: list[str] = []
    for token in tokens:
        option, equals, _ = token.partition("=")
        if kept and kept[-1] in SECRETS:
            kept.append("...")
        else:
            kept.append(f"{option}=..." if equals and option in SECRETS else token)
    return kept


def run_command(
    prog: str, kind: Callable[..., Any] | None, arguments: Sequence[str] | None, body: Callable[[Any], Any]
) -> None:
    """Runs a command: reads its arguments into `kind` and calls `body` with it; without a kind, with the arguments.

    Mistakes of the user and of the data become one clear line instead of a traceback. What was called, when and how it
    ended goes to `run_log.txt` in the checkout, or to the file that AIFASHION_RUN_LOG names; empty means to none.
    """
    take_any_text()
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    log = os.environ.get("AIFASHION_RUN_LOG", str(CHECKOUT / RUN_LOG))
    silent = not log or bool({"-h", "--help"} & set(tokens))
    try:
        with (
            shown_reports(),
            nullcontext() if silent else logged_command(Path(log), [*prog.split(), *without_secrets(tokens)], warn),
        ):
            body(tokens if kind is None else read_arguments(kind, prog, tokens))
    except (ValueError, FloatingPointError) as error:
        fail(error)
    except OSError as error:
        fail(described(error))
    except KeyboardInterrupt:
        fail("stopped by the keyboard")
    except Exception as error:
        # TensorFlow's own error, known by its name: the commands that work without TensorFlow must not load it.
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            fail(f"out of memory ({reason}): take a smaller --batch-size or --size")
        raise
