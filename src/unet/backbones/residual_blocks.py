"""The blocks of the residual family: features (B, H, W, C) -> (B, ~H/stride, ~W/stride, 1 or 4 times the width)."""

from dataclasses import dataclass

from keras import KerasTensor, layers, ops

from .torch_layers import average_halves, average_pool, conv, conv_norm, max_pool, named, norm, pooled

STAGE_WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class Place:
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


def basic(x: KerasTensor, place: Place, traits: Traits) -> KerasTensor:
    """Two 3x3 convolutions (arXiv:1512.03385, figure 5 left)."""
    shortcut = _shortcut(x, place, traits, place.width)
    x = conv_norm(x, place.width, 3, (place("conv1"), place("bn1")), stride=place.stride)
    x = conv_norm(x, place.width, 3, (place("conv2"), place("bn2")), relu=False)
    return _joined(x, shortcut, place)


def bottleneck(x: KerasTensor, place: Place, traits: Traits) -> KerasTensor:
    """1x1, 3x3 and 1x1 (arXiv:1512.03385, figure 5 right); it is the 3x3 that strides."""
    width = place.width * traits.group_width // 64 * traits.groups
    shortcut = _shortcut(x, place, traits, 4 * place.width)
    x = conv_norm(x, width // traits.reduce_first, 1, (place("conv1"), place("bn1")))
    x = conv_norm(x, width, 3, (place("conv2"), place("bn2")), stride=place.stride, groups=traits.groups)
    x = conv_norm(x, 4 * place.width, 1, (place("conv3"), place("bn3")), relu=False)
    if traits.squeeze:
        x = _excited(x, place(traits.squeeze))
    return _joined(x, shortcut, place)


def split_attention(x: KerasTensor, place: Place, traits: Traits) -> KerasTensor:
    """The bottleneck of ResNeSt with two splits (arXiv:2004.08955, figure 2); an average strides, after the 3x3."""
    width = place.width
    shortcut = _shortcut(x, place, traits, 4 * width)
    x = conv_norm(x, width, 1, (place("conv1"), place("bn1")))
    x = conv_norm(x, 2 * width, 3, (place("conv2.conv"), place("conv2.bn0")), groups=2)
    splits = ops.split(x, 2, axis=-1)
    gap = pooled(layers.Add(name=named(place("conv2-sum")))(splits), place("conv2"))
    gap = norm(conv(gap, max(32, width // 2), 1, place("conv2.fc1"), bias=True), place("conv2.bn1"))
    # Every channel of the first split, then every channel of the second; the softmax is over the splits.
    logits = ops.split(conv(gap, 2 * width, 1, place("conv2.fc2"), bias=True), 2, axis=-1)
    share = ops.sigmoid(logits[0] - logits[1])  # softmax of two
    x = splits[1] + share * (splits[0] - splits[1])
    if place.stride > 1:
        x = average_pool(x, place("avd_last"), place.stride)
    x = conv_norm(x, 4 * width, 1, (place("conv3"), place("bn3")), relu=False)
    return _joined(x, shortcut, place)


def multi_scale(x: KerasTensor, place: Place, traits: Traits) -> KerasTensor:
    """The bottleneck of Res2Net (arXiv:1904.01169, figure 2): each part but the first also sees what came of the last.

    In the first block of a stage the parts stay by themselves, and the one that is not convolved is averaged.
    """
    width = place.width * traits.group_width // 64
    shortcut = _shortcut(x, place, traits, 4 * place.width)
    x = conv_norm(x, width * traits.scales, 1, (place("conv1"), place("bn1")))
    *parts, last = ops.split(x, traits.scales, axis=-1)
    done = []
    for number, part in enumerate(parts):
        if number and place.number:
            part = layers.Add(name=named(place(f"scale{number}")))([done[-1], part])
        modules = place(f"convs.{number}"), place(f"bns.{number}")
        done.append(conv_norm(part, width, 3, modules, stride=place.stride))
    done.append(last if place.number else average_pool(last, place("pool"), place.stride))
    x = layers.Concatenate(name=named(place("scales")))(done)
    x = conv_norm(x, 4 * place.width, 1, (place("conv3"), place("bn3")), relu=False)
    return _joined(x, shortcut, place)


def staged(x: KerasTensor, place: Place, traits: Traits) -> KerasTensor:
    """The bottleneck of iResNet (arXiv:2004.04989, figure 1c): only the end of a stage puts a ReLU on the main path.

    The first block normalises before it adds, the last one after; those between start with normalisation and ReLU,
    except that the second of a stage gets what is normalised already. Shortcuts that stride take the maximum.
    """
    start, end = place.number == 0, place.number == place.of - 1
    shortcut = x
    if start:
        shortcut = max_pool(x, place("downsample.0"))
        modules = place("downsample.1"), place("downsample.2")
        shortcut = conv_norm(shortcut, 4 * place.width, 1, modules, relu=False)
    elif place.number == 1:
        x = layers.ReLU(name=named(place("relu0")))(x)
    else:
        x = norm(x, place("bn0"))
    x = conv_norm(x, place.width, 1, (place("conv1"), place("bn1")))
    x = conv_norm(x, place.width, 3, (place("conv2"), place("bn2")), stride=place.stride)
    x = conv(x, 4 * place.width, 1, place("conv3"))
    if start:
        x = norm(x, place("bn3"), relu=False)
    x = layers.Add(name=named(place("add")))([x, shortcut])
    return norm(x, place("bn3")) if end else x


def _shortcut(x: KerasTensor, place: Place, traits: Traits, filters: int) -> KerasTensor:
    """The input itself where it has the shape of the output; else what brings it there."""
    if place.stride == 1 and x.shape[-1] == filters:
        return x
    if traits.average_down:
        if place.stride > 1:
            x = average_halves(x, place("downsample.0"))
        return conv_norm(x, filters, 1, (place("downsample.1"), place("downsample.2")), relu=False)
    kernel = traits.down_kernel if place.stride > 1 else 1
    modules = place("downsample.0"), place("downsample.1")
    return conv_norm(x, filters, kernel, modules, relu=False, stride=place.stride)


def _excited(x: KerasTensor, module: str) -> KerasTensor:
    filters = x.shape[-1]
    gate = conv(pooled(x, module), filters // 16, 1, f"{module}.fc1", bias=True)
    gate = conv(layers.ReLU(name=named(f"{module}.relu"))(gate), filters, 1, f"{module}.fc2", bias=True)
    gate = layers.Activation("sigmoid", name=named(f"{module}.gate"))(gate)
    return layers.Multiply(name=named(f"{module}.scale"))([x, gate])


def _joined(x: KerasTensor, shortcut: KerasTensor, place: Place) -> KerasTensor:
    return layers.ReLU(name=named(place("out")))(layers.Add(name=named(place("add")))([x, shortcut]))
