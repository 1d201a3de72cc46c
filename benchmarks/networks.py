"""GoogLeNet and ResNet-152 written by hand in PyTorch, for measuring other tools on them."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class Inception(nn.Module):
    """Table 1 of arXiv:1409.4842, one row: four branches, concatenated."""

    def __init__(self, channels: int, n1: int, r3: int, n3: int, r5: int, n5: int, pool: int):
        super().__init__()
        self.branch1 = nn.Sequential(nn.Conv2d(channels, n1, 1), nn.ReLU())
        self.branch3 = nn.Sequential(
            nn.Conv2d(channels, r3, 1), nn.ReLU(), nn.Conv2d(r3, n3, 3, padding=1), nn.ReLU()
        )
        self.branch5 = nn.Sequential(
            nn.Conv2d(channels, r5, 1), nn.ReLU(), nn.Conv2d(r5, n5, 5, padding=2), nn.ReLU()
        )
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(3, 1, 1), nn.Conv2d(channels, pool, 1), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.branch1, self.branch3, self.branch5, self.branch_pool)
        return torch.cat([branch(x) for branch in branches], 1)


def googlenet() -> nn.Module:
    """GoogLeNet as published, without the auxiliary heads, for 224x224 images."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3),
        nn.ReLU(),
        pool(),
        nn.LocalResponseNorm(5),
        nn.Conv2d(64, 64, 1),
        nn.ReLU(),
        nn.Conv2d(64, 192, 3, padding=1),
        nn.ReLU(),
        nn.LocalResponseNorm(5),
        pool(),
        Inception(192, 64, 96, 128, 16, 32, 32),
        Inception(256, 128, 128, 192, 32, 96, 64),
        pool(),
        Inception(480, 192, 96, 208, 16, 48, 64),
        Inception(512, 160, 112, 224, 24, 64, 64),
        Inception(512, 128, 128, 256, 24, 64, 64),
        Inception(512, 112, 144, 288, 32, 64, 64),
        Inception(528, 256, 160, 320, 32, 128, 128),
        pool(),
        Inception(832, 256, 160, 320, 32, 128, 128),
        Inception(832, 384, 192, 384, 48, 128, 128),
        nn.AvgPool2d(7, 1),
        nn.Dropout(0.4),
        nn.Flatten(),
        nn.Linear(1024, 1000),
        nn.Softmax(1),
    )


class Bottleneck(nn.Module):
    """The bottleneck of arXiv:1512.03385, figure 5, with its stride in the 3x3."""

    def __init__(self, channels: int, planes: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride > 1 or channels != 4 * planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return cast(Tensor, self.relu(y + (x if self.downsample is None else self.downsample(x))))


def resnet152() -> nn.Module:
    """ResNet-152, for 224x224 images."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 64
    for stage, depth in enumerate((3, 8, 36, 3)):
        for unit in range(depth):
            planes = 64 * 2**stage
            layers.append(Bottleneck(channels, planes, 2 if stage and not unit else 1))
            channels = 4 * planes
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000)]
    return nn.Sequential(*layers)
