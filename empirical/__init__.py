"""Cohorts, references, vision-language models, finetuning and evaluation. Imports neither theory nor paper_figures."""
