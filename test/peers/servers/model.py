"""The model in the box, as somebody who serves it in Python writes it: Pillow, NumPy and onnxruntime."""

import io
import os

import numpy as np
import onnxruntime
from PIL import Image

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../src/onnx/bundled")
names = ["background", "particle", "scratch", "stain", "fiber", "pit"]

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(
    os.path.join(folder, "onnx/model.onnx"), options, providers=["CPUExecutionProvider"]
)


def infer(pixel_values):
    """[batch, 3, height, width] to logits [batch, 6, height / 4, width / 4], both float32."""
    return session.run(["logits"], {"pixel_values": pixel_values})[0]


def prepare(image):
    resized = image.convert("RGB").resize((512, 512), Image.Resampling.BILINEAR)
    scaled = np.asarray(resized, np.float32) * np.float32(1 / 255)
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    std = np.array([0.229, 0.224, 0.225], np.float32)
    return ((scaled - mean) / std).transpose(2, 0, 1)[None]


def neighbours(size, target):
    at = np.maximum((np.arange(target) + 0.5) * (size / target) - 0.5, 0)
    low = np.minimum(np.floor(at).astype(int), size - 1)
    return low, np.minimum(low + 1, size - 1), at - low


def enlarge(logits, height, width):
    """Bilinear, align_corners=False."""
    wide = logits.astype(np.float64)
    top, bottom, wy = neighbours(logits.shape[1], height)
    wy = wy[None, :, None]
    columns = (1 - wy) * wide[:, top] + wy * wide[:, bottom]
    left, right, wx = neighbours(logits.shape[2], width)
    return (1 - wx) * columns[:, :, left] + wx * columns[:, :, right]


def segment(image):
    """The label map of a picture of Pillow's: uint8 [height, width]."""
    logits = infer(prepare(image))[0]
    return enlarge(logits, image.height, image.width).argmax(0).astype(np.uint8)


def opened(data):
    return Image.open(io.BytesIO(data))


def png(labels):
    out = io.BytesIO()
    Image.fromarray(labels).save(out, "PNG")
    return out.getvalue()
