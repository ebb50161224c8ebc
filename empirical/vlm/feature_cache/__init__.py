"""Features of a frozen vision tower, computed once per distinct image and reused in every prompt, epoch and run.

It is separate from the cache of a run's finished parts, which contains tables: these are tensors, looked up one image at a time inside a
forward pass, shared between runs, evicted from memory by size, and each checked by a checksum.

``cache`` computes, keeps and evicts features (`FeatureCache`), ``disk`` stores them in a folder, ``tower`` finds the vision tower of a
model. A batch contains image indices instead of pixels: ``encoder`` makes such batches, with the stand-ins for an image processor
in ``processor_proxy``, and a patched model looks up the features.
"""
