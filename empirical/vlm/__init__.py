"""Vision-language models: loading, inference, feature cache, families, the bundled pocket model, the doctor.

``config`` has the settings and the loaded model, ``loading`` makes one from the other. For loading, ``model_id`` resolves
names, ``hub`` asks the Hugging Face Hub, ``weights`` checks files and adapters, ``processors`` loads tokenizer and image processor, and
``input_spec`` compares the inputs of training and evaluation. ``lora_precision`` is the arithmetic of adapters, ``out_of_memory`` tells
what to do when memory runs out.
"""
