"""How similar queries and references are, before and after matching: `balance` in numbers, `love_plot` and `pair_sheet` to look at."""
