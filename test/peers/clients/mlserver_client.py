import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

from client import each, large, one, other_token, pictures, pixels, read, run, text, token, url
from mlserver.codecs import Base64Codec, NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


def picture(path):
    return InferenceRequest(inputs=[NumpyCodec.encode_input("input", pixels(path))])


def file(path):
    return InferenceRequest(inputs=[Base64Codec.encode_input("image", [read(path)], use_bytes=False)])


def asked(request, key=token, model="segformer"):
    asking = urllib.request.Request(
        f"{url}/v2/models/{model}/infer",
        request.model_dump_json().encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(asking) as answer:
            return InferenceResponse.model_validate_json(answer.read())
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.loads(error.read())["error"]) from None


def segment(request, **options):
    return NumpyCodec.decode_output(asked(request, **options).outputs[0])[0]


def of_one(path):
    """Its batches want the first side to be how many there are."""
    return InferenceRequest(inputs=[NumpyCodec.encode_input("input", pixels(path)[None])])


def command():
    """`mlserver infer`: a file of requests, a line each, becomes a file of answers."""
    folder = os.path.dirname(large)
    given, gotten = os.path.join(folder, "requests.jsonl"), os.path.join(folder, "answers.jsonl")
    with open(given, "w") as lines:
        for path in pictures.values():
            lines.write(of_one(path).model_dump_json() + "\n")
    ended = subprocess.run(
        [
            *(os.path.join(os.path.dirname(sys.executable), "mlserver"), "infer"),
            *("--url", url.removeprefix("http://"), "--model-name", "segformer"),
            *("--input-data-path", given, "--output-data-path", gotten),
            *("--request-headers", f"authorization: Bearer {token}"),
            *("--workers", "2", "--retries", "1", "--verbose"),
        ],
        capture_output=True,
        text=True,
    )
    if ended.returncode != 0:
        raise RuntimeError(ended.stderr)
    answers = {}
    for line in read(gotten).decode().splitlines():
        answer = json.loads(line)
        found = InferenceResponse.model_validate(answer).outputs[0]
        answers[answer["parameters"]["batch_index"]] = NumpyCodec.decode_output(found)[0]
    return {name: answers[index] for index, name in enumerate(pictures)}


run(
    {
        "array": lambda: each(lambda path: segment(picture(path))),
        "file": lambda: each(lambda path: segment(file(path))),
        "command": lambda: command(),
        "other key": lambda: segment(picture(one), key=other_token).tolist(),
        "large": lambda: segment(file(large)).tolist(),
        "text": lambda: segment(file(text)).tolist(),
        "other model": lambda: segment(picture(one), model="other").tolist(),
    }
)
