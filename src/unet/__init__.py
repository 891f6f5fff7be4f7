"""Networks and training.

The name is historical: the user's first keypoint network was a U-Net, and the folder kept its name. What lives
here now is a Cascaded Pyramid Network (arXiv:1711.07319), which is not a U-Net, in backend-free Keras 3.
"""

from .framework import import_keras

import_keras()
