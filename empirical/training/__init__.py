"""Supervised finetuning of one arm: the plan of what is shown when, and the run itself, on transformers' Trainer."""
