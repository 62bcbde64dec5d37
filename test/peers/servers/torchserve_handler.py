"""A handler of TorchServe that uses no torch. A header of a request says what comes back."""

import os
import tempfile

import model

died = os.path.join(tempfile.gettempdir(), "died")


def answer(data, context, index):
    header = context.get_request_header(index, "x-answer") or "ids"
    if header == "dies once" and not os.path.exists(died):
        open(died, "w").close()
        os._exit(1)
    labels = model.segment(model.opened(bytes(data)))
    if header == "png":
        context.set_response_content_type(index, "image/png")
        return model.png(labels)
    if header == "nan":
        return {"logits": [[[float("nan")]]]}
    return {"mask": labels.tolist(), "classes": model.names}


def handle(data, context):
    if data is None:
        return None
    return [answer(each.get("data") or each.get("body"), context, at) for at, each in enumerate(data)]
