"""AiFashion: garment keypoints, crops and attributes from photographs."""
