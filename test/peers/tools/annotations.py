"""Reads our CVAT files with datumaro, and their masks with CVAT's own SDK. Prints, a line for each reader, what was wrong."""
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import datumaro as dm
import numpy as np
from cvat_sdk.masks import decode_mask, encode_mask

folder = Path(sys.argv[1])


def known(name):
    """The label map of an image."""
    return np.load(folder / f"{name}.npy")


def items(kind):
    found = list(dm.Dataset.import_from(str(folder / kind / "annotations.xml"), "cvat"))
    assert len(found) == len(list(folder.glob("*.npy"))), f"{len(found)} images"
    return found


def masks():
    for item in items("masks"):
        ids = known(item.id)
        drawn = np.zeros_like(ids)
        for one in item.annotations:
            inside = np.asarray(one.image).astype(bool)
            assert not drawn[inside].any(), f"{item.id}: masks overlap"
            drawn[inside] = one.label + 1
        assert np.array_equal(drawn, ids), f"{item.id}: other pixels"


def boxes():
    for item, masked in zip(items("boxes"), items("masks")):
        for box, mask in zip(item.annotations, masked.annotations, strict=True):
            rows, columns = np.nonzero(np.asarray(mask.image))
            x, y = columns.min(), rows.min()
            around = [x, y, columns.max() + 1 - x, rows.max() + 1 - y]
            assert list(box.get_bbox()) == around, f"{item.id}: {box.get_bbox()}, and not {around}"


def polygons():
    for item, masked in zip(items("polygons"), items("masks")):
        for ring, mask in zip(item.annotations, masked.annotations, strict=True):
            assert ring.label == mask.label
            # Holes are joined by a line there and back, which has no area.
            assert ring.get_area() == np.asarray(mask.image).sum(), f"{item.id}: an outline of another area"


def sdk():
    for image in ElementTree.parse(folder / "masks" / "annotations.xml").getroot().iter("image"):
        width, height = int(image.get("width")), int(image.get("height"))
        ids = known(image.get("name")[:-4])
        drawn = np.zeros(ids.shape, int)
        names = ["a", "b", "c"]
        for mask in image.iter("mask"):
            left, top, wide, high = (int(mask.get(key)) for key in ("left", "top", "width", "height"))
            runs = [int(run) for run in mask.get("rle").split(",")]
            points = [*runs, left, top, left + wide - 1, top + high - 1]
            inside = decode_mask(points, image_width=width, image_height=height)
            assert encode_mask(inside) == points, f"{image.get('name')}: other run lengths"
            drawn[inside] = names.index(mask.get("label")) + 1
        assert np.array_equal(drawn, ids), f"{image.get('name')}: other pixels"


def tried(trial):
    try:
        trial()
        return ""
    except Exception as error:
        return repr(error)


print(json.dumps({one.__name__: tried(one) for one in (masks, boxes, polygons, sdk)}))
