"""Synthetic garment photos with exact keypoints, in the official layout: a substitute for data that are not available.

`body.py` poses a figure, `footwear.py` draws its legs and feet, `lying.py` poses garments that lie or hang. `cut.py`,
`garment.py`, `sleeves.py`, `sleeve_pieces.py`, `necklines.py`, `details.py` and `bottoms.py` make the outlines of
garments, and `outfit.py` combines them. `cloth.py` makes fabrics and shades folds. `paint.py` paints, and records which
piece is on top. `backdrop.py` and `scene.py` make the photo. `attributes.py` derives labels from the geometry.
`writer.py` writes the data set of keypoints and attributes, `catalogue.py` those of styles and of products.

`compose.py` makes photos of several garments: `people.py` and `displays.py` place them by `placement.py`, `things.py`
draws what is no garment, `labels.py` finds boxes and keypoints, and `scene_set.py` writes the data set. `lens.py` is
the camera's part of all photos.

Lengths are in heads (a standing figure is about 7.5 heads tall), x to the right of the image, y down from the base of
the neck; the camera of the scene converts them to pixels.
"""
