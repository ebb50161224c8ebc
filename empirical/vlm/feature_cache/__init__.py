"""Features of a frozen vision tower, computed once per distinct image and reused in every prompt, epoch and run.

It is separate from the cache of a run's finished parts, which holds tables: these are tensors, looked up one image at a time inside a
forward pass, shared between runs, evicted from memory by size, and checked by a checksum each.

``cache`` computes, keeps and evicts features (`FeatureCache`), ``disk`` stores them in a folder, ``tower`` finds the vision tower of a
model. In a batch, image indices stand in the place of pixels: ``encoder`` makes such batches, with the stand-ins for an image processor
of ``processor_proxy``, and a patched model looks the features up.
"""
