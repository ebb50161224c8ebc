"""Sums of products of kernels over pairs that share both cases, which unbiased variances of areas need beside the placements."""

from __future__ import annotations

import numpy as np

from paper_figures.statistics.validation import Codes, Floats

EXACT, DRAWN = 50_000_000, 2**18
"""Kernels (of all groups) up to which every one is computed, and how many pairs are drawn above. The sums enter variances divided by the
number of pairs, so that the error of drawn pairs, .001, is below .001 of a variance, and smaller the more items there are."""
BLOCK = 4_000_000


def shared_products(negative: Floats, positive: Floats, negative_case: Codes, positive_case: Codes) -> Floats:
    r"""Sum over k and l of :math:`G_{kl} (H_{kl} + H_{lk})`, for every pair of groups G and H; shape (g, g).

    :math:`G_{kl}` is the sum of the kernels of a negative item of case k and a positive item of case l: 1 where the positive is above, one
    half where they are tied; 0 where the group did not read both (NaN). Shapes: `negative` (g, a), `positive` (g, b), and their cases (a,),
    (b,), sorted.
    """
    groups, a = negative.shape
    if groups * a * positive.shape[1] > EXACT:
        return _drawn(negative, positive, negative_case, positive_case)
    rows, row_starts = np.unique(negative_case, return_index=True)
    columns, column_starts = np.unique(positive_case, return_index=True)
    edges = np.append(column_starts, positive.shape[1])
    both_rows, both_columns = np.isin(rows, columns), np.isin(columns, rows)
    found, mixed, first = np.zeros((groups, groups)), [], 0
    while first < len(columns):  # whole cases at a time, in little memory
        last = max(first + 1, int(np.searchsorted(edges, edges[first] + BLOCK // (groups * a), "right")) - 1)
        kernel = _kernel(negative[:, :, None], positive[:, None, edges[first] : edges[last]])
        if len(rows) < a:
            kernel = np.add.reduceat(kernel, row_starts, axis=1)
        if last - first < kernel.shape[2]:
            kernel = np.add.reduceat(kernel, column_starts[first:last] - edges[first], axis=2)
        flat = kernel.reshape(groups, -1)
        found += flat @ flat.T
        mixed.append(kernel[:, both_rows][:, :, both_columns[first:last]])
        first = last
    square = np.concatenate(mixed, axis=2)
    return found + square.reshape(groups, -1) @ np.swapaxes(square, 1, 2).reshape(groups, -1).T


def _kernel(negative: Floats, positive: Floats) -> Floats:
    found: Floats = (negative < positive) + 0.5 * (negative == positive)
    return found


def _drawn(negative: Floats, positive: Floats, negative_case: Codes, positive_case: Codes) -> Floats:
    """The same from random pairs, equal for all groups, so that differences of the groups have less noise than the groups."""
    rng = np.random.Generator(np.random.Philox(key=len(negative_case)))
    cases = int(max(negative_case[-1], positive_case[-1])) + 1
    counts = [np.bincount(case, minlength=cases) for case in (negative_case, positive_case)]
    starts = [np.cumsum(count) - count for count in counts]

    def pairs(one: int, other: int, size: int) -> tuple[int, Codes, Codes]:
        """Number of pairs of a positive and a negative item of the same case, and some of these pairs."""
        upto = np.cumsum(counts[one] * counts[other])
        case = np.searchsorted(upto, rng.integers(max(int(upto[-1]), 1), size=size), "right")
        first, second = (starts[side][case] + (rng.random(size) * counts[side][case]).astype(np.intp) for side in (one, other))
        return int(upto[-1]), first, second

    total = np.zeros((len(negative), len(negative)))
    chunk = max(1, BLOCK // len(negative))
    for start in range(0, DRAWN, chunk):
        size = min(chunk, DRAWN - start)
        (n, i, other_i), (m, j, other_j) = pairs(0, 0, size), pairs(1, 1, size)
        total += n * m / DRAWN * _kernel(negative[:, i], positive[:, j]) @ _kernel(negative[:, other_i], positive[:, other_j]).T
        if not (counts[0] * counts[1]).any():
            continue
        # in H_lk the positive item is of the case that the negative one of G is of
        (n, i, other_j), (_, other_i, j) = pairs(0, 1, size), pairs(0, 1, size)
        total += n * n / DRAWN * _kernel(negative[:, i], positive[:, j]) @ _kernel(negative[:, other_i], positive[:, other_j]).T
    return (total + total.T) / 2
