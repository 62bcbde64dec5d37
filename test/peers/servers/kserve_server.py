"""KServe's model server with three models: logits, logits in halves, and one of its first protocol."""

import base64

import numpy as np
import uvicorn
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.errors import InferenceError

import model


class Logits(Model):
    def __init__(self, name, datatype):
        super().__init__(name)
        self.datatype = datatype
        self.ready = True

    def get_input_types(self):
        return [{"name": "pixel_values", "datatype": self.datatype, "shape": [-1, 3, -1, -1]}]

    def get_output_types(self):
        return [{"name": "logits", "datatype": self.datatype, "shape": [-1, 6, -1, -1]}]

    async def predict(self, payload: InferRequest, headers=None, response_headers=None):
        given = payload.inputs[0].as_numpy()
        if given.shape[2] < 64:
            raise InferenceError("the lamp is off")
        logits = model.infer(given.astype(np.float32)).astype(given.dtype)
        output = InferOutput("logits", list(logits.shape), self.datatype)
        output.set_data_from_numpy(logits, binary_data=self.datatype == "FP16")
        return InferResponse(
            payload.id,
            self.name,
            [output],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


class Silent(Logits):
    """Says nothing of itself, as models that are written by hand."""

    def get_input_types(self):
        return []

    def get_output_types(self):
        return []


class Pictures(Model):
    """The first protocol: bytes in base64, and rows of ids."""

    def __init__(self, name):
        super().__init__(name)
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        pictures = [model.opened(base64.b64decode(each["b64"])) for each in payload["instances"]]
        return {"predictions": [model.segment(each).tolist() for each in pictures]}


class Unready(Pictures):
    async def healthy(self):
        return False


# It listens on every address, and has no option for another one.
config = uvicorn.Config
uvicorn.Config = lambda *args, **options: config(*args, **{**options, "host": "127.0.0.1"})

if __name__ == "__main__":
    models = [
        Logits("logits", "FP32"),
        Logits("halves", "FP16"),
        Silent("silent", "FP32"),
        Pictures("pictures"),
        Unready("unready"),
    ]
    ModelServer(enable_grpc=False).start(models)
