import asyncio
import io
from pathlib import Path

from client import each, ids, large, one, other_token, pictures, run, text, token, url
from replicate.client import Client
from replicate.helpers import FileOutput

client = Client(api_token=token, base_url=url)


def segment(image, ref="acme/segformer", key=token, **options):
    own = Client(api_token=key, base_url=url)
    return ids(own.run(ref, input={"image": image}, **options).read())


def opened(path):
    return open(path, "rb")


async def together():
    async def one(path):
        found = await client.async_run("acme/segformer", input={"image": opened(path)})
        return ids(await found.aread())

    found = await asyncio.gather(*(one(path) for path in pictures.values()))
    return dict(zip(pictures, found))


def waited(prediction):
    prediction.wait()
    assert prediction.status == "succeeded", prediction.error
    return prediction.output


def decoded(output):
    return ids(FileOutput(output, client).read())


def created(path):
    return decoded(
        waited(client.predictions.create(version="segformer", input={"image": opened(path)}))
    )


def deployed(path):
    return decoded(
        waited(client.deployments.predictions.create("acme/segformer", input={"image": opened(path)}))
    )


def files():
    file = client.files.create(one)
    same = client.files.get(file.id)
    listed = [each.id for each in client.files.list()]
    deleted = client.files.delete(file.id)
    return [file.name, same.size == file.size, file.id in listed, deleted]


def models():
    model = client.models.get("acme/segformer")
    versions = model.versions.list()
    version = model.versions.get(versions[0].id)
    return [
        model.id,
        model.latest_version.id == version.id,
        list(version.openapi_schema["components"]["schemas"]["Input"]["properties"]),
        client.deployments.get("acme/segformer").name,
        client.accounts.current().type,
    ]


def predictions():
    first = client.predictions.create(version="segformer", input={"image": opened(one)})
    waited(first)
    second = client.predictions.create(version="segformer", input={"image": opened(one)})
    second.cancel()
    return [first.id in [each.id for each in client.predictions.list()], second.id != first.id]


run(
    {
        "file": lambda: each(lambda path: segment(opened(path))),
        "version": lambda: each(lambda path: segment(opened(path), "acme/segformer:segformer")),
        "path": lambda: each(lambda path: segment(Path(path))),
        "base64": lambda: each(lambda path: segment(opened(path), file_encoding_strategy="base64")),
        "polled": lambda: each(lambda path: segment(opened(path), wait=False)),
        "async": lambda: asyncio.run(together()),
        "predictions.create": lambda: each(created),
        "deployments": lambda: each(deployed),
        "files": files,
        "models": models,
        "predictions": predictions,
        "other key": lambda: segment(opened(one), key=other_token).tolist(),
        "large": lambda: segment(opened(large)).tolist(),
        "large in base64": lambda: segment(opened(large), file_encoding_strategy="base64").tolist(),
        "text": lambda: segment(opened(text)).tolist(),
        "empty": lambda: segment(io.BytesIO(b"")).tolist(),
        "address": lambda: segment("https://example.com/a.png").tolist(),
        "other model": lambda: segment(opened(one), "acme/other").tolist(),
    }
)
