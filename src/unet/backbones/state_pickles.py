"""The pickle of a state dict, run without executing anything that it names.

A pickle is a program. Its opcodes are read one by one, and only those that a state dict consists of do anything: they
put plain values, dicts and descriptions of tensors together. Names of functions are compared with a short list and
never looked up, so nothing in a file can be called.
"""

import pickletools
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

from .reading import Budget, shown

BFLOAT16 = "bfloat16"
_STORAGES = {
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "DoubleStorage": "f8",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_ORDERED, _TENSOR, _PARAMETER, _SIZE = (
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
)
_ALLOWED = {_ORDERED, _TENSOR, _PARAMETER, _SIZE, *(f"torch.{name}" for name in _STORAGES)}


@dataclass(frozen=True, slots=True)
class _Name:
    """A function or class that the pickle names."""

    path: str


@dataclass(frozen=True, slots=True)
class Storage:
    key: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    storage: Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Refused(Exception):
    """What stands in the pickle and is not executed."""


class TooLarge(Exception):
    """What the file asks for beyond the budget."""


class Endless(Exception):
    """Parts that lie in each other too deep, or in a circle."""


class Cost:
    """Counts what was taken of a budget."""

    def __init__(self, budget: Budget) -> None:
        self.budget, self.parts = budget, 0

    def add(self, parts: int = 1) -> None:
        self.parts += parts
        if self.parts > self.budget.parts:
            raise TooLarge(f"more than {self.budget.parts:,} values")

    def enter(self, depth: int) -> None:
        self.add()
        if depth > self.budget.depth:
            raise Endless(f"more than {self.budget.depth} deep")


class Bounded:
    """A file of `size` bytes that is asked for no more than `most` bytes at once, whatever the counts in it say."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size, self.most = file, size, size
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._file.tell())
        count = left if count is None or count < 0 else count
        if count > self.most:
            if count > left:
                raise EOFError(f"{count:,} bytes are to come, but {left:,} are left")
            raise TooLarge(f"{count:,} bytes of description, of {self.most:,}")
        return self._file.read(count)

    def readline(self) -> bytes:
        return self._file.readline(self.most)


def run_pickle(file: IO[bytes] | Bounded, cost: Cost) -> Any:
    """Reads one pickle. Raises Refused for opcodes and names that a state dict does not need."""
    stack: list[Any] = []
    marks: list[int] = []
    """How many values were on the stack at each mark that is still open."""
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        mark = marks.pop()
        values = stack[mark:]
        del stack[mark:]
        return values

    def below(count: int) -> list[Any]:
        if len(stack) - count < (marks[-1] if marks else 0):
            raise IndexError("its pickle is not one")
        values = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return values

    for opcode, read in _opcodes(file):
        cost.add()
        name, argument = opcode.name, cast(Any, read)
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            marks.append(len(stack))
        elif name in _LITERALS:
            stack.append(argument)
        elif name in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if name == "EMPTY_DICT" else [])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(below(int(name[-1]))))
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            parts = argument.split(" ") if name == "GLOBAL" else [plain(part, str) for part in below(2)]
            stack.append(_allowed(".".join(parts)))
        elif name == "BINPERSID":
            stack.append(_storage(*below(1)))
        elif name == "REDUCE":
            function, arguments = below(2)
            stack.append(_rebuilt(function, arguments, cost))
        elif name == "BUILD":
            below(1)  # what an OrderedDict has beside its entries: the versions of the modules
        elif name in ("SETITEM", "SETITEMS"):
            pairs = below(2) if name == "SETITEM" else since_mark()
            _fill(plain(stack[-1], dict), zip(pairs[::2], pairs[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            values = below(1) if name == "APPEND" else since_mark()
            plain(stack[-1], list).extend(values)
        elif name == "STOP":
            return stack[-1]
        elif name not in ("PROTO", "FRAME"):
            raise Refused(f"the opcode {name}")
    raise EOFError("its pickle has no end")


def _opcodes(file: Any) -> Iterator[tuple[Any, Any]]:
    """The opcodes of a pickle with their arguments, read one by one."""
    opcodes = pickletools.genops(cast(IO[bytes], _Unplaced(file)))
    while True:
        with warnings.catch_warnings():
            # Of odd escapes in texts, which Python warns of as if they stood in its code.
            warnings.simplefilter("ignore", DeprecationWarning)
            found = next(opcodes, None)
        if found is None:
            return
        yield found[:2]


class _Unplaced:
    """A file that does not say where it is, which pickletools would ask for at every opcode."""

    def __init__(self, file: IO[bytes] | Bounded) -> None:
        self.read, self.readline = file.read, file.readline


def _fill(into: dict, pairs: Iterable[tuple[Any, Any]]) -> None:
    for key, value in pairs:
        if key_of(key) != key or key in into:
            raise ValueError(f"a dict has the key {shown(str(key))} twice")
        into[key] = value


def key_of(key: Any) -> Any:
    """A key of a dict or storage as it is. Others can be built so that to look them up takes for ever."""
    if type(key) not in (str, int, float, bool, type(None)):
        raise TypeError(f"a key is a {type(key).__name__}")
    return key


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES"),
}


def _allowed(path: str) -> _Name:
    if path not in _ALLOWED:
        raise Refused(shown(path))
    return _Name(path)


def plain(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError("its pickle is not one")
    return value


def _storage(description: Any) -> Storage:
    word, kind, key, _, count, *view = plain(description, tuple)
    if word != "storage" or type(kind) is not _Name or type(count) is not int or any(part is not None for part in view):
        raise Refused("a storage that is a view or of an unknown kind")
    return Storage(plain(key, str), _STORAGES[kind.path.removeprefix("torch.")], count)


def _rebuilt(function: Any, arguments: Any, cost: Cost) -> Any:
    path, arguments = plain(function, _Name).path, plain(arguments, tuple)
    if path == _ORDERED:
        made: dict = {}
        (pairs,) = arguments or ([],)
        cost.add(len(plain(pairs, list)))
        _fill(made, ((key, value) for key, value in pairs))
        return made
    if path == _PARAMETER:
        return plain(arguments[0], Tensor)
    if path == _SIZE:
        (sizes,) = arguments
        cost.add(len(sizes))
        return tuple(sizes)
    if path != _TENSOR:
        raise Refused(f"a call of {path}")
    storage, start, shape, strides = arguments[:4]
    if len(shape) > _MOST_AXES or not all(type(n) is int for n in (start, *shape, *strides)):
        raise TypeError("a tensor's shape is not a few whole numbers")
    return Tensor(plain(storage, Storage), start, tuple(shape), tuple(strides))


_MOST_AXES = 32
"""Of a tensor, as many as every version of NumPy takes."""
