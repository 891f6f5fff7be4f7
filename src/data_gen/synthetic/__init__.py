"""Drawn garment photos with exact keypoints: a stand-in for data that cannot be had, in the official layout.

`body.py` poses a figure, `garment.py`, `sleeves.py`, `necklines.py` and `bottoms.py` dress it with outlines,
`cloth.py` weaves, `paint.py` paints and remembers what covers what, `backdrop.py` and `scene.py` make the photo,
`attributes.py` labels it from its geometry and `writer.py` writes the data set; `catalogue.py` writes those of
styles and of products.

Lengths are in heads (a standing figure is about 7.5 heads tall), x to the image's right, y down from the base of
the neck, until the camera of the scene turns them into pixels.
"""
