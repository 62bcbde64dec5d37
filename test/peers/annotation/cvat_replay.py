"""CVAT's requests to a model, and what it makes of the answers, by the models and the masks of its own SDK.

Arguments: the address of the server, a folder with pictures (NAME) and label maps (NAME.npy), and the classes as JSON.
"""
import base64
import json
import os
import sys
import urllib.error
import urllib.request

import numpy as np
from cvat_sdk import masks, models

url, folder, classes = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
ids = {one["name"]: one["id"] for one in classes}
gateway = {
    "x-nuclio-project-name": "cvat",
    "x-nuclio-function-namespace": "nuclio",
    "x-nuclio-invoke-via": "domain-name",
    "X-Nuclio-Invoke-Timeout": "120s",
}


def asked(method, path, headers, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {**headers, "content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def invoked(name, body, direct=False):
    if direct:
        return asked("POST", "", {}, body)
    return asked(
        "POST", "/api/function_invocations", {**gateway, "x-nuclio-function-name": name, "x-nuclio-path": "/"}, body
    )


def shape_of(item, labels, convert=False):
    """As the annotation worker of CVAT makes a shape of an item."""
    kind = item["type"]
    points = item["mask"] if kind == "mask" else item["points"]
    if kind == "mask" and convert:
        kind, points = "polygon", item["points"]
    elif kind == "mask":
        *pixels, xtl, ytl, xbr, ybr = points
        crop = np.array(pixels, dtype=bool).reshape(ybr - ytl + 1, xbr - xtl + 1)
        whole = np.zeros((size[1], size[0]), dtype=bool)
        whole[ytl : ybr + 1, xtl : xbr + 1] = crop
        points = masks.encode_mask(whole, [xtl, ytl, xbr + 1, ybr + 1])
    return models.LabeledShapeRequest(
        type=models.ShapeType(kind),
        frame=0,
        label_id=labels[item["label"]],
        points=[float(value) for value in points],
        source="auto",
        attributes=[models.AttributeValRequest(spec_id=1, value=one["value"]) for one in item["attributes"]],
    )


listed = asked("GET", "/api/functions", gateway)
by_kind = {}
for name, function in listed.items():
    assert function == asked("GET", "/api/functions/" + name, gateway)
    notes = function["metadata"]["annotations"]
    labels = [one["name"] for one in json.loads(notes.get("spec") or "[]")]
    assert len(labels) == len(set(labels))
    assert function["status"]["state"] == "ready" and isinstance(function["status"]["httpPort"], int)
    assert isinstance(function["spec"]["description"], str) and int(notes.get("version", "1")) >= 1
    kind = notes["type"] if notes["type"] == "interactor" else json.loads(notes["spec"])[0]["type"]
    by_kind[kind] = name
assert sorted(by_kind) == ["interactor", "mask", "polygon", "rectangle"], by_kind

for file in sorted(os.listdir(folder)):
    if file.endswith(".npy"):
        continue
    with open(os.path.join(folder, file), "rb") as source:
        frame = base64.b64encode(source.read()).decode()
    truth = np.load(os.path.join(folder, file + ".npy"))
    size = (truth.shape[1], truth.shape[0])

    found = np.zeros(truth.shape, dtype=truth.dtype)
    items = invoked(by_kind["mask"], {"image": frame})
    assert items == invoked(None, {"image": frame}, direct=True)
    for item in items:
        shape = shape_of(item, ids)
        mask = masks.decode_mask(shape.points, image_width=size[0], image_height=size[1])
        assert not found[mask].any(), "two masks of one pixel"
        found[mask] = shape.label_id
        assert masks.encode_mask(mask) == [int(value) for value in shape.points], "the box is not the smallest"
        assert len(shape_of(item, ids, convert=True).points) >= 6
    assert (found == truth).all(), f"{file}: {(found != truth).sum()} pixels differ"

    boxes = [shape_of(item, ids) for item in invoked(by_kind["rectangle"], {"image": frame})]
    polygons = [shape_of(item, ids) for item in invoked(by_kind["polygon"], {"image": frame})]
    assert len(boxes) == len(polygons) == len(items)
    for box, polygon in zip(boxes, polygons):
        xs, ys = polygon.points[0::2], polygon.points[1::2]
        assert box.points == [min(xs), min(ys), max(xs), max(ys)]
        assert 0 <= box.points[0] < box.points[2] <= size[0] and 0 <= box.points[1] < box.points[3] <= size[1]
    # The request that CVAT keeps results with.
    models.LabeledDataRequest(version=0, tags=[], shapes=[*boxes, *polygons], tracks=[])

    scores = sorted(float(item["confidence"]) for item in items)
    if scores:
        least = scores[len(scores) // 2]
        kept = invoked(by_kind["mask"], {"image": frame, "threshold": least})
        assert sorted(float(item["confidence"]) for item in kept) == [score for score in scores if score >= least]
        y, x = (int(one[0]) for one in np.nonzero(truth))
        click = {"image": frame, "pos_points": [[x + 0.5, y + 0.5]], "neg_points": [], "obj_bbox": None}
        clicked = np.array(invoked(by_kind["interactor"], click)["mask"], dtype=bool)
        assert clicked.shape == truth.shape and clicked[y, x] and (truth[clicked] == truth[y, x]).all()

for body, status in (({"image": base64.b64encode(b"no picture").decode()}, 400), ({}, 400)):
    try:
        invoked(by_kind["mask"], body)
        raise AssertionError("taken")
    except urllib.error.HTTPError as error:
        assert error.code == status and json.load(error)["error"]
print("ok")
