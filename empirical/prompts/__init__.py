"""Prompts: `templates` fills the wordings in `texts` and cuts them at their images, `example` is an item as an arm shows it."""
