"""What ``cohort show`` makes: `contact_sheet` samples images, `summary` counts, `page` writes both as HTML and PNG."""
