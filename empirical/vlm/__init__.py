"""Vision-language models: loading, the quirks of each family, the bundled pocket model, encoding, scoring, the doctor."""
