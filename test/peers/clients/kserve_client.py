import asyncio
import base64

import numpy as np
from client import each, large, one, other_token, pictures, pixels, read, run, text, token, url
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput



def bearer(key=token):
    """Anew for each request: the client keeps headers of its own in it."""
    return {"authorization": f"Bearer {key}"}


def client(protocol="v2"):
    return InferenceRESTClient(config=RESTConfig(protocol=protocol, retries=0, timeout=60))


def request(array, name="input", datatype="UINT8", shape=None, binary=True, answer=None):
    given = InferInput(name, list(shape or array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    outputs = None if answer is None else [RequestedOutput("labels", parameters={"binary_data": answer})]
    return InferRequest(model_name="segformer", infer_inputs=[given], request_outputs=outputs)


def file(path):
    return request(np.array([read(path)], dtype=np.object_), "image", "BYTES", [1])


async def infer(given, key=token, model="segformer"):
    headers = None if key is None else bearer(key)
    found = await client().infer(url, given, model_name=model, headers=headers)
    return found.outputs[0].as_numpy()[0]


def segment(given, **options):
    return asyncio.run(infer(given, **options))


async def together():
    found = await asyncio.gather(*(infer(request(pixels(path))) for path in pictures.values()))
    return dict(zip(pictures, found))


async def questions():
    v1, v2 = client("v1"), client()
    return {
        "live": await v2.is_server_live(url, bearer()),
        "ready": await v2.is_server_ready(url, bearer()),
        "model": await v2.is_model_ready(url, "segformer", bearer()),
        "other": await v2.is_model_ready(url, "other", bearer()),
        "v1 live": await v1.is_server_live(url, bearer()),
    }


def first(path):
    """The first version of its protocol."""
    body = {"instances": [{"b64": base64.b64encode(read(path)).decode()}]}
    found = asyncio.run(client("v1").infer(url, body, model_name="segformer", headers=bearer()))
    return np.array(found["predictions"][0], np.uint8)


run(
    {
        "json": lambda: each(lambda path: segment(request(pixels(path), binary=False))),
        "binary": lambda: each(lambda path: segment(request(pixels(path), answer=True))),
        "mixed": lambda: each(lambda path: segment(request(pixels(path), binary=False, answer=True))),
        "file": lambda: each(lambda path: segment(file(path))),
        "together": lambda: asyncio.run(together()),
        "first": lambda: each(first),
        "questions": lambda: asyncio.run(questions()),
        "no key": lambda: segment(request(pixels(one)), key=None).tolist(),
        "other key": lambda: segment(request(pixels(one)), key=other_token).tolist(),
        "large": lambda: segment(file(large)).tolist(),
        # More than sockets hold: the answer comes while the request is still sent.
        "much too large": lambda: segment(request(np.zeros((9000, 8000, 3), np.uint8))).tolist(),
        "text": lambda: segment(file(text)).tolist(),
        "other model": lambda: segment(request(pixels(one)), model="other").tolist(),
    }
)
