"""From files to batches: safe decoding, file formats, validation split, duplicates, preprocessing and augmentation."""
