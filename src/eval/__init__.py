"""Numbers and pictures from predictions.

Inference receives `predict`, a plain function from arrays to arrays, so nothing here knows Keras. Metrics
measure and return numbers, `report` turns numbers into tables and charts, `drawing` marks what was found
on the photo, and `submission` writes the challenge's file.
"""
