"""Embeddings of images: `towers` computes them with a vision model, `cache` keeps them on disk."""
