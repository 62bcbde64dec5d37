import base64
import io
import os

import cv2
import requests
from client import ids, large, one, other_token, pictures, pixels, run, text, token, url

os.environ["SEMANTIC_SEGMENTATION_URL"] = url
from PIL import Image
from roboflow.models.semantic_segmentation import SemanticSegmentationModel


def predicted(image, model="segformer", key=token, **options):
    return SemanticSegmentationModel(key, f"acme/{model}/1").predict(image, **options)


def answer(group):
    return group.json()["predictions"][0]


def map_of(group):
    return ids(base64.b64decode(answer(group)["segmentation_mask"]))


def shapes():
    """The client packs every picture as JPEG anew, so that maps are compared in size and classes."""
    found = {name: answer(predicted(path, confidence=0)) for name, path in pictures.items()}
    sizes = {name: [each["image"]["height"], each["image"]["width"]] for name, each in found.items()}
    expected = {name: list(pixels(path).shape[:2]) for name, path in pictures.items()}
    return [sizes == expected, list(found["panel.png"]["class_map"].values())]


def same(confidence):
    """What it sends is a JPEG that it makes of the picture: the server's own API says what that JPEG shows."""
    found = []
    for path in pictures.values():
        packed = io.BytesIO()
        Image.open(path).save(packed, quality=90, format="JPEG")
        own = requests.post(
            f"{url}/v1/segment",
            data=packed.getvalue(),
            headers={"authorization": f"Bearer {token}", "accept": "image/png"},
        )
        through = map_of(predicted(path, confidence=confidence))
        expected = ids(own.content)
        different = through[through != expected]
        found.append([bool((through == expected).all()), bool((different == 0).all())])
    return [all(equal for equal, _ in found), all(background for _, background in found)]


def drawn():
    path = os.path.join(os.path.dirname(large), "drawn.jpg")
    predicted(pictures["000.jpg"]).save(path)
    return cv2.imread(path).shape == pixels(pictures["000.jpg"]).shape


run(
    {
        "shapes": shapes,
        "same": lambda: same(0),
        "sure": lambda: same(99),
        "array": lambda: list(map_of(predicted(pixels(one), confidence=0)).shape),
        "drawn": drawn,
        "other key": lambda: answer(predicted(one, key=other_token)),
        "other model": lambda: answer(predicted(one, model="other")),
        "address": lambda: answer(predicted("http://127.0.0.1:9/a.png")),
        "text": lambda: answer(predicted(text)),
    }
)
