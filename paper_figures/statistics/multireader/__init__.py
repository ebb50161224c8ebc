"""Readers x cases (multireader multicase, MRMC) designs, with training seeds for readers and patients for cases."""
