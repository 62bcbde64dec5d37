import asyncio

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from client import each, large, one, other_token, pictures, pixels, read, run, text, token, url
from tritonclient.http.auth import BasicAuth

host = url.removeprefix("http://")
client = http.InferenceServerClient(host)


def bearer(key=token):
    """Anew for each request: the client keeps headers of its own in it."""
    return {"authorization": f"Bearer {key}"}


def picture(path, binary=True, api=http):
    array = pixels(path)
    return api.InferInput("input", list(array.shape), "UINT8").set_data_from_numpy(array, binary)


def file(path):
    elements = np.array([read(path)], dtype=np.object_)
    return http.InferInput("image", [1], "BYTES").set_data_from_numpy(elements)


def ids(result):
    return result.as_numpy("labels")[0]


def segment(given, key=token, model="segformer", **options):
    headers = None if key is None else bearer(key)
    return ids(client.infer(model, [given], headers=headers, **options))


def wanted(**options):
    return [http.InferRequestedOutput("labels", **options)]


def together():
    asked = {
        name: client.async_infer("segformer", [picture(path)], headers=bearer())
        for name, path in pictures.items()
    }
    return {name: ids(each.get_result()) for name, each in asked.items()}


async def asynchronous():
    async with aio.InferenceServerClient(host) as own:
        found = await asyncio.gather(
            *(own.infer("segformer", [picture(path)], headers=bearer()) for path in pictures.values())
        )
        return {name: ids(each) for name, each in zip(pictures, found)}


def basic():
    own = http.InferenceServerClient(host)
    own.register_plugin(BasicAuth("anybody", token))
    return each(lambda path: ids(own.infer("segformer", [picture(path)])))


def batch():
    array = pixels(one)
    both = np.stack([array, array[::-1]])
    given = http.InferInput("input", list(both.shape), "UINT8").set_data_from_numpy(both)
    found = client.infer("segformer", [given], headers=bearer()).as_numpy("labels")
    return list(found.shape), {"panel.png": found[0]}


def questions():
    return {
        "live": client.is_server_live(bearer()),
        "ready": client.is_server_ready(bearer()),
        "model": client.is_model_ready("segformer", "1", bearer()),
        "other": client.is_model_ready("other", headers=bearer()),
        "without a key": client.is_server_ready(),
    }


def metadata():
    found = client.get_model_metadata("segformer", headers=bearer())
    config = client.get_model_config("segformer", headers=bearer())
    index = client.get_model_repository_index(bearer())
    return {
        "outputs": [(each["name"], each["datatype"]) for each in found["outputs"]],
        "config": [each["name"] for each in config["output"]],
        "index": [each["state"] for each in index],
        "extensions": client.get_server_metadata(bearer())["extensions"],
    }


def statistics():
    all = client.get_inference_statistics(headers=bearer())
    model = client.get_inference_statistics("segformer", headers=bearer())
    return [each["model_stats"][0]["inference_stats"]["success"]["count"] > 0 for each in (all, model)]


run(
    {
        "binary": lambda: each(lambda path: segment(picture(path))),
        "json": lambda: each(
            lambda path: segment(picture(path, False), outputs=wanted(binary_data=False))
        ),
        "mixed": lambda: each(
            lambda path: segment(picture(path, True), outputs=wanted(binary_data=False))
        ),
        "file": lambda: each(lambda path: segment(file(path))),
        "async_infer": together,
        "aio": lambda: asyncio.run(asynchronous()),
        "batch": lambda: batch()[1],
        "batch shape": lambda: batch()[0],
        "basic": basic,
        "packed answer": lambda: each(
            lambda path: segment(picture(path), response_compression_algorithm="gzip")
        ),
        "packed request": lambda: each(
            lambda path: segment(picture(path), request_compression_algorithm="gzip")
        ),
        "deflated request": lambda: each(
            lambda path: segment(picture(path), request_compression_algorithm="deflate")
        ),
        "questions": questions,
        "metadata": metadata,
        "statistics": statistics,
        "classification": lambda: segment(picture(one), outputs=wanted(class_count=3)).tolist(),
        "no key": lambda: segment(picture(one), None).tolist(),
        "other key": lambda: segment(picture(one), other_token).tolist(),
        "large": lambda: segment(file(large)).tolist(),
        "text": lambda: segment(file(text)).tolist(),
        "other model": lambda: segment(picture(one), model="other").tolist(),
        "other version": lambda: segment(picture(one), model_version="9").tolist(),
    }
)
