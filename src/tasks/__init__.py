"""The kinds of tasks that a network is trained for: what each loads, learns, scores and writes.

Nothing here prints: notes and warnings go to the logger `aifashion`.
"""
