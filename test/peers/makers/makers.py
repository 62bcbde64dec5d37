"""A SegFormer-B0 with random weights in the forms in which folders are published, and what its makers' programs make of pictures by each.

    python makers.py FOLDER

FOLDER/FORM is a folder as it is published; FOLDER/truth/FORM/PICTURE.*.npy has the pixels, the logits, the labels, and by how
much the best class leads the next one.
"""

import os
import sys
from types import SimpleNamespace

# Debian's torch: the one of the package index brings gigabytes of CUDA.
sys.path.append("/usr/lib/python3/dist-packages")

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16
from optimum.exporters.onnx import main_export
from PIL import Image, ImageFilter
from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

ROOT = sys.argv[1]
CLASSES = 19
torch.manual_seed(26)
torch.set_num_threads(1)


def at(*names):
    path = os.path.join(ROOT, *names)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def picture(width, height, seed):
    """Blots of colour, some with soft edges."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST)
    return Image.blend(image, image.filter(ImageFilter.GaussianBlur(6)), 0.5)


PICTURES = {"lying": picture(333, 221, 1), "upright": picture(150, 260, 2)}
for name, image in PICTURES.items():
    image.save(at(f"{name}.png"))

SQUARE = SegformerImageProcessor(size={"height": 256, "width": 256})
PROCESSORS = {
    "free": SQUARE,
    "fixed": SegformerImageProcessor(size={"height": 192, "width": 320}, image_mean=[0.5] * 3, image_std=[0.5] * 3),
    "half": SegformerImageProcessor(size={"height": 256, "width": 320}, resample=3),
    "precisions": SQUARE,
    "outside": SegformerImageProcessor(do_resize=False, do_reduce_labels=True),
}

model = SegformerForSemanticSegmentation(SegformerConfig(num_labels=CLASSES)).eval()


def logits_of(processor, image):
    with torch.no_grad():
        return model(processor(image, return_tensors="pt")["pixel_values"]).logits


# As they come, random weights give one class throughout: each is brought to a mean of 0 and a deviation of 1.
seen = torch.cat([logits_of(SQUARE, image).flatten(2) for image in PICTURES.values()], 2)[0]
with torch.no_grad():
    last, mean, deviation = model.decode_head.classifier, seen.mean(1), seen.std(1)
    last.bias.copy_((last.bias - mean) / deviation)
    last.weight.div_(deviation[:, None, None, None])


def export(form, **options):
    checkpoint = at("torch", form, "config.json").removesuffix("/config.json")
    model.save_pretrained(checkpoint)
    PROCESSORS[form].save_pretrained(checkpoint)
    main_export(checkpoint, at(form, "model.onnx").removesuffix("/model.onnx"), task="semantic-segmentation", do_validation=False, **options)


def settings(form):
    """Beside a model in `onnx/`, as folders of the Hub have it."""
    model.config.save_pretrained(os.path.dirname(at(form, "config.json")))
    PROCESSORS[form].save_pretrained(os.path.dirname(at(form, "config.json")))


export("free")
export("fixed", no_dynamic_axes=True, height=192, width=320)
plain = at("free", "model.onnx")

settings("half")
onnx.save(convert_float_to_float16(onnx.load(plain), keep_io_types=False), at("half", "onnx", "model_fp16.onnx"))

settings("precisions")
quantize_dynamic(plain, at("precisions", "onnx", "model_quantized.onnx"), weight_type=QuantType.QUInt8)
quantize_dynamic(plain, at("precisions", "onnx", "model_uint8.onnx"), weight_type=QuantType.QUInt8, per_channel=True)
quantize_dynamic(plain, at("precisions", "onnx", "model_int8.onnx"), weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
four = MatMulNBitsQuantizer(onnx.load(plain), block_size=32, is_symmetric=True)
four.process()
onnx.save(four.model.model, at("precisions", "onnx", "model_q4.onnx"))
four = MatMulBnb4Quantizer(onnx.load(plain), quant_type=1, block_size=64)
four.process()
onnx.save(four.model.model, at("precisions", "onnx", "model_bnb4.onnx"))

settings("outside")
onnx.save_model(
    onnx.load(plain), at("outside", "onnx", "model.onnx"), save_as_external_data=True, location="model.onnx_data", size_threshold=0
)

FORMS = {
    "free": "model.onnx",
    "fixed": "model.onnx",
    "half": "onnx/model_fp16.onnx",
    "outside": "onnx/model.onnx",
    **{f"precisions-{name}": f"onnx/model_{name}.onnx" for name in ("quantized", "uint8", "int8", "q4", "bnb4")},
}


def keep(form, picture, processor, logits, **more):
    """What `transformers` makes of logits, and what they were."""
    size = PICTURES[picture].size[::-1]
    labels = processor.post_process_semantic_segmentation(SimpleNamespace(logits=logits), [size])[0]
    large = torch.nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)[0]
    best = large.topk(2, 0).values
    arrays = {**more, "logits": logits, "labels": labels.to(torch.uint8), "lead": best[0] - best[1]}
    for name, array in arrays.items():
        np.save(at("truth", form, f"{picture}.{name}.npy"), np.ascontiguousarray(array))


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.log_severity_level = 3
for form, file in FORMS.items():
    folder = form.split("-")[0]
    processor = SegformerImageProcessor.from_pretrained(at(folder, "config.json").removesuffix("/config.json"))
    session = onnxruntime.InferenceSession(at(folder, file), options, providers=["CPUExecutionProvider"])
    kind = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
    # An export without free sides is one for two pictures.
    batch = session.get_inputs()[0].shape[0] if form == "fixed" else 1
    for name, image in PICTURES.items():
        pixels = processor(image, return_tensors="np")["pixel_values"]
        given = np.repeat(pixels, batch, 0).astype(kind)
        logits = session.run(["logits"], {"pixel_values": given})[0][:1]
        keep(form, name, processor, torch.from_numpy(logits.astype(np.float32)), pixels=pixels)
        if form in ("free", "fixed", "outside"):
            keep(f"torch-{form}", name, processor, logits_of(processor, image))
