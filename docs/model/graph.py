"""The folded model (`export.py`) as an ONNX graph, an operation for an operation that runs.

An exporter traces the program of `model.py` and writes what it finds: a thousand nodes, most of which compute shapes, and
transposes wherever a layer of tokens meets one of maps. Here each layer has the layout that costs least. The wide layers
of the Mix-FFN are 1x1 convolutions of the map, the decode head keeps channels last, where bilinear upsampling has the
four weights of a place once for all channels.
"""
import math

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from model import CONFIG

EPSILON = 1e-5


class Graph:
    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def constant(self, name, value):
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def weight(self, name, change=lambda value: value):
        return self.constant(name, change(self.weights[name]))

    def whole(self, *numbers):
        """A list of whole numbers: a shape (0 keeps what is there, -1 takes the rest), or where to cut."""
        return self.constant("_".join(["int64", *map(str, numbers)]), np.array(numbers, np.int64))

    def number(self, value):
        return self.constant(f"float_{value:.6g}", np.float32(value))

    def add(self, operation, *inputs, output=None, **attributes):
        output = output or f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], output, **attributes))
        return output

    # Layers, by the names of their weights.

    def conv(self, x, name, **attributes):
        return self.add("Conv", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), **attributes)

    def pointwise(self, x, name):
        """A dense layer at every place of a map."""
        weight = self.weight(f"{name}.weight", lambda value: value[:, :, None, None])
        return self.add("Conv", x, weight, self.weight(f"{name}.bias"))

    def dense(self, x, name):
        """A dense layer, or a 1x1 convolution, where channels are last."""
        weight = self.weight(f"{name}.weight", lambda value: value.reshape(value.shape[:2]).T)
        return self.add("Add", self.add("MatMul", x, weight), self.weight(f"{name}.bias"))

    def norm(self, x, name):
        weights = (self.weight(f"{name}.weight"), self.weight(f"{name}.bias"))
        return self.add("LayerNormalization", x, *weights, axis=-1, epsilon=EPSILON)

    def gelu(self, x):
        inner = self.add("Erf", self.add("Div", x, self.number(math.sqrt(2))))
        return self.add("Mul", self.add("Mul", x, self.add("Add", inner, self.number(1))), self.number(0.5))

    # Layouts: a map is [batch, channels, height, width], tokens are [batch, height * width, channels].

    def to_tokens(self, x):
        return self.add("Transpose", self.add("Reshape", x, self.whole(0, 0, -1)), perm=[0, 2, 1])

    def to_map(self, tokens, shape):
        return self.add("Reshape", self.add("Transpose", tokens, perm=[0, 2, 1]), shape)

    def heads(self, x, heads, dim, perm):
        split = self.add("Reshape", x, self.whole(0, 0, heads, dim // heads))
        return self.add("Transpose", split, perm=perm)

    # What model.py has as modules.

    def attention(self, x, name, shape, i):
        heads, sr, dim = (CONFIG[key][i] for key in ("num_attention_heads", "sr_ratios", "hidden_sizes"))
        source = x
        if sr > 1:
            reduced = self.conv(self.to_map(x, shape), f"{name}.reduce", strides=[sr, sr])
            source = self.norm(self.to_tokens(reduced), f"{name}.norm")
        q, k, v = self.dense(x, f"{name}.query"), self.dense(source, f"{name}.key"), self.dense(source, f"{name}.value")
        if heads == 1:
            k = self.add("Transpose", k, perm=[0, 2, 1])
        else:
            q, v = (self.heads(each, heads, dim, [0, 2, 1, 3]) for each in (q, v))
            k = self.heads(k, heads, dim, [0, 2, 3, 1])
        mixed = self.add("MatMul", self.add("Softmax", self.add("MatMul", q, k), axis=-1), v)
        if heads > 1:
            mixed = self.add("Reshape", self.add("Transpose", mixed, perm=[0, 2, 1, 3]), self.whole(0, 0, dim))
        return self.dense(mixed, f"{name}.out")

    def mix_ffn(self, x, name, shape):
        wide = self.pointwise(self.to_map(x, shape), f"{name}.dense1")
        channels = len(self.weights[f"{name}.depthwise.bias"])
        wide = self.gelu(self.conv(wide, f"{name}.depthwise", group=channels, pads=[1] * 4))
        return self.to_tokens(self.pointwise(wide, f"{name}.dense2"))

    def stage(self, x, i):
        """The tokens of a stage, and the shape of its map."""
        stride, patch = CONFIG["strides"][i], CONFIG["patch_sizes"][i]
        embedded = self.conv(x, f"stages.{i}.embed.proj", strides=[stride, stride], pads=[patch // 2] * 4)
        shape = self.add("Shape", embedded)
        tokens = self.norm(self.to_tokens(embedded), f"stages.{i}.embed.norm")
        for j in range(CONFIG["depths"][i]):
            block = f"stages.{i}.blocks.{j}"
            normed = self.norm(tokens, f"{block}.norm1")
            tokens = self.add("Add", tokens, self.attention(normed, f"{block}.attention", shape, i))
            normed = self.norm(tokens, f"{block}.norm2")
            tokens = self.add("Add", tokens, self.mix_ffn(normed, f"{block}.ffn", shape))
        return self.norm(tokens, f"stages.{i}.norm"), shape

    def head(self, stages):
        """Logits, from the tokens and the shape of each stage."""
        total = size = None
        for i, (tokens, shape) in enumerate(stages):
            batch = self.add("Slice", shape, self.whole(0), self.whole(1))
            sides = self.add("Slice", shape, self.whole(2), self.whole(4))
            own = self.add("Concat", batch, sides, self.whole(CONFIG["decoder_hidden_size"]), axis=0)
            x = self.add("Reshape", self.dense(tokens, f"head.project.{i}"), own)
            if i == 0:
                total, size = x, own
            else:
                half_pixel = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
                total = self.add("Add", total, self.add("Resize", x, "", "", size, **half_pixel))
        logits = self.dense(self.add("Relu", total), "head.classifier")
        self.add("Transpose", logits, output="logits", perm=[0, 3, 1, 2])


def build(weights):
    """`weights` by their names in model.py, as arrays."""
    graph = Graph(weights)
    x, stages = "pixel_values", []
    for i in range(CONFIG["num_encoder_blocks"]):
        if i > 0:
            x = graph.to_map(*stages[-1])
        stages.append(graph.stage(x, i))
    graph.head(stages)
    classes = len(weights["head.classifier.bias"])
    value = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "segformer",
            [value("pixel_values", TensorProto.FLOAT, ["batch", CONFIG["num_channels"], "height", "width"])],
            [value("logits", TensorProto.FLOAT, ["batch", classes, "height/4", "width/4"])],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name="effect-segformer",
    )
    checker.check_model(model, full_check=True)
    return model
