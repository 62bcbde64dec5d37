"""Makes a SegFormer as published, with random weights, in the forms that a folder of the Hub has it in.

    python make.py b0 FOLDER

The architecture and its sizes are those of `nvidia/segformer-b0-finetuned-ade-512-512` and its like (Xie and others,
2021): 150 classes, pictures of 512 x 512. The graph is written operator by operator as torch's exporter does it, so that
no torch is needed. `model.safetensors` holds the same weights by the names that `transformers` gives them.
"""

import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from safetensors.numpy import save_file

SIZES = {
    "b0": ([32, 64, 160, 256], [2, 2, 2, 2], 256),
    "b1": ([64, 128, 320, 512], [2, 2, 2, 2], 256),
    "b2": ([64, 128, 320, 512], [3, 4, 6, 3], 768),
}
HEADS = [1, 2, 5, 8]
REDUCTIONS = [8, 4, 2, 1]
PATCHES = [7, 3, 3, 3]
STRIDES = [4, 2, 2, 2]
CLASSES = 150


class Graph:
    """Nodes in their order, and weights drawn as they are named."""

    def __init__(self):
        self.nodes = []
        self.weights = {}
        self.published = {}
        self.random = np.random.default_rng(2021)

    def add(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array):
        name = f"constant_{len(self.weights)}"
        self.weights[name] = np.asarray(array)
        return name

    def drawn(self, name, *shape):
        """Of a variance that keeps that of what goes through, so that no layer's answer is one number throughout."""
        spread = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        return self.put(name, (self.random.standard_normal(shape) * spread).astype(np.float32))

    def put(self, name, array):
        self.published[name] = array
        return array

    def convolution(self, name, x, into, out, kernel, stride=1, pad=0, group=1, bias=True):
        self.weights[f"{name}.weight"] = self.drawn(f"{name}.weight", out, into // group, kernel, kernel)
        inputs = [x, f"{name}.weight"]
        if bias:
            self.weights[f"{name}.bias"] = self.drawn(f"{name}.bias", out)
            inputs.append(f"{name}.bias")
        sides = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "group": group}
        return self.add("Conv", *inputs, **sides)

    def linear(self, name, x, into, out):
        self.weights[f"{name}.weight"] = np.ascontiguousarray(self.drawn(f"{name}.weight", out, into).T)
        self.weights[f"{name}.bias"] = self.drawn(f"{name}.bias", out)
        return self.add("Add", f"{name}.bias", self.add("MatMul", x, f"{name}.weight"))

    def norm(self, name, x, channels, epsilon=1e-5):
        self.weights[f"{name}.weight"] = self.put(f"{name}.weight", np.ones(channels, np.float32))
        self.weights[f"{name}.bias"] = self.put(f"{name}.bias", np.zeros(channels, np.float32))
        return self.add("LayerNormalization", x, f"{name}.weight", f"{name}.bias", axis=-1, epsilon=epsilon)

    def gelu(self, x):
        erf = self.add("Erf", self.add("Div", x, self.constant(np.float32(np.sqrt(2)))))
        half = self.add("Mul", x, self.add("Add", erf, self.constant(np.float32(1))))
        return self.add("Mul", half, self.constant(np.float32(0.5)))

    def numbers(self, *values):
        return self.constant(np.array(values, np.int64))

    def sides(self, x):
        """Height and width of [batch, channels, height, width]."""
        return self.add("Slice", self.add("Shape", x), self.numbers(2), self.numbers(4))

    def flat(self, x, channels):
        """[batch, channels, height, width] to [batch, positions, channels]."""
        return self.add("Transpose", self.add("Reshape", x, self.numbers(0, channels, -1)), perm=[0, 2, 1])

    def plane(self, x, channels, sides):
        """The way back."""
        shape = self.add("Concat", self.numbers(0, channels), sides, axis=0)
        return self.add("Reshape", self.add("Transpose", x, perm=[0, 2, 1]), shape)


def attention(graph, name, x, sides, channels, heads, reduction):
    each = channels // heads

    def split(y, perm):
        return graph.add("Transpose", graph.add("Reshape", y, graph.numbers(0, -1, heads, each)), perm=perm)

    query = split(graph.linear(f"{name}.self.query", x, channels, channels), [0, 2, 1, 3])
    source = x
    if reduction > 1:
        smaller = graph.convolution(
            f"{name}.self.sr", graph.plane(x, channels, sides), channels, channels, reduction, reduction
        )
        source = graph.norm(f"{name}.self.layer_norm", graph.flat(smaller, channels), channels)
    key = split(graph.linear(f"{name}.self.key", source, channels, channels), [0, 2, 3, 1])
    value = split(graph.linear(f"{name}.self.value", source, channels, channels), [0, 2, 1, 3])
    scores = graph.add("Div", graph.add("MatMul", query, key), graph.constant(np.float32(np.sqrt(each))))
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
    joined = graph.add("Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), graph.numbers(0, -1, channels))
    return graph.linear(f"{name}.output.dense", joined, channels, channels)


def mixed(graph, name, x, sides, channels):
    wide = channels * 4
    hidden = graph.plane(graph.linear(f"{name}.dense1", x, channels, wide), wide, sides)
    hidden = graph.convolution(f"{name}.dwconv.dwconv", hidden, wide, wide, 3, pad=1, group=wide)
    return graph.linear(f"{name}.dense2", graph.gelu(graph.flat(hidden, wide)), wide, channels)


def segformer(size):
    hidden, depths, decoder = SIZES[size]
    graph = Graph()
    encoder = "segformer.encoder"
    x = "pixel_values"
    into = 3
    stages = []
    for i, channels in enumerate(hidden):
        patch = f"{encoder}.patch_embeddings.{i}"
        x = graph.convolution(f"{patch}.proj", x, into, channels, PATCHES[i], STRIDES[i], PATCHES[i] // 2)
        sides = graph.sides(x)
        x = graph.norm(f"{patch}.layer_norm", graph.flat(x, channels), channels)
        for j in range(depths[i]):
            block = f"{encoder}.block.{i}.{j}"
            normal = graph.norm(f"{block}.layer_norm_1", x, channels)
            x = graph.add(
                "Add", attention(graph, f"{block}.attention", normal, sides, channels, HEADS[i], REDUCTIONS[i]), x
            )
            normal = graph.norm(f"{block}.layer_norm_2", x, channels)
            x = graph.add("Add", mixed(graph, f"{block}.mlp", normal, sides, channels), x)
        x = graph.plane(graph.norm(f"{encoder}.layer_norm.{i}", x, channels), channels, sides)
        stages.append((x, sides, channels))
        into = channels
    wanted = stages[0][1]
    planes = []
    for i, (x, sides, channels) in enumerate(stages):
        name = f"decode_head.linear_c.{i}.proj"
        x = graph.plane(graph.linear(name, graph.flat(x, channels), channels, decoder), decoder, sides)
        shape = graph.add("Concat", graph.add("Slice", graph.add("Shape", x), graph.numbers(0), graph.numbers(2)), wanted, axis=0)
        way = {"mode": "linear", "coordinate_transformation_mode": "half_pixel", "nearest_mode": "floor"}
        planes.insert(0, graph.add("Resize", x, "", "", shape, **way))
    fused = graph.convolution(
        "decode_head.linear_fuse", graph.add("Concat", *planes, axis=1), decoder * 4, decoder, 1, bias=False
    )
    batch = "decode_head.batch_norm"
    for part, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        graph.weights[f"{batch}.{part}"] = graph.put(f"{batch}.{part}", np.full(decoder, value, np.float32))
    parts = [f"{batch}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    x = graph.add("Relu", graph.add("BatchNormalization", fused, *parts, epsilon=1e-5))
    x = graph.convolution("decode_head.classifier", x, decoder, CLASSES, 1)
    graph.nodes[-1].output[0] = "logits"
    return graph


def config(size):
    hidden, depths, decoder = SIZES[size]
    names = {str(i): f"class {i}" for i in range(CLASSES)}
    return {
        "model_type": "segformer",
        "architectures": ["SegformerForSemanticSegmentation"],
        "num_channels": 3,
        "num_encoder_blocks": 4,
        "depths": depths,
        "sr_ratios": REDUCTIONS,
        "hidden_sizes": hidden,
        "patch_sizes": PATCHES,
        "strides": STRIDES,
        "num_attention_heads": HEADS,
        "mlp_ratios": [4, 4, 4, 4],
        "decoder_hidden_size": decoder,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "reshape_last_stage": True,
        "semantic_loss_ignore_index": 255,
        "id2label": names,
        "label2id": {name: int(i) for i, name in names.items()},
        "torch_dtype": "float32",
    }


PREPROCESSOR = {
    "image_processor_type": "SegformerImageProcessor",
    "feature_extractor_type": "SegformerFeatureExtractor",
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "do_reduce_labels": False,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 2,
    "rescale_factor": 1 / 255,
    "size": {"height": 512, "width": 512},
}


def main(size, folder):
    graph = segformer(size)
    weights = [numpy_helper.from_array(array, name) for name, array in graph.weights.items()]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"segformer_{size}",
            [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES, "rows", "columns"])],
            weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    at = os.path.join(folder, "onnx")
    os.makedirs(at, exist_ok=True)
    onnx.save(model, os.path.join(at, "model.onnx"))
    quantize_dynamic(
        os.path.join(at, "model.onnx"), os.path.join(at, "model_quantized.onnx"), weight_type=QuantType.QUInt8
    )
    onnx.save(convert_float_to_float16(model, keep_io_types=True), os.path.join(at, "model_fp16.onnx"))
    save_file(graph.published, os.path.join(folder, "model.safetensors"), {"format": "pt"})
    for name, value in (("config.json", config(size)), ("preprocessor_config.json", PREPROCESSOR)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
    print(json.dumps({"parameters": int(sum(array.size for array in graph.published.values()))}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
