"""Judges features by shapely: valid, turned as RFC 7946 has it, and, with shared edges, a coverage without gaps or overlaps."""
import given
import numpy as np
import shapely
from shapely.geometry import shape


def turned(geometry):
    parts = getattr(geometry, "geoms", [geometry])
    return all(p.exterior.is_ccw and not any(h.is_ccw for h in p.interiors) for p in parts)


def judge(one):
    geometries = [shape(feature) for feature in one["features"]]
    faults = []
    for feature, geometry in zip(one["features"], geometries):
        if geometry.is_empty or geometry.area <= 0:
            faults.append(["empty", feature])
        elif not geometry.is_valid:
            faults.append([shapely.is_valid_reason(geometry), feature])
        elif not turned(geometry):
            faults.append(["turned", feature])
    covered = None
    if one["shared"]:
        array = np.array(geometries)
        covered = bool(shapely.coverage_is_valid(array))
        area = shapely.union_all(array).area
        if abs(area - shapely.area(array).sum()) > 1e-6:
            covered = False
    return {"count": len(geometries), "faults": faults[:3], "covered": covered}


given.give(judge(one) for one in given.answers())
