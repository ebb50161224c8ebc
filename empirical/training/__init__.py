"""Supervised finetuning of one arm on transformers' Trainer.

Start at `finetune`. `config` holds the settings, `data_order` which item is shown when, `trainable` what is trained (all weights, or
adapters), `setup` encoder, arguments and Trainer, `trainer` the loss, `callbacks` checkpoint marks and trackers, `model_card` the README.

Memory: `memory_estimate` what does not depend on the batch size, `checkpointing_trial` whether a step fits without gradient
checkpointing, `batch_size_search` what would have fitted. `checkpoints` and `determinism` make resumes exact; `distributed` is several
processes.
"""
