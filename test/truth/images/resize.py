"""Resizes raw pictures by Pillow. Its argument is a folder with requests.json, a list of [name, width, height, to width, to height,
number of the filter]; NAME.rgb becomes NAME.out of [height, width, 3] bytes."""
import json
import os
import sys

from PIL import Image

folder = sys.argv[1]
for name, width, height, to_width, to_height, resample in json.load(open(os.path.join(folder, "requests.json"))):
    data = open(os.path.join(folder, f"{name}.rgb"), "rb").read()
    image = Image.frombytes("RGB", (width, height), data).resize((to_width, to_height), resample)
    open(os.path.join(folder, f"{name}.out"), "wb").write(image.tobytes())
