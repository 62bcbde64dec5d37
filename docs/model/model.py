"""SegFormer (Xie et al. 2021), written out plainly.

The architecture is that of Hugging Face's SegformerForSemanticSegmentation: a Mix Transformer encoder of four stages
(overlapping patch embedding, efficient self-attention, Mix-FFN) and an all-MLP decode head whose logits have a quarter
of the input's size. The sizes below are small ones, so that the weights fit in a package.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = ["background", "particle", "scratch", "stain", "fiber", "pit"]

# The names are those of Hugging Face's SegformerConfig: export.py copies this dictionary into config.json.
CONFIG = {
    "num_channels": 3,
    "num_encoder_blocks": 4,
    "depths": [2, 2, 2, 2],
    "sr_ratios": [8, 4, 2, 1],
    "hidden_sizes": [24, 40, 64, 96],
    "patch_sizes": [7, 3, 3, 3],
    "strides": [4, 2, 2, 2],
    "num_attention_heads": [1, 2, 2, 4],
    "mlp_ratios": [4, 4, 4, 4],
    "decoder_hidden_size": 64,
}


def to_tokens(x):
    """[batch, channels, height, width] to [batch, height * width, channels]"""
    return x.flatten(2).transpose(1, 2)


def to_map(tokens, height, width):
    """The inverse of `to_tokens`. Sizes are read from tensors, so that the exported graph takes any size."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], height, width)


class PatchEmbedding(nn.Module):
    def __init__(self, channels, dim, patch, stride):
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, stride, padding=patch // 2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        x = self.proj(x)
        return self.norm(to_tokens(x)), x.shape[2], x.shape[3]


class Attention(nn.Module):
    """Self-attention whose keys and values come from a map shrunk `sr` times: N²/sr² and not N² products."""

    def __init__(self, dim, heads, sr):
        super().__init__()
        self.heads, self.sr = heads, sr
        self.scale = 1 / math.sqrt(dim // heads)
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        if sr > 1:
            self.reduce = nn.Conv2d(dim, dim, sr, sr)
            self.norm = nn.LayerNorm(dim)

    def split(self, x):
        if self.heads == 1:
            return x.unsqueeze(1)
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x, height, width):
        source = self.norm(to_tokens(self.reduce(to_map(x, height, width)))) if self.sr > 1 else x
        q, k, v = self.split(self.query(x)), self.split(self.key(source)), self.split(self.value(source))
        if self.scale != 1:
            q = q * self.scale
        mixed = torch.matmul(torch.softmax(torch.matmul(q, k.transpose(2, 3)), dim=-1), v)
        return self.out(mixed.squeeze(1) if self.heads == 1 else mixed.transpose(1, 2).flatten(2))


class MixFFN(nn.Module):
    """A depthwise 3x3 convolution between the two dense layers tells positions: there is no positional encoding."""

    def __init__(self, dim, ratio):
        super().__init__()
        self.dense1, self.dense2 = nn.Linear(dim, dim * ratio), nn.Linear(dim * ratio, dim)
        self.depthwise = nn.Conv2d(dim * ratio, dim * ratio, 3, padding=1, groups=dim * ratio)

    def forward(self, x, height, width):
        x = self.depthwise(to_map(self.dense1(x), height, width))
        return self.dense2(F.gelu(to_tokens(x)))


class Block(nn.Module):
    def __init__(self, dim, heads, sr, ratio):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention, self.ffn = Attention(dim, heads, sr), MixFFN(dim, ratio)

    def forward(self, x, height, width):
        x = x + self.attention(self.norm1(x), height, width)
        return x + self.ffn(self.norm2(x), height, width)


class Stage(nn.Module):
    def __init__(self, channels, i):
        super().__init__()
        dim = CONFIG["hidden_sizes"][i]
        self.embed = PatchEmbedding(channels, dim, CONFIG["patch_sizes"][i], CONFIG["strides"][i])
        block = (dim, CONFIG["num_attention_heads"][i], CONFIG["sr_ratios"][i], CONFIG["mlp_ratios"][i])
        self.blocks = nn.ModuleList(Block(*block) for _ in range(CONFIG["depths"][i]))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        x, height, width = self.embed(x)
        for block in self.blocks:
            x = block(x, height, width)
        return to_map(self.norm(x), height, width)


class Head(nn.Module):
    """The all-MLP decode head.

    The paper upsamples each stage's projection, concatenates the four and mixes them with a 1x1 convolution. A 1x1
    convolution commutes with bilinear upsampling, so mixing each stage at its own size and adding the upsampled
    results is the same function at a fraction of the work: `fuse[i]` is the i-th slice of that convolution.
    """

    def __init__(self, classes):
        super().__init__()
        dims, dim = CONFIG["hidden_sizes"], CONFIG["decoder_hidden_size"]
        self.project = nn.ModuleList(nn.Conv2d(d, dim, 1) for d in dims)
        self.fuse = nn.ModuleList(nn.Conv2d(dim, dim, 1, bias=False) for _ in dims)
        self.norm = nn.BatchNorm2d(dim)
        self.dropout = nn.Dropout2d(0.05)
        self.classifier = nn.Conv2d(dim, classes, 1)

    def forward(self, maps):
        mixed = [fuse(project(x)) for x, project, fuse in zip(maps, self.project, self.fuse)]
        size = mixed[0].shape[2:]
        total = mixed[0]
        for x in mixed[1:]:
            total = total + F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        return self.classifier(self.dropout(F.relu(self.norm(total))))


class SegFormer(nn.Module):
    def __init__(self, classes=len(CLASSES)):
        super().__init__()
        dims = [CONFIG["num_channels"]] + CONFIG["hidden_sizes"]
        self.stages = nn.ModuleList(Stage(dims[i], i) for i in range(CONFIG["num_encoder_blocks"]))
        self.head = Head(classes)
        self.apply(self.start)

    @staticmethod
    def start(module):
        """Initial weights, as in the paper's code: narrow normals, and He's for convolutions."""
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, pixel_values):
        maps = []
        for stage in self.stages:
            maps.append(stage(maps[-1] if maps else pixel_values))
        return self.head(maps)
