"""A network in the shape of ResNet-50, its weights random and seeded: it predicts nothing."""

import numpy as np
from onnx import ModelProto, TensorProto

from models.onnx_graph import Graph

CLASSES = 1000


def resnet50(seed: int = 0) -> ModelProto:
    """Give a ResNet-50 (He et al., 2016) as exporters write it, batch norms unfolded: 102 MB."""
    graph = Graph(seed)

    def convolution(x: str, channels: int, into: int, kernel: int, stride: int = 1) -> str:
        pad = kernel // 2
        weights = graph.weight(into, channels, kernel, kernel)
        y = graph.node(
            "Conv", x, weights, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4
        )
        ones, zeros = np.ones(into, np.float32), np.zeros(into, np.float32)
        norm = [graph.constant(array) for array in (ones, zeros, zeros, ones)]
        return graph.node("BatchNormalization", y, *norm)

    x = graph.node("Relu", convolution("image", 3, 64, 7, 2))
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            y = graph.node("Relu", convolution(x, channels, width, 1))
            y = graph.node("Relu", convolution(y, width, width, 3, stride))
            y = convolution(y, width, width * 4, 1)
            if block == 0:
                x = convolution(x, channels, width * 4, 1, stride)
            channels = width * 4
            x = graph.node("Relu", graph.node("Add", x, y))
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    x = graph.node("Gemm", x, graph.weight(CLASSES, 2048), graph.weight(CLASSES), transB=1)
    return graph.model(
        "resnet50",
        [("image", TensorProto.FLOAT, ["batch", 3, 224, 224])],
        [(x, ("logits", TensorProto.FLOAT, ["batch", CLASSES]))],
    )
