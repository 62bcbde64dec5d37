"""Writes trained weights as a model folder in the layout that Hugging Face publishes.

    export.py WEIGHTS FOLDER

Dropout is off, BatchNorm becomes part of the convolutions before it, and so does everything else in the head that is
linear and follows something linear; the scale of attention goes into the queries. The file computes the same numbers
with fewer operations.
"""
import json
import os
import sys

import onnx
import torch
from torch import nn

from evaluate import MEAN, SIZE, STD, load
from graph import build
from model import CLASSES, CONFIG, Attention

PREPROCESSOR = {
    "image_processor_type": "SegformerImageProcessor",
    "feature_extractor_type": "SegformerFeatureExtractor",
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "do_reduce_labels": False,
    "image_mean": [round(v, 3) for v in MEAN.flatten().tolist()],
    "image_std": [round(v, 3) for v in STD.flatten().tolist()],
    "resample": 2,
    "rescale_factor": 1 / 255,
    "size": {"height": SIZE, "width": SIZE},
}


@torch.no_grad()
def fold(model):
    head, norm = model.head, model.head.norm
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    for i, (project, fuse) in enumerate(zip(head.project, head.fuse)):
        mix = gain[:, None] * fuse.weight[:, :, 0, 0]
        weight = (mix @ project.weight[:, :, 0, 0])[:, :, None, None]
        bias = mix @ project.bias
        if i == 0:  # the four are added up, so one of them carries the constant
            bias = bias + norm.bias - norm.running_mean * gain
        project.weight, project.bias = nn.Parameter(weight), nn.Parameter(bias)
    head.fuse, head.norm = nn.ModuleList(nn.Identity() for _ in head.fuse), nn.Identity()
    for module in model.modules():
        if isinstance(module, Attention):
            module.query.weight *= module.scale
            module.query.bias *= module.scale
            module.scale = 1


def main(weights, folder):
    model = load(weights)
    picture = torch.randn(2, 3, 96, 160)
    before = model(picture)
    fold(model)
    print("folding changed the logits by", (model(picture) - before).abs().max().item())
    os.makedirs(f"{folder}/onnx", exist_ok=True)
    path = f"{folder}/onnx/model.onnx"
    onnx.save(build({name: value.numpy() for name, value in model.state_dict().items()}), path)
    names = dict(enumerate(CLASSES))
    config = {
        "model_type": "segformer",
        "architectures": ["SegformerForSemanticSegmentation"],
        **CONFIG,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout_prob": 0.05,
        "drop_path_rate": 0.0,
        "layer_norm_eps": 1e-5,
        "initializer_range": 0.02,
        "image_size": SIZE,
        "reshape_last_stage": True,
        "semantic_loss_ignore_index": 255,
        "id2label": names,
        "label2id": {name: i for i, name in names.items()},
        "torch_dtype": "float32",
    }
    for name, value in (("config", config), ("preprocessor_config", PREPROCESSOR)):
        with open(f"{folder}/{name}.json", "w") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
    print(os.path.getsize(path), "bytes", sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main(*sys.argv[1:])
