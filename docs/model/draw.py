"""Draws surface-inspection pictures and their label maps.

Every defect is drawn from a distance field: one number per pixel says how far inside the outline it is. The picture
takes its anti-aliased coverage from that number and the label map takes its sign, so the two agree to half a pixel.

    draw.py pool FOLDER COUNT SEED SIDE     COUNT shards of training pictures of SIDE x SIDE
    draw.py heldout FOLDER COUNT SEED       pictures of many sizes as files, each with its label map
    draw.py look FILE SEED                  a contact sheet of pictures and labels, to be looked at
    draw.py sample FILE                     the picture in the project's README
"""
import io
import os
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from panels import draw_panel, smooth_noise, smoothstep

PARTICLE, SCRATCH, STAIN, FIBER, PIT = 1, 2, 3, 4, 5
COLOURS = np.array([[0, 0, 0], [255, 200, 40], [60, 220, 255], [230, 90, 230], [90, 255, 110], [255, 80, 60]], np.uint8)


def blend(canvas, region, alpha, colour):
    canvas[region] += (colour - canvas[region]) * alpha[..., None]


def box(canvas, x, y, reach):
    """The part of the canvas within `reach` of (x, y), and its pixels' offsets from that point."""
    height, width = canvas.shape[:2]
    top, bottom = max(0, int(y - reach)), min(height, int(y + reach) + 2)
    left, right = max(0, int(x - reach)), min(width, int(x + reach) + 2)
    dy, dx = np.mgrid[top:max(top, bottom), left:max(left, right)].astype(np.float32)
    return (slice(top, max(top, bottom)), slice(left, max(left, right))), dx - x, dy - y


def near_curve(shape, points, reach):
    """Pixels within `reach` of a polyline: rows, columns, signed distance across it, and place along it (0 to 1)."""
    picture = Image.new("L", (shape[1], shape[0]))
    pen = ImageDraw.Draw(picture)
    flat = [tuple(p) for p in points]
    pen.line(flat, fill=1, width=int(2 * reach) + 3, joint="curve")
    for x, y in (flat[0], flat[-1]):
        pen.ellipse([x - reach - 2, y - reach - 2, x + reach + 2, y + reach + 2], fill=1)
    rows, columns = np.nonzero(np.asarray(picture))
    best, side, place = (np.full(len(rows), v, np.float32) for v in (1e9, 0, 0))
    lengths = np.hypot(*np.diff(points, axis=0).T)
    before = np.concatenate([[0], np.cumsum(lengths)])
    for i, (a, b) in enumerate(zip(points[:-1], points[1:])):
        ux, uy = (b - a) / max(lengths[i], 1e-6)
        px, py = columns - a[0], rows - a[1]
        t = np.clip(px * ux + py * uy, 0, lengths[i])
        distance = np.hypot(px - t * ux, py - t * uy)
        closer = distance < best
        best = np.where(closer, distance, best)
        side = np.where(closer, np.sign(ux * py - uy * px), side)
        place = np.where(closer, (before[i] + t) / before[-1], place)
    return rows, columns, best * side, place


def tint(rng, value, spread):
    """A colour of about this brightness."""
    return np.clip(value + rng.uniform(-spread, spread, 3), 0.02, 1).astype(np.float32)


def away_from(rng, level, low=0.25):
    """A brightness that stands out from `level`, lighter or darker."""
    options = [v for v in (rng.uniform(0.03, 0.45), rng.uniform(0.55, 1)) if abs(v - level) > low]
    return options[rng.integers(len(options))] if options else (0.05 if level > 0.5 else 0.98)


def particle(rng, canvas, x, y, s, light):
    """A compact, many-cornered grain: facets, a lit and a dark side, and a shadow that falls away from the light."""
    radius = rng.uniform(8, 17) * s
    corners = rng.integers(5, 9)
    angles = np.sort((np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners)
    reach = radius * rng.uniform(0.75, 1.15, corners)
    turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.65, 1)
    px, py = reach * np.cos(angles), reach * np.sin(angles) * squeeze
    px, py = px * np.cos(turn) - py * np.sin(turn), px * np.sin(turn) + py * np.cos(turn)
    region, dx, dy = box(canvas, x, y, radius * 2)
    facet = rng.uniform(-0.15, 0.15, corners)

    def field(dx, dy):
        """Inside a polygon that is nearly convex: below every edge's line. Also the edge that is nearest."""
        lines = []
        for i in range(corners):
            ex, ey = px[(i + 1) % corners] - px[i], py[(i + 1) % corners] - py[i]
            lines.append(((dx - px[i]) * ey - (dy - py[i]) * ex) / max(np.hypot(ex, ey), 1e-6))
        lines = np.stack(lines)
        return lines.max(0), lines.argmax(0)

    inside, edge = field(dx, dy)
    shadow, _ = field(dx + light[0] * 0.3 * radius, dy + light[1] * 0.3 * radius)
    level = canvas[region].mean() if dx.size else 0.5
    blend(canvas, region, 0.55 * (1 - smoothstep(-0.1 * radius, 0.3 * radius, shadow)), np.float32(0.02))
    colour = np.maximum(tint(rng, away_from(rng, level, 0.2), 0.1), 0.1)
    slope = (dx * light[0] + dy * light[1]) / radius
    shade = colour + (0.22 * slope + facet[edge])[..., None]
    glint = np.exp(-((dx - light[0] * radius * 0.4) ** 2 + (dy - light[1] * radius * 0.4) ** 2) / (radius * 0.22) ** 2)
    shade = np.clip(shade + rng.uniform(0.25, 0.6) * glint[..., None], 0.01, 1)
    blend(canvas, region, np.clip(0.5 - inside, 0, 1), shade)
    return region, inside < 0


def pit(rng, canvas, x, y, s, light):
    """A round hole: dark within, darkest under the wall towards the light; the far wall's rim is lit."""
    radius = rng.uniform(7.5, 14) * s
    region, dx, dy = box(canvas, x, y, radius * 1.6)
    angle = np.arctan2(dy, dx)
    wobble = 1 + 0.06 * np.sin(2 * angle + rng.uniform(0, 6.3)) + 0.04 * np.sin(3 * angle + rng.uniform(0, 6.3))
    inside = np.hypot(dx, dy) - radius * wobble
    towards = (dx * light[0] + dy * light[1]) / (np.hypot(dx, dy) + 1e-3)
    surface = canvas[region].copy()
    floor = surface * rng.uniform(0.12, 0.4) * (1 - 0.3 * towards * np.hypot(dx, dy) / radius)[..., None]
    blend(canvas, region, np.clip(0.5 - inside, 0, 1), floor)
    thick = rng.uniform(0.18, 0.28) * radius
    rim = np.exp(-((inside + thick) / (0.6 * thick)) ** 2) * smoothstep(-0.3, 0.6, -towards)
    blend(canvas, region, rng.uniform(0.8, 1) * rim, np.clip(surface + rng.uniform(0.25, 0.5), 0.5, 1))
    return region, inside < 0


def stain(rng, canvas, x, y, s, light):
    """A large soft tint: it colours what lies under it and hides nothing. Some have dried to a darker edge."""
    radius = rng.uniform(20, 52) * s
    region, dx, dy = box(canvas, x, y, radius * 1.9)
    if dx.size == 0:
        return region, dx < 0
    turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.6, 1)
    u, v = dx * np.cos(turn) + dy * np.sin(turn), (dy * np.cos(turn) - dx * np.sin(turn)) / squeeze
    angle = np.arctan2(v, u)
    outline = sum(rng.uniform(0, 0.3 / k) * np.sin(k * angle + rng.uniform(0, 6.3)) for k in range(2, 6))
    inside = np.hypot(u, v) - radius * (0.9 + outline)
    soft = rng.uniform(1.5, 5) * s
    alpha = 1 - smoothstep(-soft, soft, inside)
    alpha *= 0.8 + 0.4 * smooth_noise(rng, *dx.shape, 14 * s)
    if rng.random() < 0.5:
        alpha *= 0.75 + 0.4 * np.exp(-((inside + soft) / (2.5 * s)) ** 2)
    surface = canvas[region]
    kind, dark = rng.random(), surface.mean() < 0.25
    if dark or kind < 0.25:  # a bleached or dusty film
        colour = surface + (tint(rng, 0.75, 0.25) - surface) * rng.uniform(0.35, 0.6)
    elif kind < 0.7:  # oil, rust, water
        hue = np.array([[0.62, 0.42, 0.22], [0.75, 0.38, 0.2], [0.35, 0.38, 0.5], [0.45, 0.52, 0.3]])[rng.integers(4)]
        colour = surface * np.clip(hue + rng.uniform(-0.08, 0.08, 3), 0.1, 1)
    else:  # something that darkens evenly
        colour = surface * rng.uniform(0.4, 0.65)
    blend(canvas, region, np.clip(alpha, 0, 1), colour.astype(np.float32))
    return region, inside < 0


def scratch(rng, canvas, x, y, s, light):
    """A groove: straight or gently bent, thinning at its ends, one wall bright and the other dark."""
    length, wide = rng.uniform(60, 210) * s, rng.uniform(6, 9.5) * s
    turn, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.12)
    t = np.linspace(-0.5, 0.5, 16)
    u, v = t * length, bend * length * (1 - 4 * t * t) + rng.normal(0, 0.03) * length * np.sin(2 * np.pi * t)
    points = np.stack([x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], 1)
    rows, columns, across, place = near_curve(canvas.shape, points, wide)
    taper = np.clip(np.minimum(place, 1 - place) / rng.uniform(0.15, 0.45), 0, 1) ** 0.5
    half = wide / 2 * (0.45 + 0.55 * taper)
    inside = np.abs(across) - half
    if rng.random() < 0.5:
        across = -across
    region = (rows, columns)
    surface = canvas[region].copy()
    level = surface.mean() if len(rows) else 0.5
    dark = surface * rng.uniform(0.2, 0.5)
    bright = np.clip(surface + rng.uniform(0.25, 0.5), max(0.55, min(0.9, level + 0.2)), 1)
    wall = smoothstep(-0.25, 0.25, across / half + rng.uniform(-0.25, 0.25))[..., None]
    blend(canvas, region, rng.uniform(0.65, 1) * np.clip(0.5 - inside, 0, 1), dark + (bright - dark) * wall)
    return region, inside < 0


def fiber(rng, canvas, x, y, s, light):
    """A hair or thread that lies on the surface: long, curly, of even width and colour, over a soft shadow."""
    length, wide = rng.uniform(110, 300) * s, rng.uniform(5, 8) * s
    steps = 44
    curl = np.convolve(rng.normal(0, 1, steps + 10), np.hanning(11), "valid")[:steps] * rng.uniform(0.1, 0.22)
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(curl + rng.normal(0, 0.04))
    points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0) * length / steps
    points = points - points.mean(0) + (x, y)
    rows, columns, across, _ = near_curve(canvas.shape, points, wide * 1.3)
    region, half = (rows, columns), wide / 2
    level = canvas[region].mean() if len(rows) else 0.5
    # The shadow is symmetric: a fiber lies flat, and a one-sided one would make it look like a scratch.
    blend(canvas, region, rng.uniform(0.1, 0.4) * (1 - smoothstep(0, wide * 0.9, np.abs(across) - half)), np.float32(0.03))
    vivid = np.array([[0.75, 0.12, 0.12], [0.12, 0.25, 0.75], [0.1, 0.5, 0.25], [0.55, 0.2, 0.6], [0.85, 0.6, 0.1]])
    colour = vivid[rng.integers(5)] + rng.uniform(-0.1, 0.1, 3) if rng.random() < 0.5 else tint(rng, away_from(rng, level), 0.05)
    if abs(colour.mean() - level) < 0.15:
        colour = colour * 0.4 if level > 0.3 else colour + 0.35
    round_ = 1 + 0.2 * (1 - 2 * np.abs(across) / half)[..., None]
    blend(canvas, region, np.clip(0.5 - (np.abs(across) - half), 0, 1), np.clip(colour * round_, 0.01, 1))
    return region, np.abs(across) < half


DRAW = {STAIN: stain, PIT: pit, SCRATCH: scratch, PARTICLE: particle, FIBER: fiber}
# How many of each lie on a picture of 256 x 256, on average. The thin and the small ones need more of them.
DENSITY = {STAIN: 0.7, PIT: 1.6, SCRATCH: 1.3, PARTICLE: 1.7, FIBER: 1.0}


def place(canvas, labels, kind, rng, x, y, s, light):
    """Draws one defect, again if it can hardly be seen: a label that no eye could give teaches nothing."""
    for _ in range(5):
        trial = canvas.copy()
        region, inside = DRAW[kind](rng, trial, x, y, s, light)
        if not inside.any():
            return canvas
        change = np.abs(trial[region] - canvas[region]).max(-1)[inside]
        if np.median(change) > 0.14:
            labels[region] = np.where(inside, kind, labels[region])
            return trial
    return canvas


def photograph(rng, canvas, s, mild):
    """What a lamp, a lens, a sensor and a file format do to a picture."""
    height, width = canvas.shape[:2]
    force = 0.4 if mild else 1
    y, x = np.mgrid[-1:1:height * 1j, -1:1:width * 1j].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    canvas = canvas * (1 + force * rng.uniform(0, 0.35) * (x * np.cos(turn) + y * np.sin(turn)))[..., None]
    canvas = canvas * (1 - force * rng.uniform(0, 0.35) * (x * x + y * y) / 2)[..., None]
    canvas = canvas * (1 + force * rng.uniform(-0.08, 0.08, 3)) * (1 + force * rng.uniform(-0.25, 0.2))
    canvas = np.clip(canvas, 0, 1) ** np.exp(force * rng.uniform(-0.3, 0.3))
    canvas = canvas.mean() + (canvas - canvas.mean()) * (1 + force * rng.uniform(-0.3, 0.25))
    picture = Image.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    if rng.random() < 0.6:
        picture = picture.filter(ImageFilter.GaussianBlur(force * rng.uniform(0.2, 1.2) * s))
    noisy = np.asarray(picture, np.float32) + rng.normal(0, force * rng.uniform(0.5, 7), (height, width, 1))
    noisy += rng.normal(0, force * rng.uniform(0.2, 3), (height, width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def draw(rng, width, height, s, mild=False, kind=None, density=1.0):
    """One picture and its label map. `s` is the size of defects: 1 for a picture that the model sees as it is."""
    canvas = draw_panel(rng, height, width, s, kind).astype(np.float32)
    labels = np.zeros((height, width), np.uint8)
    turn = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(turn), np.sin(turn)])
    area = width * height / (256 * 256 * s * s)
    if rng.random() > 0.03:
        for kind in DRAW:
            for _ in range(rng.poisson(DENSITY[kind] * area * density)):
                x, y = rng.uniform(0, width), rng.uniform(0, height)
                canvas = place(canvas, labels, kind, rng, x, y, s * np.exp(rng.uniform(-0.15, 0.3)), light)
    return photograph(rng, canvas, s, mild), labels


def as_jpeg(picture, quality):
    data = io.BytesIO()
    picture.save(data, "jpeg", quality=quality)
    return Image.open(io.BytesIO(data.getvalue())).convert("RGB")


def example(rng, side):
    """A training picture: drawn at another size and shape, saved, then resized, as the pre-processor will."""
    f, aspect = np.exp(rng.uniform(np.log(0.5), np.log(1.6))), np.exp(rng.uniform(-0.4, 0.4))
    width, height = round(side * f * aspect ** 0.5), round(side * f / aspect ** 0.5)
    if rng.random() < 0.3:
        width, height, f = side, side, 1
    picture, labels = draw(rng, width, height, f)
    picture = as_jpeg(picture, int(rng.integers(55, 96))).resize((side, side), Image.BILINEAR)
    return np.asarray(picture), np.asarray(Image.fromarray(labels).resize((side, side), Image.NEAREST))


def overlay(picture, labels):
    picture = np.asarray(picture, np.float32)
    mixed = np.where(labels[..., None] > 0, 0.45 * picture + 0.55 * COLOURS[labels], picture)
    return mixed.astype(np.uint8)


def main(command, path, *rest):
    if command == "pool":
        os.makedirs(path, exist_ok=True)
        count, seed, side = map(int, rest)
        for shard in range(count):
            rng = np.random.default_rng([seed, shard])
            pictures, labels = zip(*(example(rng, side) for _ in range(100 * 256 ** 2 // side ** 2)))
            data = np.concatenate([np.stack(pictures), np.stack(labels)[..., None]], -1)
            np.save(f"{path}/{seed}.part", data)
            os.rename(f"{path}/{seed}.part.npy", f"{path}/{seed}-{shard:04}.npy")  # whole or absent: training reads on
    elif command == "heldout":
        os.makedirs(path, exist_ok=True)
        count, seed = map(int, rest)
        for i in range(count):
            rng = np.random.default_rng([seed, i])
            width, height = (int(n) for n in rng.integers(256, 513, 2))
            picture, labels = draw(rng, width, height, (width * height) ** 0.5 / 512)
            picture.save(f"{path}/{i:03}.jpg", quality=90)
            Image.fromarray(labels).save(f"{path}/{i:03}.labels.png", optimize=True)
    elif command == "look":
        rng = np.random.default_rng(int(rest[0]))
        rows = []
        for _ in range(4):
            pairs = [example(rng, 256) for _ in range(3)]
            rows.append(np.concatenate([np.concatenate([p, overlay(p, l)], 1) for p, l in pairs], 1))
        Image.fromarray(np.concatenate(rows)).save(path)
    elif command == "sample":
        rng = np.random.default_rng(107)
        picture, labels = draw(rng, 960, 640, 1.5, mild=True, kind="pcb", density=0.75)
        picture.save(path, quality=92)


if __name__ == "__main__":
    main(*sys.argv[1:])
