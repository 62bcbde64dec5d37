"""A service of BentoML: a picture as one, a file's ids, and masks with labels."""

from __future__ import annotations

import pathlib
import typing as t

import bentoml
import numpy as np
from PIL import Image
from PIL.Image import Image as Picture

import model


class Mask(t.TypedDict):
    label: str
    mask: list[list[int]]


@bentoml.service(workers=1, traffic={"timeout": 60})
class Segmenter:
    @bentoml.api
    def segment(self, image: Picture) -> Picture:
        return Image.fromarray(model.segment(image))

    @bentoml.api
    def ids(self, image: pathlib.Path) -> np.ndarray:
        return model.segment(Image.open(image))

    @bentoml.api(route="/v1/masks")
    def masks(self, image: pathlib.Path, threshold: float = 0.5) -> t.Dict[str, t.Any]:
        if threshold > 1:
            raise bentoml.exceptions.InvalidArgument("the lamp is off")
        labels = model.segment(Image.open(image))
        return {
            "threshold": threshold,
            "masks": [
                {"label": name, "score": 0.5, "mask": (labels == at).astype(int).tolist()}
                for at, name in enumerate(model.names)
                if (labels == at).any()
            ],
        }

    @bentoml.api
    def logits(self, image: Picture) -> np.ndarray:
        return model.infer(model.prepare(image))
