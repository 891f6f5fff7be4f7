"""Writes files as torch.save does, without PyTorch: classes of the same names are pickled in the place of its own."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {"f4": "FloatStorage", "f2": "HalfStorage", "f8": "DoubleStorage", "i8": "LongStorage", "u2": "BFloat16Storage"}


def _modules() -> dict[str, types.ModuleType]:
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*words: Any) -> None: ...

    for function in (_rebuild_tensor_v2,):
        function.__module__, function.__qualname__ = "torch._utils", function.__name__
        setattr(utils, function.__name__, function)
    for name in KINDS.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    torch._utils = utils  # type: ignore[attr-defined]
    return {"torch": torch, "torch._utils": utils}


class Tensor:
    """An array to be pickled as a tensor; u2 stands for the bits of bfloat16."""

    def __init__(self, array: np.ndarray, strides: tuple[int, ...] | None = None, shape: tuple[int, ...] | None = None):
        self.array, self.shape = array, array.shape if shape is None else shape
        steps = tuple(step // array.itemsize for step in array.strides)
        self.strides = steps if strides is None else strides


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, modules: dict[str, types.ModuleType], protocol: int):
        super().__init__(file, protocol)
        self.modules, self.storages = modules, []

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, np.ndarray):
            return None
        self.storages.append(obj)
        kind = getattr(self.modules["torch"], KINDS[obj.dtype.str[1:]])
        return ("storage", kind, str(len(self.storages) - 1), "cpu", obj.size)

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, Tensor):
            return NotImplemented
        words = (obj.array, 0, obj.shape, obj.strides, False, OrderedDict())
        return self.modules["torch._utils"]._rebuild_tensor_v2, words


def _pickled(content: Any, protocol: int = 2) -> tuple[bytes, list[np.ndarray]]:
    modules, file = _modules(), io.BytesIO()
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        pickler = _Pickler(file, modules, protocol)
        pickler.dump(content)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return file.getvalue(), pickler.storages


def tensors(state: dict[str, np.ndarray]) -> OrderedDict:
    return OrderedDict((name, Tensor(np.asarray(array, order="C"))) for name, array in state.items())


def write_torch_file(path: Path, content: Any, protocol: int = 2, compression: int = zipfile.ZIP_STORED) -> Path:
    """As torch.save since PyTorch 1.6: a ZIP archive."""
    pickled, storages = _pickled(content, protocol)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for number, storage in enumerate(storages):
            archive.writestr(f"archive/data/{number}", storage.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_old_torch_file(path: Path, content: Any) -> Path:
    """As torch.save before PyTorch 1.6: pickles, then the numbers."""
    pickled, storages = _pickled(content)
    # Before the last entry of a storage's description stood what it is a view of: nothing.
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, facts)]
    parts += [pickled, pickle.dumps([str(number) for number in range(len(storages))], 2)]
    parts += [storage.size.to_bytes(8, "little") + storage.tobytes() for storage in storages]
    path.write_bytes(b"".join(parts))
    return path
