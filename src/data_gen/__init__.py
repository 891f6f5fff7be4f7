"""From files to batches: safe decoding, the file formats, the split, duplicates, preprocessing and augmentation."""
