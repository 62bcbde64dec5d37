import asyncio

from client import each, large, of_masks, one, other_token, pictures, read, run, text, token, url
from huggingface_hub import AsyncInferenceClient, InferenceClient


def map_of(found):
    return of_masks((each.label, each.mask) for each in found)


def segment(image, model=url, key=token, **options):
    return map_of(InferenceClient(model=model, token=key).image_segmentation(image, **options))


async def together():
    client = AsyncInferenceClient(model=url, token=token)
    found = await asyncio.gather(*(client.image_segmentation(path) for path in pictures.values()))
    return {name: map_of(masks) for name, masks in zip(pictures, found)}


run(
    {
        "path": lambda: each(segment),
        "bytes": lambda: each(lambda path: segment(read(path))),
        "async": lambda: asyncio.run(together()),
        "parameters": lambda: each(
            lambda path: segment(path, subtask="semantic", threshold=0.9, mask_threshold=0.5)
        ),
        "model": lambda: each(lambda path: segment(path, model=f"{url}/models/segformer")),
        "panoptic": lambda: segment(one, subtask="panoptic"),
        "no key": lambda: segment(one, key=None),
        "other key": lambda: segment(one, key=other_token),
        "large": lambda: segment(large),
        "text": lambda: segment(text),
        "other model": lambda: segment(one, model=f"{url}/models/other"),
    }
)
