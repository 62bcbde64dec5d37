"""What the scripts of clients share: what they are given, and how they say what came of a trial."""

import base64
import io
import json
import os
import sys
import traceback

import numpy as np
from PIL import Image

url, token, other_token, folder, text, large = sys.argv[1:7]

pictures = {name: os.path.join(folder, name) for name in sorted(os.listdir(folder))}
one = pictures["panel.png"]
names = ["background", "particle", "scratch", "stain", "fiber", "pit"]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def ids(png):
    """The pixels of a grey PNG."""
    return np.asarray(Image.open(io.BytesIO(png)))


def of_masks(found):
    """A label map of pairs of a class's name and its mask: each pixel is in one of them."""
    masks = {label: np.asarray(mask) for label, mask in found}
    whole = sum((mask == 255).astype(int) for mask in masks.values())
    assert (whole == 1).all(), "the masks overlap or leave gaps"
    first = next(iter(masks.values()))
    map = np.zeros(first.shape, np.uint8)
    for label, mask in masks.items():
        map[mask == 255] = names.index(label)
    return map


def each(segment):
    """The label map of every picture, by what segments the file at a path."""
    return {name: segment(path) for name, path in pictures.items()}


def told(map):
    map = np.ascontiguousarray(map, np.uint8)
    return {
        "width": map.shape[1],
        "height": map.shape[0],
        "data": base64.b64encode(map.tobytes()).decode(),
    }


def run(trials):
    """Trials by their names: each gives label maps by names of pictures, or something else that is JSON."""
    for trial, act in trials.items():
        said = {"trial": trial}
        try:
            value = act()
            if isinstance(value, dict) and all(isinstance(map, np.ndarray) for map in value.values()):
                said["maps"] = {name: told(map) for name, map in value.items()}
            else:
                said["value"] = value
        except BaseException as error:
            said["error"] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
        print(json.dumps(said), flush=True)
