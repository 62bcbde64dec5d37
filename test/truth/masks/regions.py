"""Regions by scikit-image, in the order of their first pixels: those of equal ids, connected across corners."""
import given
import numpy as np
from skimage.measure import label, perimeter, regionprops

def regions(ids):
    found = []
    # Background is a label like others here, so ids count from 1.
    for region in regionprops(label(ids.astype(np.int32) + 1, connectivity=2)):
        top, left, bottom, right = region.bbox
        y, x = region.centroid
        first = region.coords[np.lexsort((region.coords[:, 1], region.coords[:, 0]))[0]]
        found.append(
            {
                "first": int(first[0]) * ids.shape[1] + int(first[1]),
                "classId": int(ids[first[0], first[1]]),
                "area": int(region.area),
                "box": {"x": left, "y": top, "width": right - left, "height": bottom - top},
                "centroid": [x, y],
                "perimeter": float(perimeter(np.pad(region.image, 1), neighborhood=4)),
            }
        )
    return sorted(found, key=lambda one: one["first"])


given.give(regions(ids) for ids in given.maps())
