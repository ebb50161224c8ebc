"""From arms to examples: find references, check them against the rules, and put them into a prompt with the query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from empirical.arms.catalogue import ARMS, Arm, ArmConfig, ArmContext
from empirical.audit import stop_on_errors
from empirical.cohorts import Cohort
from empirical.prompts.example import Example
from empirical.prompts.templates import QUESTION, PromptConfig, listed, prompt_text, render
from empirical.references import Assignment, ReferenceConfig
from empirical.references.aligned import shown_references
from empirical.references.registration import require_simpleitk
from empirical.references.rules import audit_references
from see_in_pairs.errors import InputError, first_few

if TYPE_CHECKING:
    import pandas as pd

    from empirical.vlm.config import ModelConfig


def assign_references(
    cohort: Cohort, split: str, arm: ArmConfig, *, seed: int, model: ModelConfig | None = None, draws: int = 1
) -> Assignment | None:
    """Find the references of an arm, and check them against the rules for every strategy.

    Parameters
    ----------
    cohort : Cohort
        Where the queries and the possible references are.
    split : str
        ``'train'``, ``'val'`` or ``'test'``.
    arm : ArmConfig
        The arm, with the settings of its references.
    seed : int
        Decides all draws of references.
    model : ModelConfig, optional
        The model that is trained or evaluated, for references by its own embedding.
    draws : int, default 1
        Factor on the number of references, so that each query can be shown beside several of them in turn.

    Returns
    -------
    Assignment or None
        References for the queries of the split, and the queries that could not be matched as asked; None where the arm shows no other item.

    Raises
    ------
    InputError
        When a query cannot be matched and no requirement may be relaxed; or when several draws are asked for an arm without a strategy.
    CheckFailed
        When a reference breaks a rule: it is of the query's patient, not healthy, or from a split that is evaluated.
    """
    condition = ARMS[arm.arm]
    if arm.references is not None and arm.references.align != "none":
        require_simpleitk()  # before anything is chosen or loaded
    if draws > 1:
        if arm.references is None or condition.reads:
            raise InputError(f"references_per_query: arm '{arm.arm}' has no references, so it cannot have several; leave it at 1")
        arm = arm.model_copy(update={"references": arm.references.model_copy(update={"m": arm.references.m * draws})})
    if condition.find is None:
        return None
    assignment = condition.find(ArmContext(cohort, split, arm, seed, model))
    if arm.other_cohort is None:  # items of another cohort are of other patients, and are never evaluated
        order = (arm.references or ReferenceConfig()).order
        stop_on_errors(audit_references(cohort, split, assignment, order), condition.allows)
    return assignment


def build_examples(
    cohort: Cohort,
    split: str,
    arm: ArmConfig,
    prompts: PromptConfig,
    *,
    seed: int,
    assignment: Assignment | None = None,
    model: ModelConfig | None = None,
    choice_order: int = 0,
) -> list[Example]:
    """Build the examples of one arm, one for each query of a split, or for each question about it.

    Parameters
    ----------
    cohort : Cohort
        Where the items and their images are.
    split : str
        ``'train'``, ``'val'`` or ``'test'``.
    arm : ArmConfig
        The arm, with the settings of its references.
    prompts : PromptConfig
        Which prompt texts to use, and the closed set of answers.
    seed : int
        Decides all draws of references, and the noise of the arm of that name.
    assignment : Assignment, optional
        References that have been chosen already, by `assign_references`.
    model : ModelConfig, optional
        The model that is trained or evaluated, for references by its own embedding.
    choice_order : int, default 0
        By how many places the list of answers in the prompt is rotated.

    Returns
    -------
    list of Example
        In the cohort's order of items, without queries that were left out on request.

    Raises
    ------
    InputError
        When a split is empty, a query cannot be matched, or the cohort asks questions and the prompt has no place for them.
    """
    condition, asked = ARMS[arm.arm], asked_queries(cohort, split, prompts)
    assignment = assignment or assign_references(cohort, split, arm, seed=seed, model=model)
    references_of = {} if assignment is None else assignment.references()
    template = _template(condition, prompts, cohort)
    words = prompt_words(cohort, prompts)
    shown = cohort if arm.other_cohort is None else Cohort.load(Path(arm.other_cohort))
    patient_of = dict(zip(shown.table["item_id"], shown.table["patient_id"], strict=True))
    context, examples = ArmContext(cohort, split, arm, seed, model), []
    for item_id, question_id, question, finding, choices, answer in asked.itertuples(index=False, name=None):
        if assignment is not None and item_id not in references_of:
            continue
        references = references_of.get(item_id, ())
        aligned = shown_references(item_id, references, arm.references)
        beside = aligned if condition.images is None else condition.images(item_id, references, context)
        references = references or tuple(image for image in beside if image == item_id)  # a duplicate is its own reference
        turned = choice_order % len(choices)
        answers = (*choices[turned:], *choices[:turned])
        own = words | {"question": question, "answers": listed(answers)} | ({"finding": finding} if finding else {})
        parts, rest = render(template, own, len(beside), condition.shows_query), iter(beside)
        shown_as_query = item_id if condition.query is None else condition.query(item_id)
        images = tuple(shown_as_query if part.kind == "query" else next(rest) for part in parts if part.kind != "text")
        patients = tuple(patient_of[reference] for reference in references)
        examples.append(Example(item_id, parts, images, answer, references, patients, question_id, answers))
    return examples


def asked_queries(cohort: Cohort, split: str, prompts: PromptConfig) -> pd.DataFrame:
    """List what is asked about the queries of a split: ``item_id, question_id, question, finding, choices, answer``.

    A cohort without questions asks one about each query, whether its finding is there.
    """
    import pandas as pd

    queries = checked_queries(cohort, split)
    if cohort.questions is not None:
        # by item in the order of the table, and for each by question in the order of theirs
        columns = ["item_id", "question_id", "question", "finding", "choices", "answer"]
        return queries[["item_id"]].merge(cohort.questions[columns], on="item_id", how="inner", sort=False)
    positive = queries["label"].isin(cohort.info.positive)
    question = QUESTION.replace("{finding}", cohort.info.finding)
    return pd.DataFrame(
        {
            "item_id": queries["item_id"], "question_id": "", "question": question, "finding": cohort.info.finding,
            "choices": [prompts.answers] * len(queries), "answer": positive.map({True: prompts.positive, False: prompts.negative}),
        }
    )  # fmt: skip


def build_with_draws(
    cohort: Cohort, arm: ArmConfig, prompts: PromptConfig, *, seed: int, draws: int = 1, model: ModelConfig | None = None
) -> tuple[Assignment | None, list[dict[tuple[str, str], Example]]]:
    """Build the training examples of an arm, each query beside several references (or sets of them) in turn.

    Returns all references, and for each draw the examples by item and question.
    """
    assignment = assign_references(cohort, "train", arm, seed=seed, model=model, draws=draws)
    size = 1 if arm.references is None else arm.references.m
    parts = [assignment if assignment is None or draws == 1 else assignment.part(number, size) for number in range(draws)]
    built = [build_examples(cohort, "train", arm, prompts, seed=seed, assignment=part) for part in parts]
    return assignment, [{example.key: example for example in examples} for examples in built]


def prompt_words(cohort: Cohort, prompts: PromptConfig) -> dict[str, str]:
    """Look up what a prompt calls things in a cohort, each of `empirical.prompts.templates.WORDS` that is the same for all items."""
    info = cohort.info
    words = {"modality": info.modality, "finding": info.finding, "answers": listed(prompts.answers), "control": info.control}
    if cohort.questions is not None:  # all of them, so that their words can be checked
        asked = dict.fromkeys(cohort.questions["question"]) | dict.fromkeys(
            choice for choices in dict.fromkeys(cohort.questions["choices"]) for choice in choices
        )
        words |= {"question": "\n".join(asked)}
    return words


def _template(condition: Arm, prompts: PromptConfig, cohort: Cohort) -> str:
    name = prompts.wording(condition.wording)
    text = prompt_text(name)
    if condition.wording == "reversed":
        orders = [template.find("{reference}") < template.find("{query}") for template in (text, prompt_text(prompts.pair))]
        if orders[0] == orders[1]:
            raise InputError("arm 'reversed': prompts.reversed shows the images in the same order as prompts.pair; name another prompt")
    if cohort.questions is not None and "{question}" not in text:
        raise InputError(f"prompt '{name}': has no place {{question}}, but {cohort.folder} asks several questions; add it")
    return text


def checked_queries(cohort: Cohort, split: str) -> pd.DataFrame:
    """Select the queries of a split, and make sure that there are several answers and more than one patient.

    Where a cohort asks questions, only items that some are about are queries.
    """
    queries = cohort.queries(split)
    if cohort.questions is None:
        positive = queries["label"].isin(cohort.info.positive)
        if positive.all() or not positive.any():
            only = queries["label"].iloc[0]
            raise InputError(f"{cohort.folder}: every item of the split '{split}' is '{only}'; both classes are needed")
    else:
        questions = cohort.questions[cohort.questions["item_id"].isin(queries["item_id"])]
        if questions["answer"].nunique() < 2:
            what = f"every answer is '{questions['answer'].iloc[0]}'" if len(questions) else "nothing is asked about any item"
            raise InputError(f"{cohort.folder}: split '{split}': {what}; several answers are needed")
        queries = queries[queries["item_id"].isin(questions["item_id"])].reset_index(drop=True)
    if queries["patient_id"].nunique() < 2:
        raise InputError(f"{cohort.folder}: the split '{split}' has only one patient; inference is over patients, so several are needed")
    return queries


def refuse_classes_without_cases(cohort: Cohort) -> None:
    """Refuse to train on questions that are asked about every item, when one of their answers is never the right one in training."""
    if cohort.questions is None:
        return
    queries = cohort.queries("train")["item_id"]
    questions = cohort.questions[cohort.questions["item_id"].isin(queries)]
    asked = questions["item_id"].nunique()
    for name, rows in questions.groupby("question_id", sort=False):
        if len(rows) < asked:
            continue  # a question about some items only: an answer may be rare
        if never := [choice for choice in rows["choices"].iloc[0] if choice not in set(rows["answer"])]:
            raise InputError(
                f"{cohort.folder}: question '{name}': no training case of {first_few(never)}; merge rare classes when importing, or take "
                "more patients"
            )


def require_one_question(cohort: Cohort, command: str) -> None:
    """Refuse a cohort of several questions where a command can answer for one only."""
    if cohort.questions is not None:
        raise InputError(f"{command}: {cohort.folder} asks several questions, and this needs one; use the cohort without questions.parquet")
