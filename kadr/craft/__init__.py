"""What several components' crafts share: geometry of boxes and the linking of detections into tracks. Pure functions of arrays."""
