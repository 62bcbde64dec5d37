"""A server as people write it with Flask: a form, JSON with base64, and errors as they come."""

import base64

from flask import Flask, Response, jsonify, request

import model

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024


@app.get("/health")
def health():
    return jsonify(status="ok")


@app.post("/segment")
def segment():
    if "file" not in request.files:
        return jsonify(error="no file in the request"), 400
    labels = model.segment(model.opened(request.files["file"].read()))
    return jsonify(
        success=True,
        mask=base64.b64encode(model.png(labels)).decode(),
        classes=[{"id": at, "name": name} for at, name in enumerate(model.names)],
        shape=list(labels.shape),
    )


@app.post("/predict")
def predict():
    data = request.get_json()["image"]
    labels = model.segment(model.opened(base64.b64decode(data.split(",")[-1])))
    return Response(model.png(labels), mimetype="image/png")
