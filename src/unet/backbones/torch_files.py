"""Files of torch.save, read without PyTorch and without executing them.

A state dict is a pickle, which is a program. Here its opcodes are read one by one, and only those that a state dict
consists of do anything: they put plain values, dicts and descriptions of tensors together. Names of functions are
compared with a short list and never looked up, so nothing in a file can be called.
"""

import io
import math
import pickletools
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np

from ...files import open_regular
from .reading import BUDGET, Budget, WeightsError, shown

BFLOAT16 = "bfloat16"
Order = Literal["<", ">"]
"""Of the bytes of a number: the lowest first, or the highest."""
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
_MAGIC = 0x1950A86A20F9469CFC6C
"""The number that files of PyTorch before 1.6 start with, pickled."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A function or class that the pickle names."""

    path: str


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Refused(Exception):
    """What stands in the pickle and is not executed."""


class _TooLarge(Exception):
    """What the file asks for beyond the budget."""


_FAULTS = (
    *(zipfile.BadZipFile, ValueError, KeyError, IndexError, TypeError, OverflowError, EOFError, struct.error),
    *(RuntimeError, AssertionError),  # of an entry that asks for a password, and of damaged pickles
)


def read_torch_file(path: Path, budget: Budget = BUDGET) -> Any:
    """What torch.save wrote: dicts, lists and plain values as they are, tensors as arrays (bfloat16 as float32).

    Raises WeightsError for a file that is damaged, that holds more than tensors and plain values, or that asks for more
    than the budget.
    """
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            if size > budget.memory:
                raise _TooLarge(f"{size:,} bytes of a file, of {budget.memory:,}")
            file.seek(0)
            begin = file.read(4)
            file.seek(0)
            reader = _Bounded(file, size)
            return (_read_archive if begin == b"PK\x03\x04" else _read_legacy)(reader, _Cost(budget), budget)
    except _Refused as error:
        raise WeightsError(f"{path} names {error}, which is not executed here. {_advice(path)}") from None
    except _TooLarge as error:
        raise WeightsError(f"{path} asks for more than is given to a file of weights: {error}") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except _Endless as error:
        raise WeightsError(f"{path} is damaged: its parts lie in each other {error}") from None
    except MemoryError:
        raise WeightsError(f"{path} asks for more memory than there is") from None
    except _FAULTS as error:
        reason = str(error).strip("'\"") or type(error).__name__
        raise WeightsError(f"{path} is damaged or cut short: {shown(reason)}") from None


class _Endless(Exception):
    """Parts that lie in each other too deep, or in a circle."""


class _Cost:
    """Counts what was taken of a budget."""

    def __init__(self, budget: Budget) -> None:
        self.budget, self.parts = budget, 0

    def add(self, parts: int = 1) -> None:
        self.parts += parts
        if self.parts > self.budget.parts:
            raise _TooLarge(f"more than {self.budget.parts:,} values")

    def enter(self, depth: int) -> None:
        self.add()
        if depth > self.budget.depth:
            raise _Endless(f"more than {self.budget.depth} deep")


class _Bounded:
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
            raise _TooLarge(f"{count:,} bytes of description, of {self.most:,}")
        return self._file.read(count)

    def readline(self) -> bytes:
        return self._file.readline(self.most)


def _advice(path: Path) -> str:
    code = (
        "import torch, safetensors.torch as s; "
        f"d = torch.load({path.name!r}, map_location='cpu', weights_only=False); "
        "d = d.get('state_dict', d); "
        f"s.save_file({{k: v.contiguous().clone() for k, v in d.items()}}, {path.with_suffix('.safetensors').name!r})"
    )
    return f'Where you trust it, turn it into safetensors with PyTorch: python -c "{code}"'


def _read_archive(file: _Bounded, cost: _Cost, budget: Budget) -> Any:
    size = file.most
    # The list of the entries is read at once, and what Python makes of it takes ten times as much.
    file.most = max(1 << 17, budget.parts * 4)
    with zipfile.ZipFile(cast(IO[bytes], file)) as archive:
        file.most = size
        entries = {info.filename: info for info in archive.infolist()}
        if len(entries) < len(archive.infolist()):
            raise ValueError("two of its entries have the same name")
        (pickled,) = [name for name in entries if name.rpartition("/")[2] == "data.pkl"][:1] or [""]
        if not pickled:
            raise ValueError("a ZIP archive without data.pkl, so not one of torch.save")
        folder = pickled.removesuffix("data.pkl")
        taken = 0

        def content(name: str) -> bytes:
            nonlocal taken
            if name not in entries:
                raise ValueError(f"it has no {name}")
            info = entries[name]
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise ValueError(f"{name} is compressed, which torch.save does not do")
            taken += info.file_size
            if taken > size:
                raise _TooLarge("its entries overlap: together they are larger than the file")
            return archive.read(name)

        order: Order = ">" if f"{folder}byteorder" in entries and content(f"{folder}byteorder") == b"big" else "<"
        if entries[pickled].file_size > budget.memory // _DESCRIPTION:
            raise _TooLarge(f"{entries[pickled].file_size:,} bytes of description")
        described = _run(io.BytesIO(content(pickled)), cost)
        return _materialised(described, lambda storage: content(f"{folder}data/{storage.key}"), order, cost)


_DESCRIPTION = 16
"""The share of the memory that names and shapes can take."""


def _read_legacy(file: _Bounded, cost: _Cost, budget: Budget) -> Any:
    """Several pickles one after another, then the numbers of every storage behind their count."""
    size, file.most = file.most, min(file.most, budget.memory // _DESCRIPTION)
    try:
        magic = _run(file, cost)
    except (*_FAULTS, _Refused):
        magic = None
    if magic != _MAGIC:
        raise ValueError("it is not a file of torch.save")
    _run(file, cost)  # the version of the protocol
    order: Order = "<" if _plain(_run(file, cost), dict).get("little_endian", True) else ">"
    content = _run(file, cost)
    keys = _plain(_run(file, cost), list)
    file.most = size
    found: dict[str, bytes] = {}
    storages = {storage.key: storage for storage in _storages(content, cost)}
    if sorted(map(_key, keys)) != sorted(storages):
        raise ValueError("its list of storages is not that of its tensors")
    for key in map(_key, keys):
        count = int.from_bytes(file.read(8), "little" if order == "<" else "big")
        size = count * _item_size(storages[key].kind)
        found[key] = file.read(size)
        if len(found[key]) < size:
            raise ValueError(f"storage {key} has {len(found[key])} bytes instead of {size}")
    return _materialised(content, lambda storage: found[storage.key], order, cost)


def _storages(value: Any, cost: _Cost, depth: int = 0) -> Iterator[_Storage]:
    cost.enter(depth)
    if isinstance(value, _Tensor):
        yield value.storage
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for part in parts:
        yield from _storages(part, cost, depth + 1)


def _item_size(kind: str) -> int:
    return 2 if kind == BFLOAT16 else np.dtype(kind).itemsize


def numbers(data: bytes, kind: str, order: Order = "<") -> np.ndarray:
    """The numbers of a kind that NumPy names, or bfloat16, which become float32."""
    if kind != BFLOAT16:
        return np.frombuffer(data, np.dtype(kind).newbyteorder(order))
    return (np.frombuffer(data, f"{order}u2").astype(np.uint32) << 16).view(np.float32)


def _materialised(value: Any, load: Callable[[_Storage], bytes], order: Order, cost: _Cost) -> Any:
    loaded: dict[str, np.ndarray] = {}

    def array(tensor: _Tensor) -> np.ndarray:
        storage = tensor.storage
        if storage.key not in loaded:
            loaded[storage.key] = numbers(load(storage), storage.kind, order)
        flat = loaded[storage.key]
        if len(flat) != storage.count:
            raise ValueError(f"storage {storage.key} has {len(flat)} numbers, not the {storage.count} of its tensor")
        count = math.prod(tensor.shape)
        last = tensor.start + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
        if min(tensor.start, *tensor.strides, *tensor.shape, 0) < 0 or (count and max(last + 1, count) > len(flat)):
            raise ValueError(f"storage {storage.key} has {len(flat)} numbers, too few for a shape of {tensor.shape}")
        if not count:
            return np.zeros(tensor.shape, flat.dtype)
        if count == len(flat) and not _dense(tensor):
            raise ValueError(f"the strides {tensor.strides} of a tensor do not go with its shape {tensor.shape}")
        steps = [step * flat.itemsize for step in tensor.strides]
        return np.lib.stride_tricks.as_strided(flat[tensor.start :], tensor.shape, steps, writeable=False)

    def walked(part: Any, depth: int) -> Any:
        cost.enter(depth)
        if isinstance(part, _Tensor):
            return array(part)
        if isinstance(part, dict):
            return {key: walked(inner, depth + 1) for key, inner in part.items()}
        return type(part)(walked(inner, depth + 1) for inner in part) if type(part) in (list, tuple) else part

    return walked(value, 0)


def _dense(tensor: _Tensor) -> bool:
    """Whether every number of the storage is in the tensor once, in whatever order of its axes."""
    expected = 1
    for step, n in sorted((step, n) for n, step in zip(tensor.shape, tensor.strides, strict=True) if n > 1):
        if step != expected:
            return False
        expected *= n
    return True


def _run(file: IO[bytes] | _Bounded, cost: _Cost) -> Any:
    """Reads one pickle. Raises _Refused for opcodes and names that a state dict does not need."""
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
            parts = argument.split(" ") if name == "GLOBAL" else [_plain(part, str) for part in below(2)]
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
            _fill(_plain(stack[-1], dict), zip(pairs[::2], pairs[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            values = below(1) if name == "APPEND" else since_mark()
            _plain(stack[-1], list).extend(values)
        elif name == "STOP":
            return stack[-1]
        elif name not in ("PROTO", "FRAME"):
            raise _Refused(f"the opcode {name}")
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

    def __init__(self, file: IO[bytes] | _Bounded) -> None:
        self.read, self.readline = file.read, file.readline


def _fill(into: dict, pairs: Iterable[tuple[Any, Any]]) -> None:
    for key, value in pairs:
        if _key(key) != key or key in into:
            raise ValueError(f"a dict has the key {shown(str(key))} twice")
        into[key] = value


def _key(key: Any) -> Any:
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
        raise _Refused(shown(path))
    return _Name(path)


def _plain(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError("its pickle is not one")
    return value


def _storage(description: Any) -> _Storage:
    word, kind, key, _, count, *view = _plain(description, tuple)
    if word != "storage" or type(kind) is not _Name or type(count) is not int or any(part is not None for part in view):
        raise _Refused("a storage that is a view or of an unknown kind")
    return _Storage(_plain(key, str), _STORAGES[kind.path.removeprefix("torch.")], count)


def _rebuilt(function: Any, arguments: Any, cost: _Cost) -> Any:
    path, arguments = _plain(function, _Name).path, _plain(arguments, tuple)
    if path == _ORDERED:
        made: dict = {}
        (pairs,) = arguments or ([],)
        cost.add(len(_plain(pairs, list)))
        _fill(made, ((key, value) for key, value in pairs))
        return made
    if path == _PARAMETER:
        return _plain(arguments[0], _Tensor)
    if path == _SIZE:
        (sizes,) = arguments
        cost.add(len(sizes))
        return tuple(sizes)
    if path != _TENSOR:
        raise _Refused(f"a call of {path}")
    storage, start, shape, strides = arguments[:4]
    if len(shape) > _MOST_AXES or not all(type(n) is int for n in (start, *shape, *strides)):
        raise TypeError("a tensor's shape is not a few whole numbers")
    return _Tensor(_plain(storage, _Storage), start, tuple(shape), tuple(strides))


_MOST_AXES = 32
"""Of a tensor, as many as every version of NumPy takes."""
