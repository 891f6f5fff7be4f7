"""The blocks of the residual family: features (B, H, W, C) -> (B, ~H/stride, ~W/stride, 1 or 4 times the width)."""

from dataclasses import dataclass

from keras import KerasTensor, layers, ops

from .torch_layers import average_halves, average_pool, conv, conv_norm, max_pool, named, norm, pooled

STAGE_WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block stands. module: the name of its weights; width: of its stage; of: its number among how many."""

    module: str
    width: int
    stride: int
    number: int
    of: int

    def __call__(self, part: str) -> str:
        return f"{self.module}.{part}"


@dataclass(frozen=True, slots=True)
class Traits:
    """What the blocks of one network have in common.

    groups, group_width: as in ResNeXt (arXiv:1611.05431), the width of a group in a stage of 64. reduce_first: by how
    much the first convolution is narrower than the second. average_down: the shortcut averages before its convolution
    (arXiv:1812.01187, ResNet-D). down_kernel: of the shortcut's convolution where it strides. squeeze: the module of
    squeeze and excitation (arXiv:1709.01507), none where it is empty. scales: of a Res2Net.
    """

    groups: int = 1
    group_width: int = 64
    reduce_first: int = 1
    average_down: bool = False
    down_kernel: int = 1
    squeeze: str = ""
    scales: int = 4


PLAIN = Traits()


def basic(x: KerasTensor, block: Block, traits: Traits) -> KerasTensor:
    """Two 3x3 convolutions (arXiv:1512.03385, figure 5 left)."""
    shortcut = _shortcut(x, block, traits, block.width)
    x = conv_norm(x, block.width, 3, (block("conv1"), block("bn1")), stride=block.stride)
    x = conv_norm(x, block.width, 3, (block("conv2"), block("bn2")), relu=False)
    return _joined(x, shortcut, block)


def bottleneck(x: KerasTensor, block: Block, traits: Traits) -> KerasTensor:
    """1x1, 3x3 and 1x1 (arXiv:1512.03385, figure 5 right); it is the 3x3 that strides."""
    width = block.width * traits.group_width // 64 * traits.groups
    shortcut = _shortcut(x, block, traits, 4 * block.width)
    x = conv_norm(x, width // traits.reduce_first, 1, (block("conv1"), block("bn1")))
    x = conv_norm(x, width, 3, (block("conv2"), block("bn2")), stride=block.stride, groups=traits.groups)
    x = conv_norm(x, 4 * block.width, 1, (block("conv3"), block("bn3")), relu=False)
    if traits.squeeze:
        x = _excited(x, block(traits.squeeze))
    return _joined(x, shortcut, block)


def split_attention(x: KerasTensor, block: Block, traits: Traits) -> KerasTensor:
    """The bottleneck of ResNeSt with two splits (arXiv:2004.08955, figure 2); an average strides, after the 3x3."""
    width = block.width
    shortcut = _shortcut(x, block, traits, 4 * width)
    x = conv_norm(x, width, 1, (block("conv1"), block("bn1")))
    x = conv_norm(x, 2 * width, 3, (block("conv2.conv"), block("conv2.bn0")), groups=2)
    splits = ops.split(x, 2, axis=-1)
    gap = pooled(layers.Add(name=named(block("conv2-sum")))(splits), block("conv2"))
    gap = norm(conv(gap, max(32, width // 2), 1, block("conv2.fc1"), bias=True), block("conv2.bn1"))
    # Every channel of the first split, then every channel of the second; the softmax is over the splits.
    logits = ops.split(conv(gap, 2 * width, 1, block("conv2.fc2"), bias=True), 2, axis=-1)
    share = ops.sigmoid(logits[0] - logits[1])  # softmax of two
    x = splits[1] + share * (splits[0] - splits[1])
    if block.stride > 1:
        x = average_pool(x, block("avd_last"), block.stride)
    x = conv_norm(x, 4 * width, 1, (block("conv3"), block("bn3")), relu=False)
    return _joined(x, shortcut, block)


def multi_scale(x: KerasTensor, block: Block, traits: Traits) -> KerasTensor:
    """The bottleneck of Res2Net (arXiv:1904.01169, figure 2): each part but the first also sees what came of the last.

    In the first block of a stage the parts stay by themselves, and the one that is not convolved is averaged.
    """
    width = block.width * traits.group_width // 64
    shortcut = _shortcut(x, block, traits, 4 * block.width)
    x = conv_norm(x, width * traits.scales, 1, (block("conv1"), block("bn1")))
    *parts, last = ops.split(x, traits.scales, axis=-1)
    done = []
    for number, part in enumerate(parts):
        if number and block.number:
            part = layers.Add(name=named(block(f"scale{number}")))([done[-1], part])
        modules = block(f"convs.{number}"), block(f"bns.{number}")
        done.append(conv_norm(part, width, 3, modules, stride=block.stride))
    done.append(last if block.number else average_pool(last, block("pool"), block.stride))
    x = layers.Concatenate(name=named(block("scales")))(done)
    x = conv_norm(x, 4 * block.width, 1, (block("conv3"), block("bn3")), relu=False)
    return _joined(x, shortcut, block)


def staged(x: KerasTensor, block: Block, traits: Traits) -> KerasTensor:
    """The bottleneck of iResNet (arXiv:2004.04989, figure 1c): only the end of a stage puts a ReLU on the main path.

    The first block normalises before it adds, the last one after; those between start with normalisation and ReLU,
    except that the second of a stage gets what is normalised already. Shortcuts that stride take the maximum.
    """
    start, end = block.number == 0, block.number == block.of - 1
    shortcut = x
    if start:
        shortcut = max_pool(x, block("downsample.0"))
        modules = block("downsample.1"), block("downsample.2")
        shortcut = conv_norm(shortcut, 4 * block.width, 1, modules, relu=False)
    elif block.number == 1:
        x = layers.ReLU(name=named(block("relu0")))(x)
    else:
        x = norm(x, block("bn0"))
    x = conv_norm(x, block.width, 1, (block("conv1"), block("bn1")))
    x = conv_norm(x, block.width, 3, (block("conv2"), block("bn2")), stride=block.stride)
    x = conv(x, 4 * block.width, 1, block("conv3"))
    if start:
        x = norm(x, block("bn3"), relu=False)
    x = layers.Add(name=named(block("add")))([x, shortcut])
    return norm(x, block("bn3")) if end else x


def _shortcut(x: KerasTensor, block: Block, traits: Traits, filters: int) -> KerasTensor:
    """The input itself where it has the shape of the output; else what brings it there."""
    if block.stride == 1 and x.shape[-1] == filters:
        return x
    if traits.average_down:
        if block.stride > 1:
            x = average_halves(x, block("downsample.0"))
        return conv_norm(x, filters, 1, (block("downsample.1"), block("downsample.2")), relu=False)
    kernel = traits.down_kernel if block.stride > 1 else 1
    modules = block("downsample.0"), block("downsample.1")
    return conv_norm(x, filters, kernel, modules, relu=False, stride=block.stride)


def _excited(x: KerasTensor, module: str) -> KerasTensor:
    filters = x.shape[-1]
    gate = conv(pooled(x, module), filters // 16, 1, f"{module}.fc1", bias=True)
    gate = conv(layers.ReLU(name=named(f"{module}.relu"))(gate), filters, 1, f"{module}.fc2", bias=True)
    gate = layers.Activation("sigmoid", name=named(f"{module}.gate"))(gate)
    return layers.Multiply(name=named(f"{module}.scale"))([x, gate])


def _joined(x: KerasTensor, shortcut: KerasTensor, block: Block) -> KerasTensor:
    return layers.ReLU(name=named(block("out")))(layers.Add(name=named(block("add")))([x, shortcut]))
