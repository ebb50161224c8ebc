"""
How many patients does a reader study need?
===========================================

The gain of a reference follows from the correlation, and the number of patients from
the gain. This example draws the power of a study that compares single image and pair,
for three correlations.
"""

import matplotlib.pyplot as plt
import numpy as np

from theory import Correlation, StudyDesign, plan_study, power_curve

design = StudyDesign(prevalence=0.3, power=0.8)
patients = np.arange(50, 1001, 25)

figure, axes = plt.subplots()
for rho in (0.5, 0.6, 0.7):
    evidence = Correlation(d=1.0, rho=rho)
    needed = plan_study(evidence, design)["auc"]
    curve = power_curve("auc", evidence.separations, design, patients)
    label = f"rho = {rho}: gain {needed.gain:.3f}, {needed.patients:.0f} patients"
    (line,) = axes.plot(patients, curve, label=label)
    axes.plot(needed.patients, 0.8, "o", ms=8, color=line.get_color())
axes.axhline(0.8, color="black", lw=1, ls=":")
axes.set(
    xlabel="patients in the study",
    ylabel="power to show the gain in AUROC",
    xlim=(0, 1000),
    ylim=(0, 1),
)
axes.legend(loc="lower right")
plt.show()

# %%
# A slightly higher correlation needs far fewer patients. An optimistic guess is
# therefore expensive: take the lower end of the interval of a pilot.
#
# :doc:`Plan patients </how-to/plan_patients>` shows the same with one command, also
# from a pilot, and for sensitivity and accuracy.
