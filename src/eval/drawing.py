"""Pictures of predictions: keypoints, heatmaps and boxes on the photo, and sheets of several pictures.

Images are RGB uint8 (H, W, 3) in and out, and the input is never changed. Colours distinguish the sides of the garment
(left orange, right blue, middle pink); they also differ in lightness, for colour-blind readers.
"""

import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..geometry import Size, resize
from ..records import ABSENT, HIDDEN, Box
from ..vocabulary import Vocabulary
from .label_placement import place_labels

Colour = tuple[int, int, int]

LEFT: Colour = (255, 159, 28)
RIGHT: Colour = (64, 178, 255)
MIDDLE: Colour = (255, 105, 180)
_SIDES = {-1: LEFT, 1: RIGHT, 0: MIDDLE}
BOX: Colour = (70, 220, 130)
_DARK: Colour = (24, 24, 24)
_PAPER: Colour = (250, 250, 250)
_BAR: Colour = (190, 224, 205)

LONGEST = 16_384
"""Maximum width or height in px of pictures side by side, so that those of a narrow photo fit into memory and JPEG."""
_SUBPIXEL = 4
"""Fractional bits of the coordinates given to OpenCV."""


def draw_keypoints(
    image: np.ndarray,
    xy: np.ndarray,
    state: np.ndarray,
    vocabulary: Vocabulary,
    score: np.ndarray | None = None,
    *,
    names: bool = True,
    low_score: float = 0.3,
    longer_side: int = 900,
) -> np.ndarray:
    """The garment's outline, its keypoints and their names on the photo.

    Args:
        image: RGB uint8 (H, W, 3).
        xy: (K, 2) px in the photo; points that are not finite are left out.
        state: (K,) of -1, 0, 1; absent ones (-1) are left out, hidden ones (0) are hollow.
        vocabulary: what the K keypoints are.
        score: (K,) confidence in 0..1; keypoints below `low_score` are hollow.
        names: write the keypoints' names beside them.
        longer_side: px; a smaller photo is enlarged to it so that the names can be read. 0 keeps every size.

    Returns:
        RGB uint8, of the photo's size or enlarged.

    Raises:
        ValueError: another kind of image, or arrays that do not fit the vocabulary.
    """
    _check(image)
    xy, state = np.asarray(xy, np.float64), np.asarray(state)
    count = len(vocabulary.keypoints)
    if xy.shape != (count, 2) or state.shape != (count,) or (score is not None and np.shape(score) != (count,)):
        got = f"{xy.shape}, {state.shape} and {None if score is None else np.shape(score)}"
        raise ValueError(f"expected xy ({count}, 2), state ({count},) and score ({count},) or None; got {got}")

    height, width = image.shape[:2]
    scale = max(1.0, longer_side / max(height, width))
    size = (round(width * scale), round(height * scale))
    canvas = resized(image, size)
    reach = 4 * max(size)  # a point far outside still shows where its lines go, and fits OpenCV's integers
    at = np.clip(resize((width, height), size).forward(xy), -reach, reach)
    drawn = np.flatnonzero((state != ABSENT) & np.isfinite(xy).all(axis=1))
    hollow = state == HIDDEN
    if score is not None:
        hollow = hollow | ~(np.asarray(score) >= low_score)

    radius = max(2.5, 0.0065 * max(size))
    sides = vocabulary.sides
    lines = [(at[a], at[b], _SIDES[_edge_side(sides[a], sides[b])]) for a, b in outline(vocabulary, drawn.tolist())]
    canvas = draw_lines(canvas, lines, thickness=max(1, round(0.55 * radius)))
    colours = [_SIDES[int(side)] for side in sides[drawn]]
    for k, colour in zip(drawn, colours, strict=True):
        _draw_point(canvas, at[k], radius, colour, bool(hollow[k]))
    if names and len(drawn):
        labels = [(vocabulary.keypoints[k].replace("_", " "), c) for k, c in zip(drawn, colours, strict=True)]
        canvas = draw_names(canvas, labels, at[drawn], radius, [(a, b) for a, b, _ in lines])
    return canvas


def outline(vocabulary: Vocabulary, drawn: Sequence[int]) -> list[tuple[int, int]]:
    """The edges between the keypoints `drawn` (indices), without shortcuts past one of them.

    An edge from a to b is a shortcut if a keypoint w is drawn and there are edges from a to w and from w to b, as
    there are for an armpit, a waistline and a hem.
    """
    edges = [(a, b) for a, b in vocabulary.edges if a in drawn and b in drawn]
    after: dict[int, set[int]] = {}
    for a, b in edges:
        after.setdefault(a, set()).add(b)
    return [(a, b) for a, b in edges if not any(b in after.get(w, ()) for w in after[a])]


def draw_heatmaps(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Draws heat over the photo in a perceptual colour map; the photo is more visible where the heat is lower.

    image: RGB uint8 (H, W, 3). heat: (H, W) float in 0..1, e.g. the largest of all heatmaps at each pixel. Raises
    ValueError if their sizes differ.
    """
    _check(image)
    if heat.shape != image.shape[:2]:
        raise ValueError(f"expected heat of the image's size {image.shape[:2]}, got {heat.shape}; resize it first")
    heat = np.clip(np.nan_to_num(np.asarray(heat, np.float32)), 0, 1)
    colour = cv2.applyColorMap(np.rint(255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    # Opacity grows with the root, so that low heat is visible; grey keeps the photo apart from the colour map.
    cover = 0.85 * np.sqrt(heat)[..., None]
    grey = 0.75 * cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    return np.rint(cover * colour + (1 - cover) * grey).astype(np.uint8)


def draw_box(image: np.ndarray, box: Box, label: str = "") -> np.ndarray:
    """Draws the outline of the box, with its label at the top left corner. Parts outside the image are cut off."""
    _check(image)
    canvas = image.copy()
    height, width = image.shape[:2]
    thick = max(2, round(0.004 * max(height, width)))
    corners = (box.left, box.top), (box.right - 1, box.bottom - 1)
    cv2.rectangle(canvas, *corners, _DARK, thick + 2)
    cv2.rectangle(canvas, *corners, BOX, thick)
    if not label:
        return canvas
    return _with_tag(canvas, label, box.left, box.top)


def draw_title(image: np.ndarray, text: str) -> np.ndarray:
    """Draws the text as a label in the top left corner, such as the garment's category."""
    return _with_tag(image.copy(), text, 0, 0)


def draw_answers(answers: Sequence[tuple[str, Sequence[tuple[str, float]]]], size: Size) -> np.ndarray:
    """A page of `size` with the most probable classes of each question and bars of their probabilities.

    answers: (question, [(class, probability 0..1), ...]) from top to bottom; entries beyond the page are left out.
    """
    width, height = size
    page = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(page)
    pixels = min(
        max(11.0, 0.024 * height), height / max(1, sum(2 + 1.5 * len(classes) for _, classes in answers)) / 1.2
    )
    title, plain, pad = _font(1.1 * pixels), _font(pixels), pixels
    y = pad
    for question, classes in answers:
        draw.text((pad, y), _shortened(question.replace("_", " "), title, width - 2 * pad), font=title, fill=_DARK)
        y += 1.6 * pixels
        for name, probability in classes:
            draw.rectangle((pad, y, pad + (width - 2 * pad) * probability, y + 1.25 * pixels), fill=_BAR)
            share = f"{probability:.0%}"
            room = width - 3 * pad - plain.getlength(share)
            draw.text((pad + 0.3 * pixels, y), _shortened(name, plain, room), font=plain, fill=_DARK)
            draw.text((width - pad, y), share, font=plain, fill=_DARK, anchor="ra")
            y += 1.5 * pixels
        y += 0.4 * pixels
    return np.array(page)


def side_by_side(images: Sequence[np.ndarray]) -> np.ndarray:
    """The pictures in one row, enlarged to the height of the highest, but none wider than that height; very wide ones
    are centred vertically. A row of more than LONGEST px is reduced to that. Raises ValueError for no pictures."""
    if not images:
        raise ValueError("there is no picture to put side by side")
    for image in images:
        _check(image)
    height = max(image.shape[0] for image in images)
    scales = [min(height / h, max(1.0, height / w)) for h, w in (image.shape[:2] for image in images)]
    length = sum(scale * image.shape[1] for scale, image in zip(scales, images, strict=True))
    reduced = min(1.0, LONGEST / max(1.02 * length, height))
    height = max(1, round(reduced * height))
    gap = np.full((height, max(2, height // 100), 3), _PAPER, np.uint8)
    row = []
    for image, scale in zip(images, scales, strict=True):
        h, w = (max(1, round(side * scale * reduced)) for side in image.shape[:2])
        row += [gap, _in_column(resized(image, (w, h)), height)]
    return np.hstack(row[1:])


def _in_column(image: np.ndarray, height: int) -> np.ndarray:
    """A lower picture with paper above and below."""
    above = (height - image.shape[0]) // 2
    column = np.full((height, *image.shape[1:]), _PAPER, np.uint8)
    column[above : above + image.shape[0]] = image[:height]
    return column


def contact_sheet(
    images: Sequence[np.ndarray], columns: int, captions: Sequence[str] | None = None, *, cell: int = 400
) -> np.ndarray:
    """The pictures in rows of `columns`, each fitted into a square of `cell` px with its caption below; each row is as
    high as its highest picture.

    Raises ValueError for no pictures, no columns, or another number of captions.
    """
    if not images or columns < 1:
        raise ValueError(f"a contact sheet needs pictures and columns; got {len(images)} and {columns}")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"expected {len(images)} captions, one for each picture; got {len(captions)}")
    gap, font = max(4, cell // 40), _font(max(11, cell / 24))
    line = 0 if captions is None else round(1.6 * max(11, cell / 24))
    columns = min(columns, len(images))
    sizes: list[Size] = []
    for image in images:
        _check(image)
        scale = cell / max(image.shape[:2])
        sizes.append((max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))))
    heights = [max(height for _, height in sizes[i : i + columns]) for i in range(0, len(images), columns)]
    tops = np.cumsum([gap, *(height + line + gap for height in heights)]).tolist()
    page = Image.new("RGB", (columns * (cell + gap) + gap, tops[-1]), _PAPER)
    draw = ImageDraw.Draw(page)
    for i, (image, (width, height)) in enumerate(zip(images, sizes, strict=True)):
        row, column = divmod(i, columns)
        left, top = gap + column * (cell + gap), tops[row]
        corner = (left + (cell - width) // 2, top + (heights[row] - height) // 2)
        page.paste(Image.fromarray(resized(image, (width, height))), corner)
        if captions is not None:
            caption = _shortened(captions[i], font, cell)
            draw.text((left + cell / 2, top + heights[row] + line / 2), caption, font=font, fill=_DARK, anchor="mm")
    return np.array(page)


def encoded(image: np.ndarray, kind: str = "JPEG", **options: Any) -> bytes:
    """The bytes of a picture file, encoded in memory: a file writer may not notice that a file was cut short.

    kind: a format of Pillow. options: of its encoder, such as `quality`. Raises ValueError for another kind of image.
    """
    _check(image)
    data = io.BytesIO()
    Image.fromarray(image).save(data, format=kind, **options)
    return data.getvalue()


def picture_kind(suffix: str) -> str:
    """The picture format of this suffix; JPEG without one. Raises ValueError for an unknown suffix."""
    if not suffix:
        return "JPEG"
    kind = Image.registered_extensions().get(suffix.lower())
    if kind not in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"):
        raise ValueError(f"no picture is written with the ending {suffix}; expected .jpg, .png, .webp, .bmp or .tif")
    return kind


def _with_tag(canvas: np.ndarray, label: str, at: int, top_of: int) -> np.ndarray:
    """The label on a plate above the point, or below if there is no room."""
    height, width = canvas.shape[:2]
    font = _font(max(11, 0.02 * max(height, width)))
    text = _shortened(label, font, width - 8)
    _, _, text_width, text_height = font.getbbox(text)
    left = int(np.clip(at, 0, max(0, width - text_width - 8)))
    above = top_of - text_height - 6
    top = above if above >= 0 else int(np.clip(top_of, 0, max(0, height - text_height - 6)))
    page = Image.fromarray(canvas)
    draw = ImageDraw.Draw(page)
    draw.rectangle((left, top, left + text_width + 8, top + text_height + 6), fill=BOX)
    draw.text((left + 4, top + 2), text, font=font, fill=_DARK)
    return np.array(page)


def _check(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"expected an RGB image, uint8 (H, W, 3); got {image.dtype} {image.shape}")


def resized(image: np.ndarray, size: Size) -> np.ndarray:
    """A resized copy; areas are averaged when the size is reduced."""
    if size == (image.shape[1], image.shape[0]):
        return image.copy()
    smaller = size[0] < image.shape[1] or size[1] < image.shape[0]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _edge_side(a: int, b: int) -> int:
    """The side of an edge's ends; the middle's side if it joins both sides."""
    sides = {int(a), int(b)} - {0}
    return sides.pop() if len(sides) == 1 else 0


def _fixed(point: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(point * 2**_SUBPIXEL).astype(int).tolist()
    return x, y


def draw_lines(canvas: np.ndarray, lines: list[tuple[np.ndarray, np.ndarray, Colour]], thickness: int) -> np.ndarray:
    """Draws slightly transparent lines with a dark rim, visible on bright and patterned cloth."""
    layer = canvas.copy()
    for a, b, _ in lines:
        cv2.line(layer, _fixed(a), _fixed(b), _DARK, thickness + 2, cv2.LINE_AA, _SUBPIXEL)
    for a, b, colour in lines:
        cv2.line(layer, _fixed(a), _fixed(b), colour, thickness, cv2.LINE_AA, _SUBPIXEL)
    return cv2.addWeighted(layer, 0.8, canvas, 0.2, 0)


def _draw_point(canvas: np.ndarray, point: np.ndarray, radius: float, colour: Colour, hollow: bool) -> None:
    """Draws a disc with a dark rim, or a ring that is dark inside, on the canvas itself."""
    centre, size = _fixed(point), round(radius * 2**_SUBPIXEL)
    ring = max(1, round(0.45 * radius))
    cv2.circle(canvas, centre, round(1.35 * size), _DARK, -1, cv2.LINE_AA, _SUBPIXEL)
    cv2.circle(canvas, centre, size, colour, ring if hollow else -1, cv2.LINE_AA, _SUBPIXEL)


def draw_names(
    canvas: np.ndarray,
    labels: Sequence[tuple[str, Colour]],
    points: np.ndarray,
    radius: float,
    lines: list[tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Draws names on dark plates, readable on any cloth, with a line to their points if they are apart."""
    height, width = canvas.shape[:2]
    pixels = max(10.0, 0.0175 * max(height, width))
    font, padding = _font(pixels), 0.3 * pixels
    sizes = np.array([(font.getlength(text) + 2 * padding, 1.3 * pixels) for text, _ in labels])
    boxes = place_labels(points, sizes, radius, lines, (width, height))
    page = Image.fromarray(canvas)
    plates = page.copy()
    draw = ImageDraw.Draw(plates)
    for point, box, (_, colour) in zip(points, boxes, labels, strict=True):
        near = np.clip(point, box[:2], box[2:])
        if np.linalg.norm(near - point) > 2.5 * radius:
            draw.line((*near, *point), fill=colour, width=max(1, round(0.3 * radius)))
        draw.rounded_rectangle(tuple(box), radius=padding, fill=_DARK)
    page = Image.blend(page, plates, 0.8)
    draw = ImageDraw.Draw(page)
    for (text, colour), (left, top, _, bottom) in zip(labels, boxes, strict=True):
        draw.text((left + padding, (top + bottom) / 2), text, font=font, fill=colour, anchor="lm")
    return np.array(page)


def _font(pixels: float) -> ImageFont.FreeTypeFont:
    """The typeface included in Pillow, so that pictures are the same on every machine."""
    font = ImageFont.load_default(pixels)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType; install the wheel from PyPI to write on pictures")
    return font


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, shortened in the middle if it is wider than `width` px: file names differ at their ends."""
    keep = len(text)
    short = text
    while keep > 2 and font.getlength(short) > width:
        keep -= 1
        short = f"{text[: keep // 2]}...{text[len(text) - (keep - keep // 2) :]}"
    return short
