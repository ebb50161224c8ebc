"""Prompts: `templates` fills in the texts of `texts` and splits them at their images; `example` is an item as an arm shows it."""
