"""The output of ``cohort show``: `contact_sheet` samples images, `summary` counts, `page` writes both as HTML and PNG."""
