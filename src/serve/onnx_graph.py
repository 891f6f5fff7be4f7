"""ONNX graphs written as formulas: values with operators, of which every use adds a node."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import onnx
from numpy.typing import DTypeLike
from onnx import compose, helper, numpy_helper
from onnx.utils import Extractor

Operand = Union["Value", np.ndarray, float]
"""An array is a constant; a number becomes one of the type of the first value that it meets."""


class Graph:
    """The nodes of a graph, or of the body of a loop in one; the constants that all of them share; and the weights of
    the networks in it."""

    def __init__(self, outer: "Graph | None" = None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.depth: int = outer.depth + 1 if outer else 0
        self.constants: dict[tuple, onnx.TensorProto] = outer.constants if outer else {}
        self._numbers: itertools.count = outer._numbers if outer else itertools.count()

    def new_name(self, kind: str) -> str:
        return f"combined_{kind}_{next(self._numbers)}"

    def constant(self, array: np.ndarray) -> "Value":
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, self.new_name("constant"))
        return Value(self, self.constants[key].name, array.dtype)

    def with_network(
        self, model: onnx.ModelProto, prefix: str, inputs: Mapping[str, "Value"], wanted: Sequence[str]
    ) -> list["Value"]:
        """The wanted float32 outputs of a model of these inputs; what else it computes is left away.

        prefix: before the names of everything in it.
        """
        part = Extractor(model).extract_model(list(inputs), list(wanted))
        graph = compose.add_prefix(part, prefix).graph
        self.nodes += [helper.make_node("Identity", [value.name], [prefix + name]) for name, value in inputs.items()]
        self.nodes += graph.node
        self.weights += graph.initializer
        return [self.named(prefix + name, np.float32) for name in wanted]

    def named(self, name: str, dtype: DTypeLike) -> "Value":
        """What there is under a name: an input of the graph, or an output of nodes that come from elsewhere."""
        return Value(self, name, np.dtype(dtype))


@dataclass(frozen=True, eq=False)
class Value:
    """An array that a graph computes. graph: where it is known, in all loops that are in it as well."""

    graph: Graph
    name: str
    dtype: np.dtype

    def __add__(self, other: Any) -> "Value":
        return apply("Add", self, other)

    def __sub__(self, other: Any) -> "Value":
        return apply("Sub", self, other)

    def __rsub__(self, other: Any) -> "Value":
        return apply("Sub", other, self)

    def __mul__(self, other: Any) -> "Value":
        return apply("Mul", self, other)

    def __truediv__(self, other: Any) -> "Value":
        return apply("Div", self, other)

    def __rtruediv__(self, other: Any) -> "Value":
        return apply("Div", other, self)

    def __lt__(self, other: Any) -> "Value":
        return apply("Less", self, other, dtype=bool)

    def __gt__(self, other: Any) -> "Value":
        return apply("Greater", self, other, dtype=bool)

    def __ge__(self, other: Any) -> "Value":
        return apply("GreaterOrEqual", self, other, dtype=bool)

    def __and__(self, other: Any) -> "Value":
        return apply("And", self, other)

    def cast(self, dtype: DTypeLike) -> "Value":
        return apply("Cast", self, dtype=dtype, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def take(self, index: "Operand | Sequence[int]", axis: int = 0) -> "Value":
        """Those at the indices, a number or a value, of an axis; without this axis for a single index."""
        index = index if isinstance(index, Value) else np.asarray(index, np.int64)
        return apply("Gather", self, index, axis=axis)

    def reshape(self, *sides: Operand) -> "Value":
        known = np.array(sides, np.int64) if not any(isinstance(side, Value) for side in sides) else vector(sides)
        return apply("Reshape", self, known)

    def expanded(self, *axes: int) -> "Value":
        return apply("Unsqueeze", self, np.array(axes, np.int64))

    def side(self, axis: int) -> "Value":
        """How long an axis is, a scalar."""
        return apply("Shape", self, dtype=np.int64).take(axis)

    def selected(self, which: "Value") -> "Value":
        """(N, ...) where (N,) bool."""
        return apply("Compress", self, which, axis=0)


def apply(kind: str, *inputs: Operand, dtype: DTypeLike | None = None, **attributes: Any) -> Value:
    """The output of a node. dtype: its type, by default that of the first input that is a value."""
    return outputs(kind, [dtype], *inputs, **attributes)[0]


def outputs(kind: str, dtypes: Sequence[DTypeLike | None], *inputs: Operand, **attributes: Any) -> list[Value]:
    """The outputs of a node that has several."""
    values = [given for given in inputs if isinstance(given, Value)]
    graph = max((value.graph for value in values), key=lambda graph: graph.depth)
    names = []
    for given in inputs:
        if not isinstance(given, Value):
            given = graph.constant(given if isinstance(given, np.ndarray) else np.array(given, values[0].dtype))
        names.append(given.name)
    found = [Value(graph, graph.new_name(kind), np.dtype(dtype or values[0].dtype)) for dtype in dtypes]
    graph.nodes.append(helper.make_node(kind, names, [value.name for value in found], found[0].name, **attributes))
    return found


def vector(parts: Sequence[Operand]) -> Value:
    """(N,) of scalars, of which one at least is a value; the numbers among them are int64."""
    rows = (part.expanded(0) if isinstance(part, Value) else np.array([part], np.int64) for part in parts)
    return apply("Concat", *rows, axis=0)


def counted(count: Value) -> Value:
    """0, 1, ... up to a scalar, (N,) int64."""
    return apply("Range", np.array(0, np.int64), count, np.array(1, np.int64))


def least(first: Value, second: Operand) -> Value:
    return apply("Min", first, second)


def most(first: Value, second: Operand) -> Value:
    return apply("Max", first, second)


def where(condition: Value, first: Value, second: Operand) -> Value:
    second = second if isinstance(second, Value) else np.asarray(second, first.dtype)
    return apply("Where", condition, first, second, dtype=first.dtype)


def ordered(by: Value, count: Value | None = None) -> Value:
    """The indices of the highest of (N,) values, from the highest on, all of them by default; of equal ones the first
    is first."""
    number = by.side(0) if count is None else count
    return outputs("TopK", [None, np.int64], by, number.expanded(0), axis=0, largest=1, sorted=1)[1]


def for_each(count: Value, body: Callable[[Value], Value], shape: Sequence[int]) -> Value:
    """What the body makes of 0, 1, ... stacked. shape: of what it makes each time."""
    inner = Graph(count.graph)
    number, goes_on = inner.new_name("number"), inner.new_name("goes_on")
    made = body(inner.named(number, np.int64))
    still = apply("Identity", inner.named(goes_on, bool))
    loop_body = helper.make_graph(
        inner.nodes,
        inner.new_name("body"),
        [described(number, np.int64, []), described(goes_on, bool, [])],
        [described(still.name, bool, []), described(made.name, made.dtype, shape)],
    )
    return apply("Loop", count, np.array(True), dtype=made.dtype, body=loop_body)


def until_it_stays(start: Value, body: Callable[[Value], Value], most_turns: Value) -> Value:
    """(N,) float32 values on which the body is used again and again, until it changes nothing."""
    inner = Graph(start.graph)
    number, goes_on, before = (inner.new_name(kind) for kind in ("number", "goes_on", "before"))
    old = inner.named(before, start.dtype)
    new = body(old)
    changed = apply("ReduceMax", apply("Abs", new - old), keepdims=0) > 0
    loop_body = helper.make_graph(
        inner.nodes,
        inner.new_name("body"),
        [described(number, np.int64, []), described(goes_on, bool, []), described(before, start.dtype, [None])],
        [described(changed.name, bool, []), described(new.name, new.dtype, [None])],
    )
    return apply("Loop", most_turns, np.array(True), start, dtype=start.dtype, body=loop_body)


def described(name: str, dtype: DTypeLike, shape: Sequence[int | str | None]) -> onnx.ValueInfoProto:
    """An input or output of a graph. shape: None or a name for a side that is not fixed."""
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
