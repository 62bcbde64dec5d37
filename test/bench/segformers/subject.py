"""The subjects of `segformers.ts` that run in Python: `onnxruntime` with Pillow and NumPy, and `transformers` on torch."""

import json
import os
import sys
import time

import numpy as np
from PIL import Image

told = json.loads(sys.argv[1])
FILES = {"fp32": "model", "fp16": "model_fp16", "q8": "model_quantized"}


def labels_of(logits, height, width):
    """Bilinear with align_corners=False, as Pillow enlarges, then the largest: a class at a time, so that memory stays bounded."""
    labels = np.zeros((height, width), np.uint8)
    best = None
    for k, plane in enumerate(logits):
        values = np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        if best is None:
            best = values.copy()
            continue
        labels[values > best] = k
        np.maximum(best, values, out=best)
    return labels


def onnxruntime():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = told["threads"]
    options.log_severity_level = 3
    file = os.path.join(told["model"], "onnx", f"{FILES[told['precision']]}.onnx")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    with open(os.path.join(told["model"], "preprocessor_config.json"), encoding="utf-8") as config:
        settings = json.load(config)
    mean, std = (np.array(settings[name], np.float32) for name in ("image_mean", "image_std"))
    size = (settings["size"]["width"], settings["size"]["height"])

    def segment(file):
        image = Image.open(file).convert("RGB")
        pixels = np.asarray(image.resize(size, Image.Resampling(settings["resample"])), np.float32)
        pixels = (pixels * np.float32(settings["rescale_factor"]) - mean) / std
        logits = session.run(["logits"], {"pixel_values": np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])})[0][0]
        return labels_of(logits, image.height, image.width)

    return segment


def torch():
    import torch
    from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.set_num_threads(told["threads"])
    processor = SegformerImageProcessor.from_pretrained(told["model"])
    model = SegformerForSemanticSegmentation.from_pretrained(told["model"]).eval()

    def segment(file):
        image = Image.open(file).convert("RGB")
        with torch.inference_mode():
            outputs = model(**processor(images=image, return_tensors="pt"))
            found = processor.post_process_semantic_segmentation(outputs, target_sizes=[(image.height, image.width)])
        return found[0].numpy().astype(np.uint8)

    return segment


segment = {"onnxruntime": onnxruntime, "torch": torch}[told["kind"]]()
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    each = []
    started = time.perf_counter()
    while True:
        before = time.perf_counter()
        found = segment(asked["picture"])
        now = time.perf_counter()
        each.append((now - before) * 1000)
        if len(each) >= asked["most"] or (now - started) * 1000 >= asked["milliseconds"]:
            break
    took = (time.perf_counter() - started) * 1000
    if asked.get("labels") is not None:
        found.tofile(asked["labels"])
    print(json.dumps({"milliseconds": took, "count": len(each), "each": each}), flush=True)
