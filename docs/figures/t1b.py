"""Gain of a reference against the angle between the shared and the discriminant direction (T1b)."""

from __future__ import annotations

import numpy as np
from house import panels

from paper_figures.plotting.style import COLOURS, MUTED
from theory.statements.t1b_multivariate_gain import separation

identity, lesion = np.eye(2), np.array([1.0, 0.0])
angles = np.linspace(0, 90, 91)
gains = []
for angle in np.deg2rad(angles):
    shared = np.array([np.cos(angle), np.sin(angle)])
    joint = separation(identity, 0.9 * np.outer(shared, shared), identity, lesion, "joint")
    gains.append(float(joint) ** 2)
figure, axes = panels()
axes.plot(angles, gains, color=COLOURS["pair"], label="pair")
axes.axhline(1, color=MUTED, ls=":", label="no gain")
axes.set(xlabel="angle of shared and discriminant direction (degrees)", ylabel="squared separation: pair / single image", ylim=(0, None))
axes.legend()
