"""A demo of Gradio: a picture in; a picture, annotated sections or JSON out; and an error as demos raise it."""

import sys

import gradio
import numpy as np

import model


def label_map(image):
    return model.Image.fromarray(model.segment(image))


def sections(image):
    labels = model.segment(image)
    return image, [(labels == at, name) for at, name in enumerate(model.names) if (labels == at).any()]


def ids(image, threshold):
    return {"mask": model.segment(image).tolist(), "threshold": threshold}


def boxes(image):
    return image, [((4, 4, image.width - 4, image.height - 4), "pit")]


def fails(image):
    raise gradio.Error("the lamp is off")


picture = gradio.Image(type="pil")
with gradio.Blocks() as demo:
    gradio.Interface(label_map, picture, gradio.Image(type="pil", format="png"), api_name="predict")
    gradio.Interface(sections, gradio.Image(type="pil"), gradio.AnnotatedImage(format="png"), api_name="sections")
    gradio.Interface(ids, [gradio.Image(type="pil"), gradio.Slider(0, 1, 0.5)], gradio.JSON(), api_name="ids")
    gradio.Interface(boxes, gradio.Image(type="pil"), gradio.AnnotatedImage(), api_name="boxes")
    gradio.Interface(label_map, gradio.Image(type="pil"), gradio.Image(), api_name="webp")
    gradio.Interface(fails, gradio.Image(type="pil"), gradio.Image(), api_name="fails")

demo.queue().launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), share=False, show_error=True)
