"""One reader for each kind of image set; `registry` lists them and calls the one asked for.

`nih`, `chexpert` and `ham10000` read public sets in their published layout; `folder`, `medmnist`, `table` and `dicom` read users' own sets.
`vqa` reads questions and answers (`vqa_layouts` says how public sets are laid out), `fundus` grades; `asked` makes questions of what
readers know.
Tables of images are read by `labelled_tables`, which leaves the labels to `findings`.
"""
