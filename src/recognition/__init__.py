"""Photos -> garments: trained networks and their predictions, for commands, services and Python users.

Nothing here prints: notes and warnings go to the logger `aifashion`.
"""
