"""Files of torch.save, read without PyTorch and without executing them.

A file has a pickle, which `state_pickles` reads, and the numbers of the tensors that it describes: in an archive, or as
PyTorch before 1.6 wrote them, one after the other.
"""

import io
import math
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np

from ...files import open_regular
from .reading import BUDGET, Budget, WeightsError, shown
from .state_pickles import BFLOAT16 as BFLOAT16
from .state_pickles import Bounded, Cost, Endless, Refused, Storage, Tensor, TooLarge, key_of, plain, run_pickle

Order = Literal["<", ">"]
"""Of the bytes of a number: the lowest first, or the highest."""
_MAGIC = 0x1950A86A20F9469CFC6C
"""The number that files of PyTorch before 1.6 start with, pickled."""


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
                raise TooLarge(f"{size:,} bytes of a file, of {budget.memory:,}")
            file.seek(0)
            begin = file.read(4)
            file.seek(0)
            reader = Bounded(file, size)
            return (_read_archive if begin == b"PK\x03\x04" else _read_legacy)(reader, Cost(budget), budget)
    except Refused as error:
        raise WeightsError(f"{path} names {error}, which is not executed here. {_advice(path)}") from None
    except TooLarge as error:
        raise WeightsError(f"{path} asks for more than is given to a file of weights: {error}") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except Endless as error:
        raise WeightsError(f"{path} is damaged: its parts lie in each other {error}") from None
    except MemoryError:
        raise WeightsError(f"{path} asks for more memory than there is") from None
    except _FAULTS as error:
        reason = str(error).strip("'\"") or type(error).__name__
        raise WeightsError(f"{path} is damaged or cut short: {shown(reason)}") from None


def _advice(path: Path) -> str:
    code = (
        "import torch, safetensors.torch as s; "
        f"d = torch.load({path.name!r}, map_location='cpu', weights_only=False); "
        "d = d.get('state_dict', d); "
        f"s.save_file({{k: v.contiguous().clone() for k, v in d.items()}}, {path.with_suffix('.safetensors').name!r})"
    )
    return f'Where you trust it, turn it into safetensors with PyTorch: python -c "{code}"'


def _read_archive(file: Bounded, cost: Cost, budget: Budget) -> Any:
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
                raise TooLarge("its entries overlap: together they are larger than the file")
            return archive.read(name)

        order: Order = ">" if f"{folder}byteorder" in entries and content(f"{folder}byteorder") == b"big" else "<"
        if entries[pickled].file_size > budget.memory // _DESCRIPTION:
            raise TooLarge(f"{entries[pickled].file_size:,} bytes of description")
        described = run_pickle(io.BytesIO(content(pickled)), cost)
        return _materialised(described, lambda storage: content(f"{folder}data/{storage.key}"), order, cost)


_DESCRIPTION = 16
"""The share of the memory that names and shapes can take."""


def _read_legacy(file: Bounded, cost: Cost, budget: Budget) -> Any:
    """Several pickles one after another, then the numbers of every storage behind their count."""
    size, file.most = file.most, min(file.most, budget.memory // _DESCRIPTION)
    try:
        magic = run_pickle(file, cost)
    except (*_FAULTS, Refused):
        magic = None
    if magic != _MAGIC:
        raise ValueError("it is not a file of torch.save")
    run_pickle(file, cost)  # the version of the protocol
    order: Order = "<" if plain(run_pickle(file, cost), dict).get("little_endian", True) else ">"
    content = run_pickle(file, cost)
    keys = plain(run_pickle(file, cost), list)
    file.most = size
    found: dict[str, bytes] = {}
    storages = {storage.key: storage for storage in _storages(content, cost)}
    if sorted(map(key_of, keys)) != sorted(storages):
        raise ValueError("its list of storages is not that of its tensors")
    for key in map(key_of, keys):
        count = int.from_bytes(file.read(8), "little" if order == "<" else "big")
        size = count * _item_size(storages[key].kind)
        found[key] = file.read(size)
        if len(found[key]) < size:
            raise ValueError(f"storage {key} has {len(found[key])} bytes instead of {size}")
    return _materialised(content, lambda storage: found[storage.key], order, cost)


def _storages(value: Any, cost: Cost, depth: int = 0) -> Iterator[Storage]:
    cost.enter(depth)
    if isinstance(value, Tensor):
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


def _materialised(value: Any, load: Callable[[Storage], bytes], order: Order, cost: Cost) -> Any:
    loaded: dict[str, np.ndarray] = {}

    def array(tensor: Tensor) -> np.ndarray:
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
        if isinstance(part, Tensor):
            return array(part)
        if isinstance(part, dict):
            return {key: walked(inner, depth + 1) for key, inner in part.items()}
        return type(part)(walked(inner, depth + 1) for inner in part) if type(part) in (list, tuple) else part

    return walked(value, 0)


def _dense(tensor: Tensor) -> bool:
    """Whether every number of the storage is in the tensor once, in whatever order of its axes."""
    expected = 1
    for step, n in sorted((step, n) for n, step in zip(tensor.shape, tensor.strides, strict=True) if n > 1):
        if step != expected:
            return False
        expected *= n
    return True
