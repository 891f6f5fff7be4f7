"""What an HDF5 file of weights must not have, looked for before anything of it is read.

HDF5 can refer to other files, for a dataset or for a whole group, compress without bound, and claim numbers that it
does not hold. Keras and Caffe write none of this, so a file that has it is refused.
"""

import hashlib
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from ...files import regular
from .reading import BUDGET, Budget, WeightsError, shown

_KINDS = "fiub"
_FLOATS = tuple(getattr(h5py.h5t, f"IEEE_F{bits}{order}") for bits in (16, 32, 64) for order in ("LE", "BE"))
"""As numbers are kept by all that write weights. A damaged description of a number is another kind."""
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
"""Those that need no further library. HDF5 looks for others in folders that the environment names, and loads them."""
_EXPANSION, _FREE = 50, 64 << 20
"""Compressed numbers can take up to that many times the bytes of the file, or the second number of bytes if more."""
_ATTRIBUTE_BYTES, _TEXTS = 1 << 20, 4096
"""Of one attribute: bytes, and texts of any length."""


def check_hdf5(path: Path, budget: Budget = BUDGET) -> None:
    """Raises WeightsError where an HDF5 file reads other files, is damaged, or asks for more than the budget."""
    if fault := hdf5_fault(path, budget):
        raise WeightsError(f"{path} cannot be used: {fault}")


def hdf5_fault(path: Path, budget: Budget = BUDGET) -> str:
    """What is wrong with an HDF5 file, before anything of it is read; empty where nothing is."""
    try:
        regular(path)  # HDF5 would wait for a pipe
        with h5py.File(path, "r") as file:
            fault = _fault(file, budget, path.stat().st_size)
    except MemoryError:
        return "it asks for more memory than there is"
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        reason = str(error).strip("'\" \n").partition("\n")[0] or type(error).__name__
        return f"it is damaged, cut short or no HDF5 file: {shown(reason)}"
    return f"{fault}. Files of weights have no need of this" if fault else ""


def digest(file: h5py.File) -> str:
    """Of all numbers in a file that was looked through, with their names, kinds and shapes."""
    found: list[tuple[str, h5py.Dataset]] = []
    file.visititems(lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    total = hashlib.sha256()
    for name, item in sorted(found, key=lambda pair: pair[0]):
        values = np.ascontiguousarray(item[()])
        total.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        total.update(values.tobytes())
    return total.hexdigest()


def _fault(file: h5py.File, budget: Budget, size: int) -> str:
    memory = min(budget.memory, max(_FREE, _EXPANSION * size))
    taken, parts = 0, 0
    ranges: list[tuple[int, int]] = []
    seen = {_address(file)}
    groups: list[tuple[h5py.Group, int]] = [(file["/"], 0)]
    while groups:
        group, depth = groups.pop()
        if depth > budget.depth:
            return f"its groups lie in each other more than {budget.depth} deep"
        if fault := _attributes_fault(group):
            return fault
        for name in group:
            parts += 1
            if parts > budget.parts:
                return f"it has more than {budget.parts:,} parts"
            place = shown(f"{group.name.rstrip('/')}/{name}")
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                return f"{place} is a link into another file, {shown(link.filename)}"
            if not isinstance(link, h5py.HardLink):
                return f"{place} is a link to {shown(getattr(link, 'path', 'something unknown'))}"
            item = group[name]
            if _address(item) in seen:
                return f"{place} is there a second time"
            seen.add(_address(item))
            if isinstance(item, h5py.Group):
                groups.append((item, depth + 1))
                continue
            if not isinstance(item, h5py.Dataset):
                return f"{place} is neither a group nor a dataset"
            if fault := _dataset_fault(item) or _attributes_fault(item):
                return f"{place} {fault}"
            if (start := item.id.get_offset()) is not None:  # of what is in chunks, HDF5 knows the places alone
                ranges.append((start, start + item.id.get_storage_size()))
            taken += item.size * max(item.dtype.itemsize, 4)
            if taken > memory:
                return f"its numbers take more than {memory / 1e9:.2g} GB, of a file of {size / 1e9:.2g} GB"
    ranges.sort()
    if any(end > start for (_, end), (start, _) in pairwise(ranges)):
        return "two of its datasets are at the same place"
    return ""


def _address(item: h5py.HLObject) -> tuple[int, int]:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr


def _dataset_fault(dataset: h5py.Dataset) -> str:
    if dataset.is_virtual:
        return "is put together from other files"
    if dataset.external:
        return f"keeps its numbers in another file, {shown(str(dataset.external[0][0]))}"
    if dataset.dtype.kind not in _KINDS:
        return f"holds no numbers but {dataset.dtype}"
    if dataset.dtype.kind == "f" and not any(dataset.id.get_type() == kind for kind in _FLOATS):
        return "holds numbers of an unusual kind"
    plan = dataset.id.get_create_plist()
    filters = {plan.get_filter(index)[0] for index in range(plan.get_nfilters())}
    if filters - _FILTERS:
        return f"is packed by a filter of another library, number {min(filters - _FILTERS)}"
    if dataset.shape is None or (dataset.size and not dataset.id.get_storage_size()):
        return "claims numbers that the file does not hold"
    if not filters and dataset.id.get_storage_size() < dataset.size * dataset.dtype.itemsize:
        return "claims more numbers than the file holds"
    return ""


def _attributes_fault(item: h5py.HLObject) -> str:
    for name in item.attrs:
        attribute = h5py.h5a.open(item.id, name.encode("utf-8", "surrogateescape"))
        kind = attribute.get_type()
        if isinstance(kind, h5py.h5t.TypeReferenceID) or kind.get_class() in (h5py.h5t.VLEN, h5py.h5t.COMPOUND):
            return f"the attribute {shown(name)} is neither text nor numbers"
        count, texts = attribute.get_space().get_simple_extent_npoints(), isinstance(kind, h5py.h5t.TypeStringID)
        most = _TEXTS if texts and kind.is_variable_str() else _ATTRIBUTE_BYTES // max(1, kind.get_size())
        if count > most:
            return f"the attribute {shown(name)} is larger than an attribute of weights"
    return ""
