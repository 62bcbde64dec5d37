"""Draws the panels that the defects lie on: what the model must learn to ignore."""
import numpy as np
from PIL import Image, ImageDraw


def smoothstep(low, high, x):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def smooth_noise(rng, height, width, cell, stretch=1.0):
    """Noise of [height, width] in 0..1 that varies over about `cell` pixels, `stretch` times as slowly along x."""
    rows, columns = max(2, int(height / cell) + 2), max(2, int(width / cell / stretch) + 2)
    grid = Image.fromarray(rng.random((rows, columns)).astype(np.float32))
    return np.clip(np.asarray(grid.resize((width, height), Image.BICUBIC)), 0, 1)


def turned(rng, texture, height, width, angle):
    """The middle of a texture that is large enough to be turned."""
    picture = Image.fromarray(texture.astype(np.float32)).rotate(angle, Image.BILINEAR)
    top, left = (picture.height - height) // 2, (picture.width - width) // 2
    return np.asarray(picture)[top:top + height, left:left + width]


def base_colour(rng, saturation):
    """A brightness from dark to light, slightly or strongly coloured."""
    return np.clip(rng.uniform(0.12, 0.85) + rng.uniform(-saturation, saturation, 3), 0.05, 0.95)


def brushed(rng, height, width, s):
    side = int(np.hypot(height, width)) + 4
    streaks = 0.6 * smooth_noise(rng, side, side, 1.3 * s, rng.uniform(20, 80)) + 0.4 * smooth_noise(rng, side, side, 3 * s, 60)
    streaks = turned(rng, streaks, height, width, rng.choice([0, 90, rng.uniform(0, 180)]))
    sheen = smooth_noise(rng, height, width, rng.uniform(80, 250) * s)
    grey = streaks * rng.uniform(0.06, 0.28) + sheen * rng.uniform(0.05, 0.3)
    return base_colour(rng, 0.04) + (grey - grey.mean())[..., None]


def cast(rng, height, width, s):
    noise = sum(smooth_noise(rng, height, width, cell * s) * weight for cell, weight in ((1.5, 0.3), (4, 0.3), (12, 0.25), (60, 0.4)))
    return base_colour(rng, 0.06) + (noise - noise.mean())[..., None] * rng.uniform(0.15, 0.5)


def gradient(rng, height, width, s):
    y, x = np.mgrid[-0.5:0.5:height * 1j, -0.5:0.5:width * 1j]
    turn = rng.uniform(0, 2 * np.pi)
    t = (x * np.cos(turn) + y * np.sin(turn) + 0.7) / 1.4
    a, b = base_colour(rng, 0.15), base_colour(rng, 0.15)
    return a + (b - a) * rng.uniform(0.2, 0.9) * t[..., None] + rng.uniform(-0.02, 0.02) * smooth_noise(rng, height, width, 2 * s)[..., None]


def painted(rng, height, width, s):
    """Orange peel: paint whose small waves catch the light."""
    waves = smooth_noise(rng, height, width, rng.uniform(3, 7) * s)
    relief = np.gradient(waves, axis=0) + np.gradient(waves, axis=1)
    sheen = smooth_noise(rng, height, width, 120 * s)
    return base_colour(rng, 0.17) + (relief * rng.uniform(0.2, 0.7) * s + (sheen - 0.5) * rng.uniform(0, 0.25))[..., None]


def milled(rng, height, width, s):
    """Arcs that a turning cutter leaves."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre = rng.uniform(-1, 2, 2) * (width, height)
    r = np.hypot(x - centre[0], y - centre[1]) / (rng.uniform(3, 9) * s)
    arcs = np.sin(2 * np.pi * r + 3 * smooth_noise(rng, height, width, 90 * s)) * smooth_noise(rng, height, width, 25 * s)
    return base_colour(rng, 0.04) + (arcs * rng.uniform(0.03, 0.1) + 0.15 * (smooth_noise(rng, height, width, 150 * s) - 0.5))[..., None]


def woven(rng, height, width, s):
    side = int(np.hypot(height, width)) + 4
    y, x = np.mgrid[:side, :side] / (rng.uniform(6, 11) * s) * np.pi
    weave = turned(rng, np.sin(x) * np.cos(y) * np.sign(np.sin(x / 2) * np.sin(y / 2)), height, width, rng.uniform(0, 90))
    return base_colour(rng, 0.1) + (weave * rng.uniform(0.02, 0.08) + 0.1 * (smooth_noise(rng, height, width, 60 * s) - 0.5))[..., None]


def letters(rng, picture, x, y, size, colour):
    """A short name in small print."""
    text = "RCULQDT"[rng.integers(7)] + str(rng.integers(1, 400))
    ink = Image.new("L", (7 * len(text), 11))
    ImageDraw.Draw(ink).text((0, 0), text, fill=255)
    ink = ink.resize((max(1, int(ink.width * size / 11)), max(1, int(size))), Image.BILINEAR)
    picture.paste(colour, (int(x), int(y)), ink)


def pcb(rng, height, width, s):
    """Solder mask, traces that bend by 45 degrees, pads, vias and printing; drawn twice as large and shrunk."""
    masks = [(12, 82, 48), (16, 110, 62), (20, 50, 110), (26, 28, 32), (120, 24, 30), (200, 202, 196), (40, 70, 60)]
    mask = np.clip(np.array(masks[rng.integers(len(masks))]) + rng.integers(-10, 11, 3), 0, 255)
    metal = np.array([(205, 170, 90), (196, 198, 200), (184, 122, 80)][rng.integers(3)])
    trace = tuple(int(v) for v in np.clip(mask + rng.integers(12, 40) * (1 if mask.mean() < 140 else -1), 0, 255))
    picture = Image.new("RGB", (2 * width, 2 * height), tuple(int(v) for v in mask))
    pen, k = ImageDraw.Draw(picture), 2 * s
    silk = (225, 228, 225) if mask.mean() < 140 else (60, 62, 64)
    pitch = rng.uniform(13, 22) * k
    diagonal = np.array([[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]])

    def ring(x, y, outer, inner):
        pen.ellipse([x - outer, y - outer, x + outer, y + outer], fill=tuple(int(v) for v in metal))
        pen.ellipse([x - inner, y - inner, x + inner, y + inner], fill=(22, 22, 24))

    area = width * height / (256 * 256 * s * s)
    for _ in range(rng.poisson(3 * area)):  # buses: a few parallel traces that turn together
        lines, wide = rng.integers(1, 5), rng.uniform(4, 8) * k
        turn = rng.integers(8)
        path = [rng.uniform(0, 1, 2) * (2 * width, 2 * height)]
        for _ in range(rng.integers(2, 5)):
            path.append(path[-1] + diagonal[turn] * rng.uniform(30, 120) * k)
            turn = (turn + rng.choice([-1, 1])) % 8
        for line in range(lines):
            moved = [tuple(p + np.array([1, 1]) * line * pitch * 0.7) for p in path]
            pen.line(moved, fill=trace, width=max(1, int(wide)), joint="curve")
            for end in (moved[0], moved[-1]):
                ring(*end, wide * rng.uniform(0.9, 1.2), wide * 0.45)
    for _ in range(rng.poisson(1.2 * area)):  # rows of pads
        x, y = rng.uniform(0, 1, 2) * (2 * width, 2 * height)
        across, along = rng.uniform(5, 9) * k, rng.uniform(9, 22) * k
        lying = rng.random() < 0.5
        for i in range(rng.integers(2, 9)):
            u, v = (x + i * across * 1.9, y) if lying else (x, y + i * across * 1.9)
            w, h = (across, along) if lying else (along, across)
            pen.rectangle([u, v, u + w, v + h], fill=tuple(int(c) for c in metal))
    for _ in range(rng.poisson(0.7 * area)):  # resistors and capacitors, each with its name
        x, y = rng.uniform(0, 1, 2) * (2 * width, 2 * height)
        across, along = rng.uniform(8, 13) * k, rng.uniform(18, 28) * k
        body = tuple(int(c) for c in np.array([(38, 38, 42), (150, 112, 74), (120, 118, 112), (176, 160, 130)])[rng.integers(4)])
        for i in range(rng.integers(1, 4)):
            u, v = x + i * across * 2, y
            pen.rectangle([u - 0.3 * across, v - 0.2 * across, u + 1.3 * across, v + along + 0.2 * across], outline=silk, width=max(1, int(0.8 * k)))
            pen.rectangle([u, v, u + across, v + along], fill=tuple(int(c) for c in metal))
            pen.rectangle([u, v + 0.22 * along, u + across, v + 0.78 * along], fill=body)
            letters(rng, picture, u, v + along + 2 * k, 7 * k, silk)
    for _ in range(rng.poisson(0.35 * area)):  # chips: legs on two sides, a dot at the first leg, a printed name
        x, y = rng.uniform(0, 1, 2) * (2 * width, 2 * height)
        legs, step, deep = rng.integers(4, 10), rng.uniform(8, 11) * k, rng.uniform(28, 50) * k
        lying = rng.random() < 0.5
        for i in range(legs):
            a, b = (i + 0.3) * step, (i + 0.7) * step
            leg = [x + a, y - 6 * k, x + b, y + deep + 6 * k] if lying else [x - 6 * k, y + a, x + deep + 6 * k, y + b]
            pen.rectangle(leg, fill=tuple(int(v) for v in metal))
        w, h = (legs * step, deep) if lying else (deep, legs * step)
        grey = int(rng.integers(26, 52))
        pen.rectangle([x, y, x + w, y + h], fill=(grey, grey, grey + 3), outline=(grey + 22,) * 3, width=max(1, int(k)))
        pen.ellipse([x + 4 * k, y + 4 * k, x + 8 * k, y + 8 * k], fill=(grey + 40,) * 3)
        for line in range(2):
            letters(rng, picture, x + 0.2 * w, y + (0.3 + 0.25 * line) * h, 8 * k, (grey + 75,) * 3)
    board = np.asarray(picture.resize((width, height), Image.BOX), np.float32) / 255
    return board + 0.05 * (smooth_noise(rng, height, width, 2 * s) - 0.5)[..., None]


def furnish(rng, canvas, s):
    """Seams, screws and holes: parts of a panel that are no defects."""
    height, width = canvas.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    if rng.random() < 0.25:
        turn = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
        d = (x - rng.uniform(0, width)) * np.sin(turn) - (y - rng.uniform(0, height)) * np.cos(turn)
        half = rng.uniform(0.8, 1.6) * s
        canvas *= 1 - 0.6 * np.clip(half + 0.5 - np.abs(d), 0, 1)[..., None]
    for _ in range(rng.poisson(0.25 * width * height / (256 * 256 * s * s))):
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(22, 34) * s
        d = np.hypot(x - cx, y - cy)
        metal = np.clip(rng.uniform(0.35, 0.8) + rng.uniform(-0.04, 0.04, 3), 0, 1) * (1 + 0.25 * ((x - cx) - (y - cy)) / r / 2)[..., None]
        canvas += (metal - canvas) * np.clip(r + 0.5 - d, 0, 1)[..., None]
        canvas *= 1 - 0.5 * np.exp(-((d - r) / (1.2 * s)) ** 2)[..., None]
        turn = rng.uniform(0, np.pi)
        u, v = np.abs((x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)), np.abs((y - cy) * np.cos(turn) - (x - cx) * np.sin(turn))
        arm, half = 0.6 * r, 0.13 * r
        slot = np.maximum(u - arm, v - half)
        if rng.random() < 0.5:
            slot = np.minimum(slot, np.maximum(v - arm, u - half))
        canvas *= 1 - 0.75 * np.clip(0.5 - slot, 0, 1)[..., None]
    return canvas


PANELS = {"brushed": brushed, "cast": cast, "gradient": gradient, "painted": painted, "milled": milled, "woven": woven, "pcb": pcb}


def draw_panel(rng, height, width, s, kind=None):
    kind = kind or rng.choice(list(PANELS), p=[0.22, 0.14, 0.1, 0.14, 0.1, 0.08, 0.22])
    return np.clip(furnish(rng, np.array(PANELS[kind](rng, height, width, s), dtype=np.float64), s), 0, 1)
