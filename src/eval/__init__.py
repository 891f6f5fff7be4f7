"""Numbers and pictures from predictions.

Inference receives `predict`, a plain function from arrays to arrays, so nothing here depends on Keras. Metrics return
numbers, `report` turns numbers into tables and charts, `drawing` draws predictions on the photo, and `submission`
writes the challenge's file.
"""
