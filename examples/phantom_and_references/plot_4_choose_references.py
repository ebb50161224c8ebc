"""
Choose a reference by five strategies
=====================================

Which healthy image should stand beside a query? This example asks five strategies for
references of the same queries and shows the first choice of each.
"""

import tempfile

import matplotlib.pyplot as plt
import numpy as np
from empirical import PhantomConfig, ReferenceConfig, choose_references, make_phantom

config = PhantomConfig(size=48, n_train=0, n_val=0, n_test=60, rho=0.8)
cohort = make_phantom(config, tempfile.mkdtemp(), seed=2)


def embed(items):
    """Any function from item ids to vectors; here, an image shrunk to 8 x 8 pixels."""
    small = [cohort.image(item).convert("L").resize((8, 8)) for item in items]
    return np.array([np.ravel(image) for image in small], dtype=np.float32)


strategies = {
    "random": ReferenceConfig(strategy="random"),
    "demographic": ReferenceConfig(strategy="demographic", unmatched="relax"),
    "embedding": ReferenceConfig(strategy="embedding"),
    "same site": ReferenceConfig(strategy="cross_center", site="same"),
    "other site": ReferenceConfig(strategy="cross_center", site="other"),
}
chosen = {
    name: choose_references(cohort, "test", one, seed=0, embed=embed)
    for name, one in strategies.items()
}

# %%

people = cohort.table.set_index("item_id")
figure, panels = plt.subplots(2, 6, figsize=(7.4, 4))
for row, item in zip(panels, cohort.queries("test")["item_id"].iloc[:2]):
    shown = {"query": item}
    for name, assignment in chosen.items():
        table = assignment.table.set_index("item_id")
        shown[name] = table.loc[item, "reference_id"]
    for axes, (name, shown_item) in zip(row, shown.items()):
        person = people.loc[shown_item]
        axes.imshow(cohort.image(shown_item), cmap="gray")
        axes.set_title(name, fontsize=9, loc="center")
        axes.set_xlabel(f"{person.sex}, {person.age:.0f}\n{person.site}", fontsize=8)
        axes.set(xticks=[], yticks=[])
plt.show()

# %%
# Sex, age and site below each image show what the strategy held equal. No strategy sees
# the label of the query. The fifth built-in strategy, ``prior`` (an earlier image of
# the same patient), needs a cohort with several visits.
#
# See :doc:`references and controls </explanation/references_and_controls>`.
