"""The folded model (`export.py`) as an ONNX graph, an operation for an operation that runs.

An exporter traces the program of `model.py` and writes what it finds: a thousand nodes, most of which compute shapes, and
transposes wherever a layer of tokens meets one of maps. Here everything is a map, [batch, channels, height, width], in
which a dense layer is a 1x1 convolution; the decode head alone keeps channels last, where bilinear upsampling has the four
weights of a place once for all channels.

LayerNorm takes the mean from what it reads, scales it, and gives each channel its gain and shift. The mean: every layer whose
output is normalised, or added to what is, writes outputs without one. Gain and shift: they are in the weights of the layers that read
it. What is left is the scale.
"""
import math

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from model import CONFIG

EPSILON = 1e-5

# In how many parts a stage asks its queries. The scores of a part then stay in a processor's cache: at 512 x 512 pixels they
# are 2 MiB, where those of the first stage are 16. Rows of a power of two would meet in few places of a cache: so 9, and not 8.
PARTS = [9, 5, 1, 1]


def without_mean(weight, bias):
    """Of a layer: its outputs less their mean over channels."""
    return weight - weight.mean(0), bias - bias.mean()


class Graph:
    def __init__(self, weights):
        self.weights = {name: value.astype(np.float64) for name, value in weights.items()}
        self.nodes, self.constants = [], {}

    def constant(self, name, value):
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def real(self, name, value):
        return self.constant(name, np.asarray(value, np.float32))

    def whole(self, *numbers):
        """A list of whole numbers: a shape (0 keeps what is there, -1 takes the rest), or where to cut."""
        return self.constant("_".join(["int64", *map(str, numbers)]), np.array(numbers, np.int64))

    def number(self, value):
        return self.real(f"float_{value:.6g}", value)

    def add(self, operation, *inputs, output=None, **attributes):
        output = output or f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], output, **attributes))
        return output

    # Weight and bias of a layer, by its name.

    def layer(self, name):
        return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]

    def after(self, norm, name):
        """Of a layer that reads what `norm` gives, for what `norm` has scaled."""
        (weight, bias), (gain, shift) = self.layer(name), self.layer(norm)
        places = weight.reshape(*weight.shape[:2], -1).sum(2)
        return weight * gain.reshape(-1, *[1] * (weight.ndim - 2)), bias + places @ shift

    # Operations.

    def conv(self, x, name, layer, **attributes):
        """A convolution, or a dense layer at every place."""
        weight, bias = layer
        weight = weight.reshape(*weight.shape[:2], *(weight.shape[2:] or (1, 1)))
        return self.add("Conv", x, self.real(f"{name}.weight", weight), self.real(f"{name}.bias", bias), **attributes)

    def product(self, x, name, weight):
        return self.add("MatMul", x, self.real(f"{name}.weight", weight.reshape(weight.shape[:2]).T))

    def dense(self, x, name, layer):
        """A dense layer, or a 1x1 convolution, where channels are last."""
        weight, bias = layer
        return self.add("Add", self.product(x, name, weight), self.real(f"{name}.bias", bias))

    def scaled(self, x, channels):
        """LayerNorm of what has no mean, without gain and shift."""
        mean = np.full((1, channels), 1 / channels), np.array([EPSILON])
        return self.add("Div", x, self.add("Sqrt", self.conv(self.add("Mul", x, x), f"mean_{channels}", mean)))

    def gelu(self, x):
        inner = self.add("Erf", self.add("Div", x, self.number(math.sqrt(2))))
        return self.add("Mul", self.add("Mul", x, self.add("Add", inner, self.number(1))), self.number(0.5))

    def turned(self, x):
        """The last two sides of [batch, heads, a, b]."""
        return self.add("Transpose", x, perm=[0, 1, 3, 2])

    def tokens(self, x):
        """[batch, height * width, channels]"""
        return self.add("Transpose", self.add("Reshape", x, self.whole(0, 0, -1)), perm=[0, 2, 1])

    # What model.py has as modules.

    def attention(self, x, name, norm, shape, i):
        heads, sr, dim = (CONFIG[key][i] for key in ("num_attention_heads", "sr_ratios", "hidden_sizes"))
        source, source_norm = x, norm
        if sr > 1:
            reduce = without_mean(*self.after(norm, f"{name}.reduce"))
            source = self.scaled(self.conv(x, f"{name}.reduce", reduce, strides=[sr, sr]), dim)
            source_norm = f"{name}.norm"
        query, key = self.after(norm, f"{name}.query"), self.after(source_norm, f"{name}.key")
        value, out = self.after(source_norm, f"{name}.value"), without_mean(*self.layer(f"{name}.out"))
        if heads == 1:  # What a query mixes by adds up to 1: values can go through the layer `out` before that.
            value, out = (out[0] @ value[0], out[0] @ value[1] + out[1]), None
        split = self.whole(0, heads, dim // heads, -1)
        q = self.add("Reshape", self.conv(x, f"{name}.query", query), split)
        k = self.add("Reshape", self.conv(source, f"{name}.key", key), split)
        v = self.dense(self.tokens(source), f"{name}.value", value)
        v = self.add("Transpose", self.add("Reshape", v, self.whole(0, -1, heads, dim // heads)), perm=[0, 2, 1, 3])
        mixed = self.add("Reshape", self.turned(self.mixed(q, k, v, PARTS[i])), shape)
        return mixed if out is None else self.conv(mixed, f"{name}.out", out)

    def mixed(self, q, k, v, parts):
        def of(q):
            return self.add("MatMul", self.add("Softmax", self.add("MatMul", self.turned(q), k), axis=-1), v)

        if parts == 1:
            return of(q)
        count = self.add("Slice", self.add("Shape", q), self.whole(3), self.whole(4))
        bounds = self.add("Div", self.add("Mul", count, self.whole(*range(parts + 1))), self.whole(parts))
        cuts = [self.add("Slice", bounds, self.whole(j), self.whole(j + 1)) for j in range(parts + 1)]
        some = [of(self.add("Slice", q, *cut, self.whole(3))) for cut in zip(cuts, cuts[1:])]
        return self.add("Concat", *some, axis=2)

    def mix_ffn(self, x, name, norm):
        wide = self.conv(x, f"{name}.dense1", self.after(norm, f"{name}.dense1"))
        depthwise = self.layer(f"{name}.depthwise")
        wide = self.gelu(self.conv(wide, f"{name}.depthwise", depthwise, group=len(depthwise[1]), pads=[1] * 4))
        return self.conv(wide, f"{name}.dense2", without_mean(*self.layer(f"{name}.dense2")))

    def stage(self, x, i):
        """The map of a stage, and its shape."""
        stride, patch, dim = (CONFIG[key][i] for key in ("strides", "patch_sizes", "hidden_sizes"))
        name = f"stages.{i}.embed"
        embed = without_mean(*self.layer(f"{name}.proj"))
        x = self.conv(x, f"{name}.proj", embed, strides=[stride, stride], pads=[patch // 2] * 4)
        shape = self.add("Shape", x)
        gain, shift = self.layer(f"{name}.norm")
        x = self.conv(self.scaled(x, dim), f"{name}.norm", without_mean(np.diag(gain), shift))
        for j in range(CONFIG["depths"][i]):
            block = f"stages.{i}.blocks.{j}"
            mixed = self.attention(self.scaled(x, dim), f"{block}.attention", f"{block}.norm1", shape, i)
            x = self.add("Add", x, mixed)
            x = self.add("Add", x, self.mix_ffn(self.scaled(x, dim), f"{block}.ffn", f"{block}.norm2"))
        # Here the map has gain and shift: the next layer pads it with zeros.
        names = f"stages.{i}.norm.weight", f"stages.{i}.norm.bias"
        gain, shift = (self.real(name, self.weights[name][:, None, None]) for name in names)
        return self.add("Add", self.add("Mul", self.scaled(x, dim), gain), shift), shape

    def head(self, stages):
        """Logits, from the map of each stage and its shape."""
        total = size = None
        biases = sum(self.weights[f"head.project.{i}.bias"] for i in range(len(stages)))
        for i, (x, shape) in enumerate(stages):
            batch = self.add("Slice", shape, self.whole(0), self.whole(1))
            sides = self.add("Slice", shape, self.whole(2), self.whole(4))
            own = self.add("Concat", batch, sides, self.whole(CONFIG["decoder_hidden_size"]), axis=0)
            name = f"head.project.{i}"
            x = self.product(self.tokens(x), name, self.weights[f"{name}.weight"])
            if i == len(stages) - 1:  # The smallest map brings what all are to have: upsampling keeps what is the same everywhere.
                x = self.add("Add", x, self.real("head.project.bias", biases))
            x = self.add("Reshape", x, own)
            if i == 0:
                total, size = x, own
            else:
                half_pixel = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
                total = self.add("Add", total, self.add("Resize", x, "", "", size, **half_pixel))
        logits = self.dense(self.add("Relu", total), "head.classifier", self.layer("head.classifier"))
        self.add("Transpose", logits, output="logits", perm=[0, 3, 1, 2])


def build(weights):
    """`weights` by their names in model.py, as arrays."""
    graph = Graph(weights)
    x, stages = "pixel_values", []
    for i in range(CONFIG["num_encoder_blocks"]):
        stages.append(graph.stage(x, i))
        x, _ = stages[-1]
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
