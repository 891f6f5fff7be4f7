"""One photo: a figure or a flat garment, dressed, lit, occluded, framed and taken; with its keypoints and labels."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ...garments import ATTRIBUTE_TASKS, CATEGORIES, CATEGORY_KEYPOINTS, KEYPOINTS
from ...geometry import Frame, inside
from ...records import ABSENT, HIDDEN, VISIBLE, Keypoints
from . import bottoms
from .attributes import one_hot
from .backdrop import backdrop
from .body import HIP, Body, hand_of, random_body, skin_pieces
from .cloth import colour, plain, random_cloth
from .garment import Cut, Garment, random_cut, upper
from .paint import Canvas, Piece, Stroke


@dataclass(frozen=True, slots=True)
class SyntheticPhoto:
    """image: (H, W, 3) uint8 RGB. keypoints: all 24, px, exact. attributes: task -> labels such as `nymnnn`."""

    image: np.ndarray
    category: str
    keypoints: Keypoints
    attributes: dict[str, str]


def render(rng: np.random.Generator, size: int, category: str | None = None) -> SyntheticPhoto:
    """Draw a photo whose longer side is `size` px, of a given category or of any.

    Raises ValueError for an unknown category or a size below 32.
    """
    if category is None:
        category = CATEGORIES[rng.integers(len(CATEGORIES))]
    if category not in CATEGORIES:
        raise ValueError(f"unknown category {category!r}; expected one of {', '.join(CATEGORIES)}")
    if size < 32:
        raise ValueError(f"a photo needs at least 32 px on its longer side, not {size}")
    worn = bool(rng.random() < 0.6)
    body = random_body(rng, worn)
    target, pieces = _dress_up(rng, body, category, worn)
    height, width = _aspect(rng, size, target)
    camera = _camera(rng, target, body, height, width, worn)
    light = float(rng.uniform(-1, 1))
    shadow = rng.uniform(0.5, 1.4) if rng.random() < 0.65 else rng.uniform(0.0, 0.2)  # shops cut garments out
    canvas = Canvas(
        backdrop(rng, height, width, worn), camera, light, rng.uniform(0.25, 1.0), rng.uniform(0.04, 0.22), shadow
    )
    pieces += _occluders(rng, body, target, worn)
    for piece in sorted(pieces, key=lambda p: p.z):
        canvas.paint(piece, rng)
    bend = _bend(rng, height, width)
    keypoints, cut_off = _keypoints(canvas, target, bend)
    image = cv2.remap(canvas.image, *_grid(bend), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.07:
        _pad_sides(rng, image, keypoints)
    return SyntheticPhoto(_develop(rng, image), category, keypoints, _seen_attributes(rng, target, cut_off))


def _dress_up(rng: np.random.Generator, body: Body, category: str, worn: bool) -> tuple[Garment, list[Piece]]:
    """The target garment on the body, and everything to paint."""
    cloth = random_cloth(rng, category)
    if not worn:
        if category in ("skirt", "trousers"):
            target = (bottoms.skirt if category == "skirt" else bottoms.trousers)(rng, body, cloth)
        else:
            target = upper(rng, body, category, random_cut(rng, category), cloth, False, 25.0, category)
        pieces = list(target.pieces) + _hanger(rng, body, category)
        if category == "outwear" and rng.random() < 0.3:
            pieces += _companion_top(rng, body, 0.0).pieces
        if rng.random() < 0.12:
            pieces += _beside(rng, body, category)
        return target, pieces
    others: list[Garment] = []
    if category in ("skirt", "trousers"):
        target = (bottoms.skirt if category == "skirt" else bottoms.trousers)(rng, body, cloth)
        waist = float(next(p for p in target.pieces if p.part != "skirt_inside").rings[0][:, 1].min())
        over = rng.random() < 0.3
        hem = waist + rng.uniform(0.1, 0.6) if over else waist + rng.uniform(-0.5, 0.15)
        cut = _plain_cut(rng, max(hem, 1.2))
        level = 25.0 if over else 19.5
        others.append(upper(rng, body, "blouse", cut, random_cloth(rng, "blouse"), True, level, "companion"))
    else:
        cut = random_cut(rng, category)
        if category != "dress":
            tucked = category == "blouse" and rng.random() < 0.3
            lower = bottoms.skirt if rng.random() < 0.3 else bottoms.trousers
            below = lower(rng, body, random_cloth(rng, "trousers"), 30.0 if tucked else 20.0, "companion")
            if tucked:  # the hem that can be seen is where the cloth goes into the waistband
                waist = (below.marks["waistband_left"].xy[1] + below.marks["waistband_right"].xy[1]) / 2
                cut = replace(cut, hem=float(waist) + 0.03)
            others.append(below)
        target = upper(rng, body, category, cut, cloth, True, _LEVEL[category], category)
    if category == "outwear":
        others.append(_companion_top(rng, body, 0.0))
    elif rng.random() < (0.15 if category in ("skirt", "trousers") else 0.07):
        others.append(_companion_coat(rng, body))
    garments = [target, *others]
    pieces = skin_pieces(rng, body, max(g.sleeve for g in garments))
    return target, pieces + [piece for garment in garments for piece in garment.pieces]


def _beside(rng: np.random.Generator, body: Body, category: str) -> list[Piece]:
    """Another garment that lies next to the target or partly under it."""
    other = str(rng.choice([c for c in CATEGORIES if c != category]))
    cloth = random_cloth(rng, other)
    if other in ("skirt", "trousers"):
        garment = (bottoms.skirt if other == "skirt" else bottoms.trousers)(rng, body, cloth, 20.0, "beside")
    else:
        garment = upper(rng, body, other, random_cut(rng, other), cloth, False, 25.0, "beside")
    away = np.array([rng.choice([-1, 1]) * rng.uniform(1.3, 2.4), rng.normal(0, 0.8)])
    return [
        replace(p, z=p.z / 100, owner="beside", axis=p.axis + away, rings=tuple(r + away for r in p.rings),
                strokes=tuple(replace(s, xy=s.xy + away) for s in p.strokes))  # fmt: skip
        for p in garment.pieces
    ]


_LEVEL = {"blouse": 25.0, "dress": 25.0, "outwear": 35.0}


def _plain_cut(rng: np.random.Generator, hem: float) -> Cut:
    cut = random_cut(rng, "blouse")
    return Cut(hem, cut.sleeve, cut.loose * 0.5, cut.neck_task, cut.neck_class, False, 0.0)


def _companion_top(rng: np.random.Generator, body: Body, sleeve: float) -> Garment:
    """A top to wear under a coat."""
    cut = _plain_cut(rng, rng.uniform(1.7, 2.6))
    cut = Cut(cut.hem, sleeve, 0.0, "neckline_design", str(rng.choice(["Round Neckline", "V Neckline"])), False, 0.0)
    return upper(rng, body, "blouse", cut, random_cloth(rng, "blouse"), True, 24.0, "companion")


def _companion_coat(rng: np.random.Generator, body: Body) -> Garment:
    """An open coat over the target."""
    cut = random_cut(rng, "outwear")
    cut = Cut(cut.hem, max(cut.sleeve, 0.9), 0.4, "lapel_design", "Shawl Collar", True, 0.05)
    return upper(rng, body, "outwear", cut, random_cloth(rng, "outwear"), True, 35.0, "companion")


def _hanger(rng: np.random.Generator, body: Body, category: str) -> list[Piece]:
    if category in ("skirt", "trousers") or rng.random() < 0.7:
        return []
    wood = plain(np.array([0.6, 0.45, 0.3]) * rng.uniform(0.3, 1.5) if rng.random() < 0.6 else np.full(3, rng.uniform(0.05, 0.95)))
    bar = np.array([[-body.shoulder * 0.85, 0.2], [0, -0.12], [body.shoulder * 0.85, 0.2], [0, 0.0]])
    t = np.linspace(-0.5 * np.pi, 0.9 * np.pi, 12)
    hook = np.vstack([[[0.0, -0.1], [0.0, -0.35]], np.stack([0.13 * np.cos(t), -0.48 + 0.13 * np.sin(t) * -1], -1)])
    ink = tuple(np.full(3, rng.uniform(0.4, 0.8)))
    axis = np.array([[0.0, -0.6], [0.0, 0.3]])
    box = np.vstack([hook + (0.03, 0.0), (hook - (0.03, 0.0))[::-1]])
    metal = plain(np.array(ink))
    return [
        Piece("hook", 0.5, (box,), axis, np.full(2, 0.3), metal),
        Piece("hanger", 6, (bar,), axis, np.full(2, 0.8), wood),
    ]


def _occluders(rng: np.random.Generator, body: Body, target: Garment, worn: bool) -> list[Piece]:
    """Bags on a strap or in a hand, and a phone."""
    pieces: list[Piece] = []
    if not worn:
        return pieces
    axis = np.array([[0.0, 0.0], [0.0, 3.0]])
    if rng.random() < 0.12:
        side = int(rng.choice([-1, 1]))
        leather = plain(colour(rng), gloss=0.5)
        cross = rng.random() < 0.5
        start = body.place(np.array([-side * 0.5 if cross else side * 0.6, 0.05]))
        bag = body.place(np.array([side * (body.hip + 0.12), HIP + rng.uniform(-0.3, 0.4)]))
        strap = np.vstack([start + (-0.035, 0), bag + (-0.035, 0), bag + (0.035, 0), start + (0.035, 0)])
        w, h = rng.uniform(0.25, 0.5), rng.uniform(0.2, 0.45)
        box = bag + np.array([[-w * 0.85, -h], [w * 0.85, -h], [w, h], [-w, h]])
        line = Stroke(bag + np.array([[-w, -h * 0.2], [0, h * 0.1], [w, -h * 0.2]]), 0.03, 0.5)
        pieces += [
            Piece("strap", 72, (strap,), axis, np.full(2, 1.0), leather, shadow=0.2),
            Piece("bag", 73, (box,), axis + bag, np.full(2, w), leather, (line,), shadow=0.35),
        ]
    side = int(rng.choice([-1, 1]))
    if rng.random() < 0.1 and not body.behind[side]:
        hand = hand_of(body, side)
        w, h = (rng.uniform(0.09, 0.13), 0.2) if rng.random() < 0.5 else (rng.uniform(0.25, 0.5), rng.uniform(0.2, 0.4))
        box = hand + np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) + (0, h * 0.6)
        thing = plain(colour(rng), gloss=0.6)
        pieces.append(Piece("held", 71, (box,), axis + hand, np.full(2, w), thing, shadow=0.3))
    return pieces


def _aspect(rng: np.random.Generator, size: int, target: Garment) -> tuple[int, int]:
    short = round(size * rng.uniform(0.7, 1.0)) if rng.random() < 0.75 else size
    return (size, short) if rng.random() < 0.88 else (short, size)


def _camera(rng: np.random.Generator, target: Garment, body: Body, height: int, width: int, worn: bool) -> Frame:
    """Heads -> pixels, so that the garment's keypoints lie in the photo at a random size, place and turn."""
    points = np.array([m.xy for m in target.marks.values()])
    degrees = rng.normal(0, 4) if rng.random() < 0.85 else rng.uniform(-35, 35)
    angle = np.deg2rad(degrees)
    stretch = rng.uniform(0.93, 1.07)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([stretch, 1 / stretch])
    turned = points @ turn.T
    low, high = turned.min(0), turned.max(0)
    extent = np.maximum(high - low, 0.3)
    room = np.array([width, height]) - 2.0
    fill = rng.choice([rng.uniform(0.4, 0.7), rng.uniform(0.7, 0.92), rng.uniform(0.92, 1.0)], p=[0.2, 0.42, 0.38])
    scale = float((room * fill / extent).min())
    slack = room - extent * scale
    # A whole figure is mostly in the middle; a close view may be anywhere.
    place = slack * np.clip(0.5 + rng.normal(0, 0.15, 2), 0, 1) + 0.5
    if rng.random() < 0.04:
        place += rng.normal(0, 0.12, 2) * room
    matrix = np.hstack([turn * scale, (place - low * scale)[:, None]])
    return Frame(matrix)


def _bend(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(2, H, W) float32 px: from where a slightly crooked photo takes each pixel, so that no garment is drawn with a ruler."""
    cells = int(rng.integers(3, 8))
    amount = max(height, width) * rng.uniform(0, 0.05) / cells * (rng.random() < 0.8)
    small = rng.normal(0, amount, (2, cells, cells)).astype(np.float32)
    return np.stack([cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) for field in small])


def _grid(bend: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sampling positions (x, y) of a bend for cv2.remap."""
    _, height, width = bend.shape
    x = bend[0] + np.arange(width, dtype=np.float32)[None, :]
    return x, bend[1] + np.arange(height, dtype=np.float32)[:, None]


def _bent(points: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Where points (N, 2) of the straight picture lie in the bent one: q with q + bend(q) = point, by iteration."""
    moved = points
    for _ in range(6):
        at = moved.astype(np.float32)[:, None]
        shift = [cv2.remap(f, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0] for f in bend]
        moved = points - np.stack(shift, -1)
    return moved


def _keypoints(canvas: Canvas, target: Garment, bend: np.ndarray) -> tuple[Keypoints, set[str]]:
    """The 24 keypoints, and the names of those that the edge of the photo cuts off."""
    xy = np.full((len(KEYPOINTS), 2), -1.0)
    state = np.full(len(KEYPOINTS), ABSENT, np.int8)
    owner = target.pieces[0].owner
    homes = {piece.part: i for i, piece in enumerate(canvas.pieces) if piece.owner == owner}
    names = [name for name in KEYPOINTS if name in target.marks]
    points = canvas.camera.forward(np.array([target.marks[name].xy for name in names]))
    bent = _bent(points, bend)
    height, width = canvas.top.shape
    seen = inside(np.round(bent), (width, height))
    for name, point, place, within in zip(names, points, bent, seen, strict=True):
        if within:
            k, mark = KEYPOINTS.index(name), target.marks[name]
            xy[k] = place
            state[k] = HIDDEN if canvas.covered(point, homes[mark.home], mark.spared) else VISIBLE
    return Keypoints(xy, state), {name for name, within in zip(names, seen, strict=True) if not within}


_DECIDES = {"coat_length": "top_hem", "skirt_length": "hemline", "pant_length": "bottom", "sleeve_length": "cuff"}


def _seen_attributes(rng: np.random.Generator, target: Garment, cut_off: set[str]) -> dict[str, str]:
    """The garment's labels, `Invisible` where the photo's edge cut the part away."""
    labels = dict(target.attributes)
    for task in labels:
        part = _DECIDES.get(task, "neckline")
        if sum(name.startswith(part) for name in cut_off) >= 2:
            labels[task] = one_hot(task, "Invisible")
    return {task: labels[task] for task in ATTRIBUTE_TASKS if task in labels}


def _pad_sides(rng: np.random.Generator, image: np.ndarray, keypoints: Keypoints) -> None:
    """Plain bars left and right, as shops pad photos to a square; the garment's keypoints stay clear of them."""
    x = keypoints.xy[keypoints.state != ABSENT, 0]
    width = image.shape[1]
    bar = int(min(x.min() - 6, width - 7 - x.max()) * rng.uniform(0.4, 1.0)) if len(x) else 0
    if bar > 0:
        tone = rng.choice([0.0, 0.9, 1.0])
        image[:, :bar] = tone
        image[:, width - bar :] = tone


def _develop(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Light, colour cast, focus, noise, compression and borders, as cameras and shops add them. float -> uint8."""
    height, width = image.shape[:2]
    image = np.clip(image, 0, 1)
    if rng.random() < 0.6:
        image = image ** rng.uniform(0.75, 1.35)
    image = image * (rng.uniform(0.88, 1.08) * (1 + rng.normal(0, 0.025, 3).astype(np.float32)))
    if rng.random() < 0.25:
        small = rng.uniform(0.75, 1.15, (3, 3)).astype(np.float32)
        image = image * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.2)) * max(height, width) / 256)
    if rng.random() < 0.6:
        grain = rng.standard_normal((height, width, 1), np.float32)
        image = image + grain * rng.uniform(0.002, 0.02)
    pixels = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 85))])
        pixels = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return pixels

