"""Reads and writes masks of annotation tools with what Label Studio's own converter has for them."""
import given
import numpy as np
from label_studio_converter.brush import decode_rle, mask2rle


def alpha(rle, shape):
    """What the converter takes of a brush: the last channel."""
    return np.reshape(decode_rle(rle), [*shape, 4])[:, :, 3]


def judged():
    for ids, regions in zip(given.maps(), given.answers("brushes")):
        found = np.zeros(ids.shape, int)
        overlaps = 0
        for label, rle in regions:
            inside = alpha(rle, ids.shape) == 255
            overlaps += int((found[inside] != 0).sum())
            found[inside] = label
        written = [[int(k), mask2rle(((ids == k) * 255).astype(np.uint8))] for k in np.unique(ids)]
        yield {"map": found.ravel().tolist(), "overlaps": overlaps, "written": written}


given.give(judged())
