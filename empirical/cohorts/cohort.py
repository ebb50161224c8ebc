"""The one cohort type: a Parquet table of items, a JSON file of facts, images read one by one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.cohorts.images import inside, open_mask, open_rgb
from empirical.cohorts.questions import FILE, QUESTION_COLUMNS, check_questions, read_questions, write_questions
from empirical.cohorts.schema import QUERY_SPLITS, CohortInfo, check_table, wrong_facts
from see_in_pairs.display import html_frame, plural
from see_in_pairs.errors import InputError
from see_in_pairs.files import content_hash, read_json, read_table, write_json, write_parquet

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL import Image


@dataclass(frozen=True, repr=False)
class Cohort:
    """Items (images with what is known about them) in one folder.

    Parameters
    ----------
    folder : Path
        Where ``cohort.parquet`` and ``cohort.json`` are.
    info : CohortInfo
        Facts about the whole cohort, for example its labels and the words for them.
    table : pandas.DataFrame
        One row per item with at least the columns `COLUMNS`; strings are never null (missing: ``''``), ``age`` is in years (NaN when
        missing). An item with split ``'reference'`` is known to be healthy and is never a query; ``serves`` names the split whose
        queries it may serve (``''``: any; ``'prior'``: its own patient's, ``'family'``: its own family's). Where files hold several
        pictures, ``frame`` says which is meant (from 1; 0: the only one).
    questions : pandas.DataFrame, optional
        One row per item and question: ``item_id, question_id, question, choices, answer, scale, finding``. By default there is one
        question, whether the cohort's finding is there.
    """

    folder: Path
    info: CohortInfo
    table: pd.DataFrame
    questions: pd.DataFrame | None = None

    def __repr__(self) -> str:
        splits = ", ".join(f"{split} {count:,}" for split, count in self.table["split"].value_counts(sort=False).items())
        words = f"{self.info.finding} in {self.info.modality}, '{self.info.healthy}' against {', '.join(map(repr, self.info.positive))}"
        sizes = f"{plural(len(self.table), 'item')} of {plural(self.table['patient_id'].nunique(), 'patient')} ({splits})"
        if self.questions is not None:
            asked = self.questions["question_id"].nunique()
            words = f"{plural(asked, 'question')} on {self.info.modality}, {plural(len(self.questions), 'answer')}"
        return f"Cohort '{self.info.name}' in {self.folder}: {sizes}; {words}"

    def _repr_html_(self) -> str:
        import pandas as pd

        return html_frame(repr(self), pd.crosstab(self.table["split"], self.table["label"]).reset_index())

    @classmethod
    def load(cls, path: Path | str) -> Cohort:
        """Read a cohort.

        Parameters
        ----------
        path : Path or str
            Its folder, with ``cohort.parquet`` and ``cohort.json``.

        Returns
        -------
        Cohort
            Table and facts; images are read later, one by one.

        Raises
        ------
        InputError
            When the folder is missing or is not a cohort, or its table breaks the format of a cohort.

        Examples
        --------
        >>> import tempfile
        >>> from empirical import PhantomConfig, make_phantom
        >>> folder = make_phantom(PhantomConfig(size=40, n_train=2, n_val=0, n_test=4), tempfile.mkdtemp() + "/phantom", seed=0).folder
        >>> len(Cohort.load(folder).queries("test"))
        4
        """
        folder = Path(path)
        if not (folder / "cohort.parquet").is_file() or not (folder / "cohort.json").is_file():
            raise InputError(
                f"{folder}: is not a cohort (no cohort.parquet with cohort.json); 'see-in-pairs cohort phantom' or 'import' make one"
            )
        table = read_table(folder / "cohort.parquet")
        for column in table.columns[table.dtypes == "category"]:  # some programs write text in this way
            table[column] = table[column].astype(table[column].cat.categories.dtype)
        info = _read_info(folder / "cohort.json")
        check_table(table, info, source=str(folder / "cohort.parquet"))
        questions = read_questions(folder)
        if questions is not None:
            check_questions(questions, table, source=str(folder / FILE))
        return cls(folder, info, table, questions)

    def save(self) -> None:
        """Write table and facts into the folder, atomically.

        Raises
        ------
        InputError
            When the table breaks the format of a cohort (`empirical.cohorts.schema.check_table`), or the questions break theirs.
        """
        check_table(self.table, self.info, source=str(self.folder))
        if self.questions is not None:
            check_questions(self.questions, self.table, source=str(self.folder))
        write_json(self.folder / "cohort.json", asdict(self.info))
        write_questions(self.folder, self.questions)
        write_parquet(self.folder / "cohort.parquet", self.table)  # written last: where it exists, the cohort is complete

    def queries(self, split: str) -> pd.DataFrame:
        """Select the queries of a split.

        Parameters
        ----------
        split : str
            ``'train'``, ``'val'`` or ``'test'``.

        Returns
        -------
        pandas.DataFrame
            The rows, in the order of the table.

        Raises
        ------
        InputError
            When there is no such split, or it has no item.
        """
        if split not in QUERY_SPLITS:
            raise InputError(f"no split '{split}' (choose from {', '.join(QUERY_SPLITS)})")
        rows = self.table[self.table["split"] == split]
        if rows.empty:
            raise InputError(f"{self.folder}: no item in split '{split}'")
        return rows.reset_index(drop=True)

    def image_path(self, item_id: str) -> Path:
        """Find the file of an item's image.

        Parameters
        ----------
        item_id : str
            Which item, by its ``item_id``.

        Returns
        -------
        Path
            The file, whether or not it exists.
        """
        return self.file(str(self._cell(item_id, "image")))

    def image(self, item_id: str) -> Image.Image:
        """Read an item's image.

        Parameters
        ----------
        item_id : str
            Which item, by its ``item_id``.

        Returns
        -------
        PIL.Image.Image
            8-bit RGB.

        Raises
        ------
        InputError
            When there is no such item, or its file is missing, broken, or changed since the import.
        """
        return open_rgb(self.image_path(item_id), self.imported_as(item_id), self.frame(item_id))

    def imported_as(self, item_id: str) -> str:
        """Look up the hash of an item's image when it was imported.

        Parameters
        ----------
        item_id : str
            Which item, by its ``item_id``.

        Returns
        -------
        str
            SHA-256 of the file; ``''`` where it was not recorded.
        """
        return str(self._cell(item_id, "sha256"))

    def frame(self, item_id: str) -> int:
        """Look up which picture of its file an item shows.

        Parameters
        ----------
        item_id : str
            Which item, by its ``item_id``.

        Returns
        -------
        int
            Its number, from 1; 0 where the file holds one picture.
        """
        return int(self._cell(item_id, "frame")) if "frame" in self.table else 0

    def mask(self, item_id: str) -> np.ndarray | None:
        """Read an item's lesion mask.

        Parameters
        ----------
        item_id : str
            Which item, by its ``item_id``.

        Returns
        -------
        ndarray of bool, shape (height, width), or None
            The mask; None where the item has none.
        """
        mask = str(self._cell(item_id, "mask"))
        return open_mask(self.file(mask)) if mask else None

    def file(self, relative: str) -> Path:
        """Find a file of the cohort.

        Parameters
        ----------
        relative : str
            A path below `root`, as in the columns ``image`` and ``mask``.

        Returns
        -------
        Path
            The file, whether or not it exists.

        Raises
        ------
        InputError
            When it leads out of the folder of the images, for example by a link.
        """
        return inside(self.root, relative)

    @cached_property
    def hash(self) -> str:
        """A hash of everything that affects results: the images' bytes, labels, splits and patients, but not the folder of the images."""
        import pandas as pd

        rows = pd.util.hash_pandas_object(self.table[sorted(self.table.columns)], index=False)
        words = [self.info.healthy, self.info.positive, self.info.modality, self.info.finding]
        words += [] if self.info.control == "healthy" else [self.info.control]
        if self.questions is not None:
            asked = self.questions[list(QUESTION_COLUMNS)]
            words.append(pd.util.hash_pandas_object(asked, index=False).astype(str).tolist())
        return content_hash([rows.astype(str).tolist(), *words])

    @property
    def root(self) -> Path:
        """The folder that image paths are relative to."""
        return Path(self.info.image_root) if self.info.image_root else self.folder

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {item: position for position, item in enumerate(self.table["item_id"])}

    def _cell(self, item_id: str, column: str) -> Any:
        if item_id not in self._positions:
            raise InputError(f"{self.folder}: no item '{item_id}'")
        return self.table[column].iat[self._positions[item_id]]  # called for every image: reading a whole row takes a hundred times as long


def _read_info(path: Path) -> CohortInfo:
    content = read_json(path)
    known = {item.name for item in fields(CohortInfo)}
    if not isinstance(content, dict) or not {"name", "kind", "healthy", "positive", "modality", "finding"} <= content.keys() <= known:
        raise InputError(f"{path}: not the facts of a cohort (needs name, kind, healthy, positive, modality, finding, and no unknown key)")
    if wrong := wrong_facts(content):
        raise InputError(f"{path}: {wrong}")
    return CohortInfo(**content)
