"""Networks written by hand in PyTorch, for measuring other tools on them."""

from __future__ import annotations

from collections.abc import Callable
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


class BasicBlock(nn.Module):
    """The building block of arXiv:1512.03385, figure 5, on the left."""

    def __init__(self, channels: int, planes: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride > 1 or channels != planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return cast(Tensor, self.relu(y + (x if self.downsample is None else self.downsample(x))))


def resnet18() -> nn.Module:
    """ResNet-18, for 224x224 images."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 64
    for stage in range(4):
        for unit in range(2):
            planes = 64 * 2**stage
            layers.append(BasicBlock(channels, planes, 2 if stage and not unit else 1))
            channels = planes
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]
    return nn.Sequential(*layers)


def alexnet() -> nn.Module:
    """AlexNet (Krizhevsky et al. 2012) on one GPU, without groups, for 227x227 images."""
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4),
        nn.ReLU(),
        nn.LocalResponseNorm(5, k=2),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2),
        nn.ReLU(),
        nn.LocalResponseNorm(5, k=2),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(9216, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 1000),
        nn.Softmax(1),
    )


def vgg16() -> nn.Module:
    """Configuration D of arXiv:1409.1556, for 224x224 images."""
    layers: list[nn.Module] = []
    channels = 3
    for planes, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, planes, 3, padding=1), nn.ReLU()]
            channels = planes
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout()]
    layers += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000), nn.Softmax(1)]
    return nn.Sequential(*layers)


def lenet5() -> nn.Module:
    """LeNet-5 in its modern form, for 32x32 digits."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
        nn.Softmax(1),
    )


class Mixture(nn.Module):
    """What counters disagree about most, in one network; its spec is ``mixture.yaml``."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(8, 16, 4, 2, 1, groups=2)
        self.bn = nn.BatchNorm2d(16)
        self.gelu = nn.GELU()
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear")
        self.same = nn.Conv2d(16, 32, 3, padding="same", groups=2)
        self.pool = nn.AvgPool2d(4)
        self.norm = nn.LayerNorm(32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.expand = nn.Linear(32, 64)
        self.lstm = nn.LSTM(64, 24, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, 10)
        self.softmax = nn.Softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.upsample(self.gelu(self.bn(self.up(x))))
        tokens = self.pool(self.same(x)).flatten(2).permute(0, 2, 1)
        normed = self.norm(tokens)
        tokens = self.attention(normed, normed, normed, need_weights=False)[0] + tokens
        states, _ = self.lstm(self.expand(tokens))
        return cast(Tensor, self.softmax(self.head(states)))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "lenet5": lenet5,
    "alexnet": alexnet,
    "vgg16": vgg16,
    "googlenet": googlenet,
    "resnet18": resnet18,
    "resnet152": resnet152,
    "mixture": Mixture,
}
"""The networks by the names of their specs."""
