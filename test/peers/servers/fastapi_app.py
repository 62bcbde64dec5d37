"""A server as people write it with FastAPI: a form, raw bytes, and errors as they come."""

import base64
import io
import typing as t

import numpy as np
from fastapi import FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import JSONResponse, Response, StreamingResponse

import model

app = FastAPI()


@app.get("/healthz")
async def healthz():
    return {"ok": True}


@app.post("/segment")
async def segment(image: UploadFile = File(...), threshold: float = Form(0.5)):
    if not (image.content_type or "").startswith("image/"):
        raise HTTPException(status_code=415, detail="File must be an image")
    try:
        picture = model.opened(await image.read())
        picture.load()
    except OSError as error:
        raise HTTPException(status_code=422, detail=f"cannot read it: {error}")
    labels = model.segment(picture)
    return {
        "segmap": labels.tolist(),
        "id2label": {str(at): name for at, name in enumerate(model.names)},
        "threshold": threshold,
    }


@app.post("/raw")
async def raw(request: Request):
    labels = model.segment(model.opened(await request.body()))
    return StreamingResponse(io.BytesIO(model.png(labels)), media_type="image/png")


@app.post("/npy")
async def npy(request: Request):
    labels = model.segment(model.opened(await request.body()))
    out = io.BytesIO()
    np.save(out, labels.astype(np.int64))
    return Response(out.getvalue(), media_type="application/octet-stream")


class Pipeline:
    """`transformers.pipeline("image-segmentation")`: a list of a score, a label and a mask of Pillow's."""

    def __call__(self, picture):
        labels = model.segment(picture)
        return [
            {"score": None, "label": name, "mask": model.Image.fromarray(((labels == at) * 255).astype(np.uint8), mode="L")}
            for at, name in enumerate(model.names)
            if (labels == at).any()
        ]


def serialised(found):
    return [{**each, "mask": base64.b64encode(_png(each["mask"])).decode()} for each in found]


def _png(mask):
    out = io.BytesIO()
    mask.save(out, "PNG")
    return out.getvalue()


@app.get("/hf/health")
async def hf_health():
    return Response("Ok", media_type="text/plain")


@app.post("/hf")
async def hf(request: Request):
    """As the inference toolkit does it: bytes by their type, or JSON with `inputs`."""
    try:
        kind = (request.headers.get("content-type") or "").split(";")[0]
        body = await request.body()
        if kind.startswith("image/") or kind == "application/octet-stream":
            data = body
        elif kind == "application/json":
            inputs: t.Dict[str, t.Any] = await request.json()
            data = base64.b64decode(inputs["inputs"])
        else:
            raise ValueError(f'Content type "{kind}" not supported.')
        return serialised(Pipeline()(model.opened(data)))
    except Exception as error:
        return JSONResponse({"error": str(error)}, status_code=400)
