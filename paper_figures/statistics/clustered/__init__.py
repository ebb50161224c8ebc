"""Accuracy when items share patients, or patients and references.

``sums`` counts per cluster; ``chi_squared``, ``difference``, ``two_way``, ``sign_flip``, ``gee`` and ``gee_interaction`` test.
"""
