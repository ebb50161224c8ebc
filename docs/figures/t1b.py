"""Gain of a reference against the angle between the shared and the discriminant direction (T1b)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from theory.statements.t1b_multivariate_gain import separation

identity, lesion = np.eye(2), np.array([1.0, 0.0])
angles = np.linspace(0, 90, 91)
gains = []
for angle in np.deg2rad(angles):
    shared = np.array([np.cos(angle), np.sin(angle)])
    joint = separation(identity, 0.9 * np.outer(shared, shared), identity, lesion, "joint")
    gains.append(float(joint) ** 2)
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.plot(angles, gains)
axes.axhline(1, color="k", ls=":")
axes.set(xlabel="angle of the shared to the discriminant direction (degrees)", ylabel="squared separation, pair / single", ylim=(0, None))
