"""Graphs of the fleet models: what each answers is known, and what it costs or breaks is real."""

import numpy as np
from onnx import ModelProto, TensorProto

from models.onnx_graph import Graph

FLOAT, INTEGER = TensorProto.FLOAT, TensorProto.INT64
WIDTH, LAYERS = 1024, 60
"""Of the heavier model: about 20 ms for a batch of 16, on one core of a laptop."""


def linear(factor: float, addend: float) -> ModelProto:
    """Give y = factor · x + addend, which takes microseconds."""
    graph = Graph()
    product = graph.node("Mul", "x", graph.constant(np.float32(factor).reshape(1)))
    y = graph.node("Add", product, graph.constant(np.float32(addend).reshape(1)))
    rows = ["rows", 2]
    return graph.model("linear", [("x", FLOAT, rows)], [(y, ("y", FLOAT, rows))])


def laborious(factor: float, layers: int = LAYERS, width: int = WIDTH) -> ModelProto:
    """Give y = factor · x, after work on x that adds nothing to it."""
    graph = Graph(seed=1)
    weight = graph.weight(width, width)
    hidden = graph.node("MatMul", "x", graph.weight(2, width))
    for _ in range(layers):
        hidden = graph.node("Tanh", graph.node("MatMul", hidden, weight))
    mean = graph.node("ReduceMean", hidden, graph.constant(np.array([1])), keepdims=1)
    nothing = graph.node("Mul", mean, graph.constant(np.zeros(1, np.float32)))
    product = graph.node("Mul", "x", graph.constant(np.float32(factor).reshape(1)))
    y = graph.node("Add", product, nothing)
    rows = ["rows", 2]
    return graph.model("laborious", [("x", FLOAT, rows)], [(y, ("y", FLOAT, rows))])


def patient(width: int = 256) -> ModelProto:
    """Give y = x after as many turns of a loop as the largest x says, in thousands: 4 ms each."""
    graph = Graph(seed=2)
    weight = graph.weight(width, width)
    body = graph.body()
    turned = body.node("Tanh", body.node("MatMul", "state", weight))
    rows = ["rows", width]
    turn = body.proto(
        "turn",
        [("number", INTEGER, []), ("going", TensorProto.BOOL, []), ("state", FLOAT, rows)],
        [("going", ("on", TensorProto.BOOL, [])), (turned, ("next_state", FLOAT, rows))],
    )
    largest = graph.node("ReduceMax", "x", keepdims=0)
    thousands = graph.node("Mul", largest, graph.constant(np.array(1000, np.float32)))
    turns = graph.node("Cast", thousands, to=INTEGER)
    start = graph.node("MatMul", "x", graph.weight(2, width))
    last = graph.node("Loop", turns, "", start, body=turn)
    mean = graph.node("ReduceMean", last, graph.constant(np.array([1])), keepdims=1)
    nothing = graph.node("Mul", mean, graph.constant(np.zeros(1, np.float32)))
    y = graph.node("Add", "x", nothing)
    rows = ["rows", 2]
    return graph.model("patient", [("x", FLOAT, rows)], [(y, ("y", FLOAT, rows))])


def unlucky(addend: float) -> ModelProto:
    """Give y = x + addend, but fail on a multiple of 4: its index is out of bounds."""
    graph = Graph()
    four, nothing = (graph.constant(np.array([value], np.float32)) for value in (4, 0))
    rest = graph.node("ReduceMin", graph.node("Mod", "x", four, fmod=1), keepdims=0)
    index = graph.node("Cast", graph.node("Equal", rest, nothing), to=INTEGER)
    zero = graph.node("Gather", graph.constant(np.zeros(1, np.float32)), index)
    total = graph.node("Add", "x", graph.constant(np.float32(addend).reshape(1)))
    y = graph.node("Add", total, zero)
    rows = ["rows", 2]
    return graph.model("unlucky", [("x", FLOAT, rows)], [(y, ("y", FLOAT, rows))])


def fragile() -> ModelProto:
    """Give y = x / d of whole numbers, as the processor divides them.

    The runtime refuses a zero. What it lets through is the one quotient that does not fit, the
    least number by -1: on x86 that is a trap, and kills the process.
    """
    graph = Graph()
    y = graph.node("Div", "x", "d")
    rows = ["rows"]
    inputs = [("x", INTEGER, rows), ("d", INTEGER, rows)]
    return graph.model("fragile", inputs, [(y, ("y", INTEGER, rows))])


def mended() -> ModelProto:
    """Give what ``fragile`` gives, and a number for every other question too."""
    graph = Graph()
    x, d = (graph.node("Cast", name, to=TensorProto.DOUBLE) for name in ("x", "d"))
    limit = graph.constant(np.float64(2**62).reshape(1))
    least = graph.node("Neg", limit)
    bounded = graph.node("Max", graph.node("Min", graph.node("Div", x, d), limit), least)
    y = graph.node("Cast", bounded, to=INTEGER)
    rows = ["rows"]
    inputs = [("x", INTEGER, rows), ("d", INTEGER, rows)]
    return graph.model("mended", inputs, [(y, ("y", INTEGER, rows))])
