"""Trains the model on pools that draw.py has drawn (and may still be drawing).

    train.py SMALL_POOL LARGE_POOL CHECK WEIGHTS MINUTES [START]

The schedule follows the clock and not a count of steps, so a run ends when it is told to whatever else the machine does.
Crops of small pictures first, which is cheap; then pictures of the full size, because attention over a whole picture is
what the model will do in use. A run that starts from the weights of another takes the large pictures alone, at a lower
rate. The weights that are saved are a moving average of those that are trained.
"""
import copy
import glob
import math
import os
import random
import sys
import time

import numpy as np
import torch
from torch.nn import functional as F

from evaluate import evaluate, normalize, scores
from model import SegFormer

PEAK, PEAK_AGAIN = 1.5e-3, 8e-4  # learning rates
SMALL_SHARE = 0.6  # of the time, on crops
# Background is most of every picture; without a weight the thin classes are eaten from their edges.
WEIGHTS = torch.tensor([0.7, 1.2, 1.3, 1.0, 1.3, 1.2])


class Pool:
    """Shards of pictures on disk, found anew while a drawer is still at work."""

    def __init__(self, folder):
        self.folder, self.shards, self.looked = folder, {}, 0.0

    def batch(self, count, side):
        if time.time() - self.looked > 20:
            self.looked = time.time()
            for path in glob.glob(f"{self.folder}/*-*.npy"):
                if path not in self.shards:
                    self.shards[path] = np.load(path, mmap_mode="r")
        shards = list(self.shards.values())
        views = []
        for _ in range(count):
            shard = random.choice(shards)
            picture = shard[random.randrange(len(shard))]
            top, left = (random.randint(0, picture.shape[0] - side) for _ in range(2))
            view = np.rot90(picture[top:top + side, left:left + side], random.randrange(4))
            views.append(view[:, ::-1] if random.random() < 0.5 else view)
        data = torch.from_numpy(np.stack(views))
        return normalize(jitter(data[..., :3])), data[..., 3].long()


def jitter(pictures):
    """Brightness, contrast and colour of each picture, a little off."""
    n = len(pictures)
    pictures = pictures.float()
    mean = pictures.mean((1, 2, 3), keepdim=True)
    pictures = mean + (pictures - mean) * torch.empty(n, 1, 1, 1).uniform_(0.75, 1.25)
    pictures = pictures * torch.empty(n, 1, 1, 3).uniform_(0.88, 1.12) + torch.empty(n, 1, 1, 1).uniform_(-25, 25)
    return pictures.clamp(0, 255)


def loss_of(logits, labels):
    """Cross-entropy, for every pixel, plus Dice, for every class: Dice does not care how few pixels a class has."""
    logits = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
    probability = logits.softmax(1)
    truth = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).float()
    both = (probability * truth).sum((0, 2, 3))
    dice = 1 - (2 * both + 1) / (probability.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1)
    return F.cross_entropy(logits, labels, WEIGHTS) + dice.mean()


def main(small, large, check, path, minutes, begin=None):
    random.seed(5)
    torch.manual_seed(5)
    torch.set_num_threads(2)
    model = SegFormer()
    if begin:
        model.load_state_dict(torch.load(begin))
    average = copy.deepcopy(model).eval()
    peak, small_share = (PEAK_AGAIN, 0) if begin else (PEAK, SMALL_SHARE)
    plain = [p for p in model.parameters() if p.ndim < 2]
    heavy = [p for p in model.parameters() if p.ndim >= 2]
    optimizer = torch.optim.AdamW([{"params": heavy, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0}])
    small, large = Pool(small), Pool(large)
    start, step, tested, running = time.time(), 0, 0.0, 0.0
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    while True:
        done = (time.time() - start) / (60 * float(minutes))
        if done - tested > 0.1 or done >= 1:
            tested = done
            result = scores(evaluate(average, check))
            torch.save(average.state_dict(), path + ".part")
            os.rename(path + ".part", path)
            per_class = " ".join(f"{k} {v:.3f}" for k, v in result["iou"].items())
            print(f"{done:.2f} step {step} loss {running:.3f} mIoU {result['miou']:.4f} {per_class}", flush=True)
        if done >= 1:
            break
        rate = peak * (done / 0.03 if done < 0.03 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.03) / 0.97))
        for group in optimizer.param_groups:
            group["lr"] = rate + 1e-6
        pictures, labels = small.batch(8, 192) if done < small_share else large.batch(2, 448)
        loss = loss_of(model(pictures), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        running += (loss.item() - running) * max(0.01, 1 / step)
        keep = min(0.999, (step + 1) / (step + 10))
        with torch.no_grad():
            for a, b in zip(average.state_dict().values(), model.state_dict().values()):
                if a.dtype.is_floating_point:
                    a.lerp_(b, 1 - keep)
        if step % 100 == 0:
            print(f"step {step} {time.time() - start:.0f} s loss {running:.3f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
