"""How well a model does on pictures it has never seen, measured as users of the model meet it: every picture is resized
to 512 x 512, the logits are resized to the picture's own size, and the class with the largest one wins.

    evaluate.py WEIGHTS HELDOUT [EXPECTED]     prints a table; writes it as JSON for the tests of the library
"""
import glob
import json
import sys

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from model import CLASSES, SegFormer

SIZE = 512
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def normalize(pictures):
    """uint8 [batch, height, width, 3] to the model's input"""
    return (pictures.permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


def predict(model, picture):
    """The label map of a PIL picture."""
    small = torch.from_numpy(np.array(picture.convert("RGB").resize((SIZE, SIZE), Image.BILINEAR)))
    with torch.no_grad():
        logits = model(normalize(small[None]))
    size = (picture.height, picture.width)
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)[0].argmax(0).numpy()


def confusion(truth, guess):
    """Pixels by true class (rows) and predicted class (columns)."""
    n = len(CLASSES)
    return np.bincount(truth.reshape(-1).astype(np.int64) * n + guess.reshape(-1), minlength=n * n).reshape(n, n)


def scores(matrix):
    """IoU per class and their mean, over the pixels of all pictures at once."""
    hit = np.diag(matrix).astype(float)
    iou = hit / np.maximum(matrix.sum(0) + matrix.sum(1) - hit, 1)
    return {
        "miou": iou.mean(),
        "pixelAccuracy": hit.sum() / matrix.sum(),
        "iou": dict(zip(CLASSES, iou)),
        "precision": dict(zip(CLASSES, hit / np.maximum(matrix.sum(0), 1))),
        "recall": dict(zip(CLASSES, hit / np.maximum(matrix.sum(1), 1))),
    }


def evaluate(model, folder):
    matrix = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    for path in sorted(glob.glob(f"{folder}/*.labels.png")):
        picture = Image.open(path.replace(".labels.png", ".jpg"))
        matrix += confusion(np.asarray(Image.open(path)), predict(model, picture))
    return matrix


def load(path):
    model = SegFormer()
    model.load_state_dict(torch.load(path))
    return model.eval()


def main(weights, folder, expected=None):
    matrix = evaluate(load(weights), folder)
    result = scores(matrix)
    print("| class | IoU | precision | recall |\n|---|---|---|---|")
    for name in CLASSES:
        print(f"| {name} | " + " | ".join(f"{result[k][name]:.3f}" for k in ("iou", "precision", "recall")) + " |")
    print(f"\nmIoU {result['miou']:.4f}, pixel accuracy {result['pixelAccuracy']:.4f}")
    if expected:
        rounded = json.loads(json.dumps(result), parse_float=lambda x: round(float(x), 4))
        pictures = len(glob.glob(f"{folder}/*.labels.png"))
        with open(expected, "w") as file:
            json.dump({"pictures": pictures, "classes": CLASSES, **rounded, "confusion": matrix.tolist()}, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
