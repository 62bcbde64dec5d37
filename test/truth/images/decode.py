"""Decodes each image of a list as Pillow has it: upright, the first frame, as RGB without blending. Its argument is a
JSON file of paths and a folder; writes NAME.rgb files of [height, width, 3] bytes there and prints a line of JSON each."""
import json
import sys
import warnings

from PIL import Image, ImageCms, ImageFile, ImageOps
import io

warnings.simplefilter("ignore")
# Pillow refuses twice of this.
Image.MAX_IMAGE_PIXELS = 50_000_000
paths, out = json.load(open(sys.argv[1])), sys.argv[2]
srgb = ImageCms.createProfile("sRGB")


def upright(path):
    image = Image.open(path)
    facts = {"format": image.format, "mode": image.mode, "frames": getattr(image, "n_frames", 1)}
    profile = image.info.get("icc_profile")
    image.load()
    image = ImageOps.exif_transpose(image)
    facts["profile"] = profile is not None
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        import numpy as np
        wide = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    facts["rgb"] = image.mode in ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
    if profile and image.mode in ("RGB", "L", "CMYK", "LA"):
        try:
            image = image.convert("L") if image.mode == "LA" else image
            image = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb, outputMode="RGB")
            facts["converted"] = True
        except Exception as error:
            facts["converted"] = str(error)
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if image.mode in ("P", "PA", "LA", "La"):
        image = image.convert("RGBA")
    return image.convert("RGB"), facts


for index, path in enumerate(paths):
    try:
        image, facts = upright(path)
        with open(f"{out}/{index}.rgb", "wb") as file:
            file.write(image.tobytes())
        print(json.dumps({**facts, "width": image.width, "height": image.height}), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:200]}), flush=True)
