"""Readers x cases (multireader multicase, MRMC) designs, with training seeds as readers and patients as cases."""
