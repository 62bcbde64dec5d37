"""Reads what this library writes with the tools that such files are for, and gives back label maps and counts."""
import json
import tempfile
from pathlib import Path

import cv2
import geopandas
import given
import numpy as np
import rasterio.features
import supervision as sv
from label_studio_converter.imports.coco import convert_coco_to_ls
from pycocotools import mask as runs
from pycocotools.coco import COCO

maps = list(given.maps())


def coco():
    """Each annotation as pycocotools fills it: areas, boxes, and the map that they add up to (ids counted from 1)."""
    data = COCO(str(given.folder / "coco.json"))
    for image in data.dataset["images"]:
        whole = np.zeros((image["height"], image["width"]), np.uint8)
        faults = []
        for one in data.imgToAnns[image["id"]]:
            filled = data.annToMask(one)
            if int(filled.sum()) != one["area"]:
                faults.append(["area", one["id"]])
            if [int(v) for v in runs.toBbox(data.annToRLE(one))] != one["bbox"]:
                faults.append(["bbox", one["id"]])
            whole[filled == 1] = one["category_id"]
        yield {"map": whole.ravel().tolist(), "faults": faults}


def encoded(ids):
    """Run lengths as text, by class."""
    return {
        str(k): runs.encode(np.asfortranarray((ids == k).astype(np.uint8)))["counts"].decode()
        for k in np.unique(ids)
    }


def geojson(path, shape):
    frame = geopandas.read_file(path)
    pairs = [(geometry, int(k) + 1) for geometry, k in zip(frame.geometry, frame["classId"])]
    filled = rasterio.features.rasterize(pairs, out_shape=shape, fill=0, dtype="uint8") if pairs else np.zeros(shape, np.uint8)
    return {"map": filled.ravel().tolist(), "valid": bool(frame.geometry.is_valid.all()) if pairs else True, "count": len(pairs)}


def shapes(ids, connectivity):
    found = rasterio.features.shapes(ids, connectivity=connectivity)
    return sorted([int(k), area(geometry)] for geometry, k in found)


def area(geometry):
    from shapely.geometry import shape

    return shape(geometry).area


def yolo():
    """Supervision's data set of our labels: objects of each image by class, and how far each fill is from the region."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        (folder / "labels").mkdir()
        texts = list(given.answers("yolo"))
        for i, (ids, text) in enumerate(zip(maps, texts)):
            cv2.imwrite(str(folder / "images" / f"{i:04}.png"), np.zeros((*ids.shape, 3), np.uint8))
            (folder / "labels" / f"{i:04}.txt").write_text(text)
        (folder / "data.yaml").write_text("names: [a, b, c, d]\n")
        data = sv.DetectionDataset.from_yolo(
            str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml"), force_masks=True
        )
        for i, ids in enumerate(maps):
            found = data.annotations[str(folder / "images" / f"{i:04}.png")]
            yield {"classes": sorted(int(k) for k in found.class_id), "area": int(found.mask.sum()) if len(found) else 0}


def label_studio():
    out = given.folder / "tasks.json"
    convert_coco_to_ls(str(given.folder / "simple.json"), str(out))
    for task in json.loads(out.read_text()):
        results = task["annotations"][0]["result"]
        yield [[one["value"]["polygonlabels"][0], one["value"]["points"]] for one in results if one["type"] == "polygonlabels"]


given.give(
    [
        {
            "coco": list(coco()),
            "runs": [encoded(ids) for ids in maps],
            "geojson": [geojson(given.folder / f"{i}.geojson", ids.shape) for i, ids in enumerate(maps)],
            "shapes": [[shapes(ids, 4), shapes(ids, 8)] for ids in maps],
            "yolo": list(yolo()),
            "labelStudio": list(label_studio()),
        }
    ]
)
