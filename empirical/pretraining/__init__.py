"""Pretrain the pocket VLM on procedural, non-medical pictures, so that it can detect, count and compare.

`pretrain` is one run by its `config`, `grid` several side by side. `backgrounds` and `shapes` paint, `questions` asks about what was
painted, `dataset` puts questions in an order from easy to hard, `evaluation` asks held-out ones, `card` writes the model card.
"""
