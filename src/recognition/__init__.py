"""Photos -> garments: trained networks, and what they recognise. Commands, services and Python users share it.

Nothing here prints: notes and warnings go to the logger `aifashion`.
"""
