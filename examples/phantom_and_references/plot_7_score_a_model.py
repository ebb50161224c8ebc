"""
From images to a comparison, end to end
=======================================

Make images, choose references, ask a vision-language model, compare the arms: the whole
chain in one script. The bundled pocket model has not been finetuned here, so expect
chance; the point is the chain.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from empirical import EvaluateConfig, PhantomConfig, evaluate, make_phantom
from paper_figures import compare_arms

work = Path(tempfile.mkdtemp())
config = PhantomConfig(n_train=0, n_val=0, n_test=60, rho=0.9)
make_phantom(config, work / "cohort", seed=1)

arms = [
    {"arm": "single"},
    {"arm": "pair", "references": {"strategy": "demographic", "unmatched": "relax"}},
]
records = evaluate(
    EvaluateConfig(cohort=str(work / "cohort"), arms=arms, doctor=False),
    work / "scores",
    quiet=True,
)

# %%
# One row per arm and item. Both arms have the same items, so the comparison is paired.

table = records.table.assign(diseased=records.is_positive())
scores = table.pivot(index="item_id", columns="arm", values="p_positive")
labels = (
    table[table["arm"] == "pair"].set_index("item_id")["diseased"].loc[scores.index]
)
print(compare_arms(scores["pair"], scores["single"], labels, arms=("pair", "single")))

figure, axes = plt.subplots()
for diseased, colour, word in (
    (False, "#009E73", "healthy"),
    (True, "#D55E00", "nodule"),
):
    rows = scores[labels == diseased]
    axes.plot(
        rows["single"], rows["pair"], "o", ms=6, alpha=0.7, color=colour, label=word
    )
axes.axline((0.5, 0.5), slope=1, color="black", lw=1, ls=":")
axes.set(
    xlabel="probability of a nodule, single image",
    ylabel="probability of a nodule, with reference",
)
axes.legend()
plt.show()

# %%
# The two colours are mixed: without finetuning the model tells nothing about nodules.
# ``see-in-pairs study`` trains both arms; see
# :ref:`sphx_glr_gallery_kept_results_plot_2_learning_curves.py`.
