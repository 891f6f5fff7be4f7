"""How values of options are written on a command line, and what the help says of them."""

import dataclasses
import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

ONE_TEXT = ("aifashion.vocabulary.Vocabulary", "aifashion.records.CropRule")
"""Types that one text on the command line gives, and no group of options."""


def option_types() -> ConstructorRegistry:
    """How a vocabulary and a crop rule are written on a command line: by a name or file, and by the kind alone."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def from_one_text(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        # By name: the modules load NumPy, which commands that have no such option work without.
        name = full_name(info.type)
        if name not in ONE_TEXT:
            return None
        return _vocabulary_option() if name == ONE_TEXT[0] else _crop_option()

    @registry.primitive_rule
    def of_one_type(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        # What is not given is None; None as a word is a name like others.
        kinds = [kind for kind in get_args(info.type) if kind is not NoneType]
        if info.type_origin not in (UnionType, Union) or len(kinds) != 1:
            return None
        spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kinds[0], info.markers))
        if not isinstance(spec, PrimitiveConstructorSpec):
            return None
        return dataclasses.replace(
            spec,
            is_instance=lambda value: value is None or spec.is_instance(value),
            str_from_instance=lambda value: [] if value is None else spec.str_from_instance(value),
        )

    reading: list[StructTypeInfo] = []

    @registry.struct_rule
    def with_true_defaults(info: StructTypeInfo) -> StructConstructorSpec | None:
        if info in reading:
            return None  # the parser's rule is asked, below
        reading.append(info)
        try:
            spec = ConstructorRegistry.get_struct_spec(info)
        finally:
            reading.pop()
        if not isinstance(spec, StructConstructorSpec):
            return None
        return dataclasses.replace(spec, fields=tuple(map(_with_true_default, spec.fields)))

    return registry


def _with_true_default(part: StructFieldSpec) -> StructFieldSpec:
    """The help of an option that is empty by default says `none`, or nothing where its text has the default."""
    if part.default not in (None, "", ()):
        return part

    def hint(label: str) -> str:
        text = part.helptext() if callable(part.helptext) else part.helptext
        return "" if "default" in (text or "") else "(default: none)"

    return dataclasses.replace(part, type=Annotated[part.type, tyro.conf.arg(help_behavior_hint=hint)])


def full_name(kind: Any) -> str:
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__name__', '')}"


def _vocabulary_option() -> PrimitiveConstructorSpec:
    from aifashion.vocabulary import Vocabulary, load_vocabulary

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME|FILE",
        instance_from_str=lambda texts: _read(load_vocabulary, texts[0]),
        is_instance=lambda value: isinstance(value, Vocabulary),
        str_from_instance=lambda value: [value.name],
    )


def _crop_option() -> PrimitiveConstructorSpec:
    from aifashion.records import CropKind, CropRule

    kinds = get_args(CropKind)
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(kinds) + "}",
        instance_from_str=lambda texts: CropRule.read(texts[0]),
        is_instance=lambda value: isinstance(value, CropRule),
        str_from_instance=lambda value: [value.kind],
        choices=kinds,
    )


def _read(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except OSError as error:  # a parser reports a ValueError beside the option
        raise ValueError(described(error)) from None


def described(error: OSError) -> str:
    """Without a message of ours, an error of the system begins with `[Errno 2]`. Its words for a folder in place of a
    file, or the other way round, do not say what was expected."""
    if error.filename and error.strerror:
        path, reason = Path(os.fsdecode(error.filename)), error.strerror
        if reason == os.strerror(errno.EISDIR):
            reason = "this is a folder; expected a file"
        elif reason == os.strerror(errno.EEXIST) and not path.is_dir():
            reason = "this is a file; expected a folder"
        elif reason == os.strerror(errno.ENOTDIR):
            file = next((above for above in (path, *path.parents) if above.is_file()), path)
            reason = "this is a file; expected a folder" if file == path else f"{file} is a file; expected a folder"
        return f"{path}: {reason}"
    return error.strerror or str(error)
