import asyncio
import base64

from client import each, ids, large, one, other_token, pictures, pixels, run, text, token, url
from inference_sdk import InferenceConfiguration, InferenceHTTPClient


def asking(key=token, **configuration):
    client = InferenceHTTPClient(url, api_key=key)
    client.select_api_v0()
    client.configure(InferenceConfiguration(**configuration))
    return client


def map_of(answer):
    assert [answer["image"]["height"], answer["image"]["width"]] == list(mask_of(answer).shape)
    return mask_of(answer)


def mask_of(answer):
    return ids(base64.b64decode(answer["predictions"]["segmentation_mask"]))


def segment(image, model="segformer/1", **asked):
    return map_of(asking(**asked).infer(image, model_id=model))


def listed():
    found = asking(max_concurrent_requests=4).infer(list(pictures.values()), model_id="segformer/1")
    return dict(zip(pictures, map(map_of, found)))


async def asynchronous():
    found = await asking().infer_async(list(pictures.values()), model_id="segformer/1")
    return dict(zip(pictures, map(map_of, found)))


def models():
    client = InferenceHTTPClient(url, api_key=token)
    found = client.list_loaded_models().models
    return [[each.model_id for each in found], found[0].task_type]


def sure():
    """Pixels that the model is not quite sure of are background."""
    everything = segment(one)
    certain = segment(one, confidence_threshold=0.99)
    changed = certain[certain != everything]
    return [bool(changed.size > 0), bool((changed == 0).all())]


run(
    {
        "path": lambda: each(segment),
        # A PNG loses nothing on the way: the client sends arrays as JPEG.
        "array": lambda: list(segment(pixels(one)[:, :, ::-1]).shape),
        "list": listed,
        "async": lambda: asyncio.run(asynchronous()),
        "header": lambda: each(lambda path: segment(path, api_key_transport="header")),
        "both": lambda: each(lambda path: segment(path, api_key_transport="both")),
        "confidence": sure,
        "models": models,
        "other key": lambda: segment(one, key=other_token).tolist(),
        "large": lambda: segment(large).tolist(),
        "text": lambda: segment(text).tolist(),
        "other model": lambda: segment(one, model="other/1").tolist(),
        "v1": lambda: InferenceHTTPClient(url, api_key=token).infer(
            one, model_id="segformer/1"
        ),
    }
)
