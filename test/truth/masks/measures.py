"""Scores by scikit-learn, boundary IoU as its authors wrote it (with OpenCV), morphology by OpenCV, SciPy and scikit-image."""
import cv2
import given
import numpy as np
import scipy.ndimage as ndi
from skimage.morphology import remove_small_objects
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score, precision_score, recall_score

CLASSES = 4
maps = list(given.maps())


def scores(truth, predicted):
    t, p = truth.ravel(), predicted.ravel()
    kept = t != 3
    t, p = t[kept], p[kept]
    if len(t) == 0:
        return None
    labels = sorted(set(t.tolist()) | set(p.tolist()))
    return {
        "matrix": confusion_matrix(t, p, labels=range(CLASSES)).tolist(),
        "labels": labels,
        "iou": jaccard_score(t, p, labels=labels, average=None, zero_division=0).tolist(),
        "dice": f1_score(t, p, labels=labels, average=None, zero_division=0).tolist(),
        "precision": precision_score(t, p, labels=labels, average=None, zero_division=0).tolist(),
        "recall": recall_score(t, p, labels=labels, average=None, zero_division=0).tolist(),
        "accuracy": accuracy_score(t, p),
    }


def boundary(mask, distance):
    """`mask_to_boundary` of boundary-iou-api."""
    h, w = mask.shape
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)
    return mask - eroded[1 : h + 1, 1 : w + 1]


def boundary_iou(truth, predicted, distance):
    out = []
    for k in range(CLASSES):
        a = boundary((truth == k).astype(np.uint8), distance)
        b = boundary((predicted == k).astype(np.uint8), distance)
        union = int(((a + b) > 0).sum())
        out.append(None if union == 0 else int(((a * b) > 0).sum()) / union)
    return out


def morphology(ids):
    mask = (ids == 1).astype(np.uint8)
    square = np.ones((3, 3), np.uint8)
    diamond = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    border = dict(borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return {
        "dilate": cv2.dilate(mask, square, **border).ravel().tolist(),
        "diamond": cv2.dilate(mask, diamond, **border).ravel().tolist(),
        "filled": ndi.binary_fill_holes(mask).astype(int).ravel().tolist(),
        "large": remove_small_objects(mask.astype(bool), max_size=4, connectivity=2).astype(int).ravel().tolist(),
    }


given.give(
    {
        "scores": scores(truth, predicted),
        "boundary": [boundary_iou(truth, predicted, d) for d in (1, 2)],
        "morphology": morphology(truth),
    }
    for truth, predicted in zip(maps[0::2], maps[1::2])
)
