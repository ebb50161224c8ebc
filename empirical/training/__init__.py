"""Supervised finetuning of one arm on transformers' Trainer.

Start at `finetune`. `config` has the settings, `data_order` the order of items, `trainable` what is trained (all weights, or
adapters), `setup` encoder, arguments and Trainer, `trainer` the loss, `callbacks` checkpoint marks and trackers, `model_card` the README.

Memory: `memory_estimate` is the part independent of the batch size, `checkpointing_trial` tries whether a step fits without gradient
checkpointing, `batch_size_search` finds one that fits. `checkpoints` and `determinism` make resumes exact; `distributed` is for several
processes.
"""
