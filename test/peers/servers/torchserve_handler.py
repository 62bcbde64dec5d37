"""A handler of TorchServe that uses no torch. The query of a request says what comes back."""

import time

import model


def answer(data, context, index):
    header = context.get_request_header(index, "x-answer") or "ids"
    if header == "slow":
        time.sleep(30)
    labels = model.segment(model.opened(bytes(data)))
    if header == "png":
        context.set_response_content_type(index, "image/png")
        return model.png(labels)
    return {"mask": labels.tolist(), "classes": model.names}


def handle(data, context):
    if data is None:
        return None
    return [answer(each.get("data") or each.get("body"), context, at) for at, each in enumerate(data)]
