"""Pretrain the pocket VLM on procedural pictures that have nothing to do with medicine, so that it can look, count and compare."""
