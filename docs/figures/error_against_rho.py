"""Bayes error of the three rules against the correlation of query and reference: exact curves, no simulation."""

import matplotlib.pyplot as plt
import numpy as np

from theory import PairedModel

rho = np.linspace(0, 0.99, 200)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
