"""Two paired proportions of independent items: ``mcnemar``, ``cochran_q``, ``conditional_logit`` and four kinds of interval.

``paired_difference`` combines ``tango``, ``newcombe``, ``wald`` and ``bonett_price``.
"""
