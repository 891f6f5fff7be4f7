"""Help texts of options in whole lines.

tyro 1.0 keeps the line breaks that the text below an option has in the code, beside those that it makes itself.
"""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import docstring_parser
import tyro


def with_whole_lines(kind: Callable[..., Any]) -> Callable[..., Any]:
    """The same dataclass with the texts of its options unwrapped; anything else as it is.

    Only to show the help: objects of it are not of the class itself.
    """
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return kind
    texts: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if dataclasses.is_dataclass(owner):
            for found in docstring_parser.parse_from_object(owner).params:
                if found.description:
                    texts[found.arg_name] = " ".join(found.description.split())
    hints = get_type_hints(kind, include_extras=True)
    fields = [
        (field.name, Annotated[hints[field.name], tyro.conf.arg(help=texts[field.name])], _copy(field))
        for field in dataclasses.fields(kind)
        if field.init and field.name in texts
    ]
    told = dataclasses.make_dataclass(kind.__name__, fields, bases=(kind,), frozen=_frozen(kind), kw_only=True)
    told.__doc__ = kind.__doc__
    return told


def _copy(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return dataclasses.field(default=field.default)
    if field.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=field.default_factory)
    return dataclasses.field()


def _frozen(kind: type) -> bool:
    return kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
