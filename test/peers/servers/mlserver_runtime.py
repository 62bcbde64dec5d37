"""Runtimes of MLServer: the model as it is, and one that normalises bytes itself and answers class ids."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse

import model


class Runtime(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = NumpyCodec.decode_input(payload.inputs[0])
        if given.shape[2] < 64 and given.shape[1] == 3:
            raise InferenceError("the lamp is off")
        name, values = self.infer(given)
        output = NumpyCodec.encode_output(name, values)
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=[output])


class Logits(Runtime):
    def infer(self, pixel_values):
        return "logits", model.infer(pixel_values)


class Holes(Logits):
    """One score is no number."""

    def infer(self, pixel_values):
        name, logits = super().infer(pixel_values)
        logits[0, 1, 2, 3] = np.nan
        return name, logits


class Labels(Runtime):
    def infer(self, pictures):
        return "labels", np.stack([model.segment(model.Image.fromarray(each)) for each in pictures]).astype(np.int64)
