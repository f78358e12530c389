"""What several components' crafts share: pictures for models, boxes, looks, and linking into tracks. Pure functions."""
