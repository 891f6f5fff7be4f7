"""Files of torch.save, read without PyTorch and without executing them.

A state dict is a pickle, which is a program. Here its opcodes are read one by one, and only those that a state dict
consists of do anything: they put plain values, dicts and descriptions of tensors together. Names of functions are
compared with a short list and never looked up, so nothing in a file can be called.
"""

import io
import math
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np

from .weights import WeightsError

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
_MARK = object()


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


def read_torch_file(path: Path) -> Any:
    """What torch.save wrote: dicts, lists and plain values as they are, tensors as arrays (bfloat16 as float32).

    Raises WeightsError for a file that is damaged, or that holds more than tensors and plain values.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(4)
            file.seek(0)
            return _read_archive(file) if begin == b"PK\x03\x04" else _read_legacy(file)
    except _Refused as error:
        raise WeightsError(f"{path} names {error}, which is not executed here. {_advice(path)}") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except RecursionError:  # lists that hold themselves
        raise WeightsError(f"{path} is damaged: its parts lie in each other without an end") from None
    except (zipfile.BadZipFile, ValueError, KeyError, IndexError, TypeError, OverflowError, EOFError) as error:
        reason = str(error).strip("'\"") or type(error).__name__
        raise WeightsError(f"{path} is damaged or cut short: {reason}") from None


def _advice(path: Path) -> str:
    code = (
        "import torch, safetensors.torch as s; "
        f"d = torch.load({path.name!r}, map_location='cpu', weights_only=False); "
        "d = d.get('state_dict', d); "
        f"s.save_file({{k: v.contiguous().clone() for k, v in d.items()}}, {path.with_suffix('.safetensors').name!r})"
    )
    return f'Where you trust it, turn it into safetensors with PyTorch: python -c "{code}"'


def _read_archive(file: IO[bytes]) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        (pickled,) = [name for name in names if name.rpartition("/")[2] == "data.pkl"][:1] or [""]
        if not pickled:
            raise ValueError("a ZIP archive without data.pkl, so not one of torch.save")
        folder = pickled.removesuffix("data.pkl")
        order: Order = ">" if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") == b"big" else "<"

        def load(storage: _Storage) -> bytes:
            entry = f"{folder}data/{storage.key}"
            if entry not in names:
                raise ValueError(f"it has no {entry}")
            if archive.getinfo(entry).compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{entry} is compressed, which torch.save does not do")
            return archive.read(entry)

        return _materialised(_run(io.BytesIO(archive.read(pickled))), load, order)


def _read_legacy(file: IO[bytes]) -> Any:
    """Several pickles one after another, then the numbers of every storage behind their count."""
    try:
        magic = _run(file)
    except (ValueError, IndexError, _Refused):
        magic = None
    if magic != _MAGIC:
        raise ValueError("it is not a file of torch.save")
    _run(file)  # the version of the protocol
    order: Order = "<" if _plain(_run(file), dict).get("little_endian", True) else ">"
    content = _run(file)
    found: dict[str, bytes] = {}
    kinds = {storage.key: storage.kind for storage in _storages(content)}
    for key in _run(file):
        count = int.from_bytes(file.read(8), "little" if order == "<" else "big")
        size = count * _item_size(kinds[key])
        found[key] = file.read(size)
        if len(found[key]) < size:
            raise ValueError(f"storage {key} has {len(found[key])} bytes instead of {size}")
    return _materialised(content, lambda storage: found[storage.key], order)


def _storages(value: Any) -> list[_Storage]:
    if isinstance(value, _Tensor):
        return [value.storage]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [storage for part in parts for storage in _storages(part)]


def _item_size(kind: str) -> int:
    return 2 if kind == BFLOAT16 else np.dtype(kind).itemsize


def numbers(data: bytes, kind: str, order: Order = "<") -> np.ndarray:
    """The numbers of a kind that NumPy names, or bfloat16, which become float32."""
    if kind != BFLOAT16:
        return np.frombuffer(data, np.dtype(kind).newbyteorder(order))
    return (np.frombuffer(data, f"{order}u2").astype(np.uint32) << 16).view(np.float32)


def _materialised(value: Any, load: Callable[[_Storage], bytes], order: Order) -> Any:
    loaded: dict[str, np.ndarray] = {}

    def array(tensor: _Tensor) -> np.ndarray:
        storage = tensor.storage
        if storage.key not in loaded:
            loaded[storage.key] = numbers(load(storage), storage.kind, order)
        flat = loaded[storage.key]
        last = tensor.start + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
        empty = math.prod(tensor.shape) == 0
        if tensor.start < 0 or min(tensor.strides, default=0) < 0 or (not empty and last >= len(flat)):
            raise ValueError(f"storage {storage.key} has {len(flat)} numbers, too few for a shape of {tensor.shape}")
        if empty:
            return np.zeros(tensor.shape, flat.dtype)
        steps = [step * flat.itemsize for step in tensor.strides]
        return np.lib.stride_tricks.as_strided(flat[tensor.start :], tensor.shape, steps, writeable=False)

    def walked(part: Any) -> Any:
        if isinstance(part, _Tensor):
            return array(part)
        if isinstance(part, dict):
            return {key: walked(inner) for key, inner in part.items()}
        return type(part)(walked(inner) for inner in part) if type(part) in (list, tuple) else part

    return walked(value)


def _run(file: IO[bytes]) -> Any:
    """Reads one pickle. Raises _Refused for opcodes and names that a state dict does not need."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        mark = max(i for i, value in enumerate(stack) if value is _MARK)
        values = stack[mark + 1 :]
        del stack[mark:]
        return values

    def below(count: int) -> list[Any]:
        if len(stack) < count:
            raise IndexError("its pickle is not one")
        values = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return values

    for opcode, read, _ in pickletools.genops(file):
        name, argument = opcode.name, cast(Any, read)
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
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
            parts = argument.split(" ") if name == "GLOBAL" else below(2)
            stack.append(_allowed(".".join(map(str, parts))))
        elif name == "BINPERSID":
            stack.append(_storage(*below(1)))
        elif name == "REDUCE":
            stack.append(_rebuilt(*below(2)))
        elif name == "BUILD":
            below(1)  # what an OrderedDict has beside its entries: the versions of the modules
        elif name in ("SETITEM", "SETITEMS"):
            pairs = below(2) if name == "SETITEM" else since_mark()
            _plain(stack[-1], dict).update(zip(pairs[::2], pairs[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            values = below(1) if name == "APPEND" else since_mark()
            _plain(stack[-1], list).extend(values)
        elif name == "STOP":
            return stack[-1]
        elif name not in ("PROTO", "FRAME"):
            raise _Refused(f"the opcode {name}")
    raise EOFError("its pickle has no end")


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES"),
}


def _allowed(path: str) -> _Name:
    if path not in _ALLOWED:
        raise _Refused(path)
    return _Name(path)


def _plain(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError("its pickle is not one")
    return value


def _storage(description: Any) -> _Storage:
    word, kind, key, _, count, *view = description
    if word != "storage" or not isinstance(kind, _Name) or not isinstance(count, int) or any(view):
        raise _Refused("a storage that is a view or of an unknown kind")
    return _Storage(str(key), _STORAGES[kind.path.removeprefix("torch.")], count)


def _rebuilt(function: Any, arguments: Any) -> Any:
    path = _plain(function, _Name).path
    if path == _ORDERED:
        return dict(*arguments)
    if path == _PARAMETER:
        return _plain(arguments[0], _Tensor)
    if path == _SIZE:
        return tuple(*arguments)
    if path != _TENSOR:
        raise _Refused(f"a call of {path}")
    storage, start, shape, strides = arguments[:4]
    if not all(type(n) is int for n in (start, *shape, *strides)):
        raise TypeError("a tensor's shape is not whole numbers")
    return _Tensor(_plain(storage, _Storage), start, tuple(shape), tuple(strides))
