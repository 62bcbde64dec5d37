"""A model of Cog: a label map as a file, after a while and in a way that the input says."""

import time

from cog import BasePredictor, Input, Path

import model


class Predictor(BasePredictor):
    def setup(self):
        model.infer(model.prepare(model.Image.new("RGB", (64, 64))))

    def predict(
        self,
        image: Path = Input(description="The picture"),
        delay: float = Input(default=0, description="Seconds to wait first"),
    ) -> Path:
        until = time.monotonic() + delay
        while time.monotonic() < until:
            time.sleep(0.05)
        with open(image, "rb") as file:
            labels = model.segment(model.opened(file.read()))
        out = Path(str(image) + ".labels.png")
        out.write_bytes(model.png(labels))
        return out


class Endless(Predictor):
    def setup(self):
        time.sleep(3600)


class Broken(Predictor):
    def setup(self):
        raise RuntimeError("there are no weights")
