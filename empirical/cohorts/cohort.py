"""The one cohort type: a Parquet table of items, a JSON page of facts, images read when asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from empirical.cohorts.images import open_mask, open_rgb
from see_in_pairs.errors import InputError, first_few
from see_in_pairs.files import content_hash, read_json, read_table, write_json, write_parquet

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL import Image

TEXT_COLUMNS = ("item_id", "image", "mask", "label", "patient_id", "family", "site", "split", "serves", "sex", "view", "sha256")
COLUMNS = (*TEXT_COLUMNS, "age")
QUERY_SPLITS = ("train", "val", "test")
SPLITS = (*QUERY_SPLITS, "reference")


@dataclass(frozen=True)
class CohortInfo:
    """Facts about a cohort, kept in ``cohort.json``.

    Parameters
    ----------
    name : str
        What to call it in figures and reports.
    kind : str
        Which reader made it: ``'phantom'``, ``'nih'``, ``'folder'``...
    healthy : str
        The label of the healthy class.
    positive : list of str
        The label(s) to detect.
    modality : str
        For the prompt, for example ``'chest X-ray'``.
    finding : str
        What to look for, in words for the prompt, for example ``'a nodule'``.
    image_root : str or None
        The folder that image paths are relative to; None: the cohort's own folder.
    licence : str
        The line to show wherever results on these images are shown.
    counts : dict of str to int
        What befell how many rows while importing; nothing is skipped in silence.
    control : str
        What the healthy class is, in a word for prompts and pages: ``'healthy'``, or ``'benign'`` where a set has nothing healthier.
    parameters : dict
        What decided the cohort (for a phantom its config, ``rho`` and ``shares``).
    """

    name: str
    kind: str
    healthy: str
    positive: list[str]
    modality: str
    finding: str
    image_root: str | None = None
    licence: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    control: str = "healthy"


@dataclass(frozen=True)
class Cohort:
    """Items (images with what is known about them) in one folder.

    Parameters
    ----------
    folder : Path
        Where ``cohort.parquet`` and ``cohort.json`` lie.
    info : CohortInfo
        Facts about the whole.
    table : pandas.DataFrame
        One row per item with at least the columns `COLUMNS`; strings are never null (missing: ``''``), ``age`` is in years (NaN when
        missing). An item with split ``'reference'`` is known to be healthy and is never a query; ``serves`` names the split whose
        queries it may serve (``''``: any).
    """

    folder: Path
    info: CohortInfo
    table: pd.DataFrame

    @classmethod
    def load(cls, path: Path | str) -> Cohort:
        """Read a cohort.

        Parameters
        ----------
        path : Path or str
            Its folder.

        Returns
        -------
        Cohort
            Table and facts; images are read later, one by one.

        Raises
        ------
        InputError
            When the folder is missing, is no cohort, or its table breaks the contract.
        """
        folder = Path(path)
        if not (folder / "cohort.parquet").is_file() or not (folder / "cohort.json").is_file():
            raise InputError(
                f"{folder}: is not a cohort (no cohort.parquet with cohort.json); 'see-in-pairs cohort phantom' or 'import' make one"
            )
        table = read_table(folder / "cohort.parquet")
        info = _read_info(folder / "cohort.json")
        check_table(table, info, source=str(folder / "cohort.parquet"))
        return cls(folder, info, table)

    def save(self) -> None:
        """Write table and facts into the folder, atomically.

        Raises
        ------
        InputError
            When the table breaks the contract.
        """
        check_table(self.table, self.info, source=str(self.folder))
        write_parquet(self.folder / "cohort.parquet", self.table)
        write_json(self.folder / "cohort.json", asdict(self.info))

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
            When there is no such split, or it holds no item.
        """
        if split not in QUERY_SPLITS:
            raise InputError(f"no split '{split}' (choose from {', '.join(QUERY_SPLITS)})")
        rows = self.table[self.table["split"] == split]
        if rows.empty:
            raise InputError(f"{self.folder}: no item in split '{split}'")
        return rows.reset_index(drop=True)

    def image_path(self, item_id: str) -> Path:
        """Tell where an item's image lies.

        Parameters
        ----------
        item_id : str
            The item.

        Returns
        -------
        Path
            The file, whether or not it exists.
        """
        return self.file(str(self._row(item_id)["image"]))

    def image(self, item_id: str) -> Image.Image:
        """Read an item's image.

        Parameters
        ----------
        item_id : str
            The item.

        Returns
        -------
        PIL.Image.Image
            8-bit RGB.

        Raises
        ------
        InputError
            When there is no such item, or its file is missing or broken.
        """
        return open_rgb(self.image_path(item_id))

    def mask(self, item_id: str) -> np.ndarray | None:
        """Read an item's lesion mask.

        Parameters
        ----------
        item_id : str
            The item.

        Returns
        -------
        ndarray of bool, shape (height, width), or None
            The mask; None where the item has none.
        """
        mask = str(self._row(item_id)["mask"])
        return open_mask(self.file(mask)) if mask else None

    def file(self, relative: str) -> Path:
        """Tell where a file of the cohort lies.

        Parameters
        ----------
        relative : str
            As in the columns ``image`` and ``mask``.

        Returns
        -------
        Path
            The file, whether or not it exists.

        Raises
        ------
        InputError
            When it leads out of the folder of the images, as a link may.
        """
        return inside(self.root, relative)

    @cached_property
    def hash(self) -> str:
        """A hash of what decides results: the images' bytes, labels, splits and patients; not of where the images lie."""
        import pandas as pd

        rows = pd.util.hash_pandas_object(self.table[sorted(self.table.columns)], index=False)
        words = [self.info.healthy, self.info.positive, self.info.modality, self.info.finding]
        words += [] if self.info.control == "healthy" else [self.info.control]
        return content_hash([rows.astype(str).tolist(), *words])

    @property
    def root(self) -> Path:
        """Path that image paths are relative to."""
        return Path(self.info.image_root) if self.info.image_root else self.folder

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {item: position for position, item in enumerate(self.table["item_id"])}

    def _row(self, item_id: str) -> pd.Series:
        if item_id not in self._positions:
            raise InputError(f"{self.folder}: no item '{item_id}'")
        return self.table.iloc[self._positions[item_id]]


def inside(root: Path, relative: str) -> Path:
    """Join a path to its root, and make sure that it stays there.

    Parameters
    ----------
    root : Path
        A folder.
    relative : str
        A path in it.

    Returns
    -------
    Path
        The file, whether or not it exists.

    Raises
    ------
    InputError
        When it leads out, or a link on its way leads in a circle.
    """
    path = root / relative
    try:
        stays = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of symbolic links
        raise InputError(f"{path}: is a symbolic link that leads in a circle; replace it by the file") from None
    if not stays:
        raise InputError(f"{path}: leads out of {root}; put the file there, or name the folder where it really is")
    return path


def check_table(table: pd.DataFrame, info: CohortInfo, source: str) -> None:
    """Hold a table against the contract of a cohort.

    Parameters
    ----------
    table : pandas.DataFrame
        The items.
    info : CohortInfo
        Names the classes.
    source : str
        Named in the error line.

    Raises
    ------
    InputError
        One line on the first breach: no rows, missing columns, missing or repeated ids, an unknown split or label, a path that leads
        out of the cohort.
    """
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise InputError(f"{source}: a cohort needs the column(s) {first_few(missing, 5)}")
    if table.empty:
        raise InputError(f"{source}: the cohort is empty (no item)")
    nulls = [column for column in TEXT_COLUMNS if table[column].isna().any()]
    if nulls:
        raise InputError(f"{source}: empty values in {first_few(nulls)}; write '' where a text is missing")
    _refuse(table, table["item_id"].duplicated() | (table["item_id"] == ""), f"{source}: item ids are empty or occur twice")
    _refuse(table, table["patient_id"] == "", f"{source}: items without a patient")
    _refuse(table, ~table["split"].isin(SPLITS), f"{source}: items with an unknown split (known: {', '.join(SPLITS)})")
    _refuse(table, ~table["label"].isin([info.healthy, *info.positive]), f"{source}: items with a label that cohort.json does not name")
    references = table["split"] == "reference"
    _refuse(table, references & (table["label"] != info.healthy), f"{source}: references that are not {info.healthy}")
    unsafe = ~(table["image"].map(is_safe_path) & table["mask"].map(lambda mask: mask == "" or is_safe_path(mask)))
    _refuse(table, unsafe, f"{source}: image paths must be relative and stay inside their folder")


def is_safe_path(path: str) -> bool:
    """Tell whether a path is relative and does not climb.

    Parameters
    ----------
    path : str
        As written in a table, with forward slashes.

    Returns
    -------
    bool
        False for an empty or absolute path, a drive letter, or one with ``..``.

    Examples
    --------
    >>> is_safe_path("images/a.png"), is_safe_path("../../etc/passwd"), is_safe_path("/etc/passwd")
    (True, False, False)
    """
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and ":" not in parts[0]


def _refuse(table: pd.DataFrame, bad: pd.Series, message: str) -> None:
    if bad.any():
        raise InputError(f"{message}: {int(bad.sum())} item(s), {first_few(list(table.loc[bad, 'item_id']))}")


def _read_info(path: Path) -> CohortInfo:
    content = read_json(path)
    known = {item.name for item in fields(CohortInfo)}
    if not isinstance(content, dict) or not {"name", "kind", "healthy", "positive", "modality", "finding"} <= content.keys() <= known:
        raise InputError(f"{path}: not the facts of a cohort (needs name, kind, healthy, positive, modality, finding; nothing unknown)")
    return CohortInfo(**content)
