"""Make a cohort of healthy images with lesions in half of the queries: places, contrast, images, table."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from empirical.analysis.channels import patch_outputs
from empirical.cohorts.cohort import Cohort
from empirical.cohorts.image_scan import scan_images
from empirical.cohorts.importing import assemble
from empirical.cohorts.insertion.calibration import Achieved, achieved, calibrate, laguerre_gauss, signal_outputs
from empirical.cohorts.insertion.config import InsertConfig, MadeConfig
from empirical.cohorts.insertion.lesions import Bools, Floats, Pixels, add_lesion, allowed_places, colour_weights, draw_lesion, envelope
from empirical.cohorts.perceptual_hash import save_signatures
from empirical.cohorts.schema import CohortInfo
from empirical.cohorts.splits import split_by_patient
from see_in_pairs.console import progress
from see_in_pairs.errors import InputError
from see_in_pairs.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

LESION = "inserted lesion"
FEWEST = {"train": 10, "test": 5, "reference": 5}
"""Ours. Patients of a split: fewer give no standard error worth having."""
TRIES = 200  # places that are tried in one image before it is left out
ROUNDS = 3  # contrast and places depend on each other: bright places have no room for a bright lesion
MOST_CALIBRATED = 2000  # training images from which the contrast is found
OF_MADE = 1000  # number of the random stream of an image's made references; those of its queries are below
LEAST_HEIGHT = 2.0  # gray levels: fainter lesions are lost in rounding
MOST_WITHOUT_ROOM = 0.2  # share of the images
OWN_COLUMNS = ("item_id", "image", "mask", "label", "split", "serves", "sha256", "width", "height", "mode", "frame", "film")

Place = NDArray[np.intp]


@dataclass
class _Query:
    """A copy of an image: where its lesion is, or would be, and the image with the lesion."""

    place: Place
    changed: Pixels


@dataclass
class _Tested:
    """Of the test queries of one image: healthy channel outputs, what the lesions added, which have one, and the patient."""

    healthy: Floats
    added: Floats
    ill: Bools
    patient: str


def insert_lesions(source: Cohort, config: InsertConfig, out: Path | str, seed: int, quiet: bool = True) -> Cohort:
    """Make a cohort from the healthy images of another, with a lesion in half of its queries.

    Parameters
    ----------
    source : Cohort
        Any cohort. Only its items of the healthy class are used, of all splits; patients are split anew.
    config : InsertConfig
        The lesion, where it can be, how detectable it is, and how many queries an image gives.
    out : Path or str
        Folder of the new cohort; made when missing. ``cohort.parquet`` is written last, so that it exists only for a complete cohort.
    seed : int
        Decides splits, places, labels and textures. The same seed, config and images give the same bytes.
    quiet : bool, default True
        When false, show progress on a terminal.

    Returns
    -------
    Cohort
        Queries in ``train``, ``val`` and ``test``; the images of other patients as references without any lesion; and, for strategy
        ``prior`` with ``order: film``, the unchanged other images of the queries' patients. Columns ``row`` and ``column`` hold the
        place of the lesion in pixels, in healthy queries the place where it would be. ``info.parameters`` holds the contrast, and the
        detectability it has in the test images. References that are made (`config.made`) serve the family of their query, and their
        ``patient_id`` says that they are made and with whose image.

    Raises
    ------
    InputError
        When there are too few healthy patients, no place in the region, or a contrast that gray levels cannot hold.
    """
    import pandas as pd

    out = Path(out)
    films, counts = _healthy(source, config, seed)
    channels = laguerre_gauss(config.channel_side, config.channel_width, config.channels)
    signal = signal_outputs(envelope(config), channels)
    height, relative_se, train = _contrast(source, films, config, channels, signal, seed, quiet)
    maker = None if config.made is None else _Maker(source, films, config, config.made, seed, quiet)
    rows, tested, without = [], list[_Tested](), {"images_without_room": 0, "images_without_place": 0}
    ill_before = dict.fromkeys(FEWEST | {"val": 0}, 0)
    for film in progress(films.to_dict("records"), len(films), "images", quiet):
        pixels = read_square(source, film["item_id"], config)
        common = {name: value for name, value in film.items() if name not in OWN_COLUMNS} | {"film": film["film"]}
        stem = hashlib.sha256(film["item_id"].encode()).hexdigest()[:20]
        if film["split"] == "reference":
            rows.append(common | _untouched(out, stem, film, pixels, source.info.healthy, ""))
            continue
        if config.only_last and film["film"] < film["own_films"]:
            rows.append(common | _untouched(out, stem, film, pixels, source.info.healthy, "prior"))
            continue
        places = allowed_places(pixels, _region_mask(source, film["item_id"], config), config)
        queries = _place_all(pixels, places, config, height, film["item_id"], seed)
        if queries is None:
            without["images_without_room" if len(places) else "images_without_place"] += 1
            continue
        if film["own_films"] > 1 and not config.only_last:
            rows.append(common | _untouched(out, stem, film, pixels, source.info.healthy, "prior"))
        if maker is not None:
            common["family"] = stem
            rows += [common | row for row in maker.rows(out, stem, film, pixels)]
        ill = _diseased(config.lesions_per_image, ill_before[film["split"]], film["item_id"], seed)
        ill_before[film["split"]] += 1
        for number, (query, diseased) in enumerate(zip(queries, ill, strict=True)):
            row = _query(out, stem, number, pixels, query, diseased, config)
            rows.append(common | row | {"item_id": f"{film['item_id']}#{number}", "split": film["split"], "serves": "", "label": (
                LESION if diseased else source.info.healthy)})  # fmt: skip
        if film["split"] == "test":
            tested.append(_measure(channels, pixels, queries, ill, film["patient_id"]))
    _refuse_full(without, films, config, height)
    for split in ("train", "test"):
        if ill_before[split] < 2:
            raise InputError(f"no image of split '{split}' has room for a lesion; make the region larger, or the lesion smaller")
    healthy, added, ill = (np.concatenate([getattr(one, name) for one in tested]) for name in ("healthy", "added", "ill"))
    patients = np.repeat([one.patient for one in tested], [len(one.ill) for one in tested])
    found = achieved(signal, train, healthy, added, ill, patients)
    info = _info(source, config, seed, counts | without, height, relative_se, found, {} if maker is None else maker.facts())
    return _save(out, info, pd.DataFrame(rows), quiet)


def read_square(source: Cohort, item_id: str, config: InsertConfig) -> Pixels:
    """Read the middle square of an image at the new size, (size, size) or (size, size, 3)."""
    from PIL import Image, ImageOps

    image = source.image(item_id).convert("L" if config.colours == "gray" else "RGB")
    smaller = min(image.size) >= config.size
    method = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    return np.asarray(ImageOps.fit(image, (config.size, config.size), method), dtype=np.uint8)


def gray_of(pixels: Pixels) -> Floats:
    """Gray levels of an image as observers see it."""
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float64)


def _region_mask(source: Cohort, item_id: str, config: InsertConfig) -> Bools | None:
    from PIL import Image, ImageOps

    if config.region != "mask":
        return None
    mask = source.mask(item_id)
    if mask is None:
        raise InputError(f"region: mask: the healthy image '{item_id}' has no mask; give region: content, or a rectangle")
    fitted = ImageOps.fit(Image.fromarray(mask), (config.size, config.size), Image.Resampling.NEAREST)
    return np.asarray(fitted, dtype=bool)


def _healthy(source: Cohort, config: InsertConfig, seed: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """The healthy images, each once, with split, number of images of the patient, and place of the image in their order (``film``)."""
    healthy = source.table[source.table["label"] == source.info.healthy]
    name = healthy["sha256"].where(healthy["sha256"] != "", healthy["image"])
    films = healthy[~name.duplicated()].reset_index(drop=True)
    ill = source.table.loc[source.table["label"] != source.info.healthy, "patient_id"]
    counts = {
        "healthy_images": len(films),
        "healthy_patients": films["patient_id"].nunique(),
        "repeated_images": len(healthy) - len(films),
        "patients_with_diseased_images_too": films.loc[films["patient_id"].isin(ill), "patient_id"].nunique(),
    }
    if films.empty:
        raise InputError(f"{source.folder}: has no image of the healthy class '{source.info.healthy}'")
    if config.made is not None and (films["family"] != "").any():
        raise InputError(f"made: {source.folder} has families of its own, which made references need; leave made out")
    order = films["follow_up"] if "follow_up" in films and films["follow_up"].dtype.kind in "iuf" else films["item_id"]
    films = films.assign(
        split=split_by_patient(films["patient_id"], films["label"] != films["label"], config.fractions, seed),
        own_films=films.groupby("patient_id")["item_id"].transform("size"),
        film=order.groupby(films["patient_id"]).rank(method="first").astype(int),
    )
    if config.only_last:
        films.loc[films["own_films"] == 1, "split"] = "reference"
        counts["patients_of_one_image"] = int((films["own_films"] == 1).sum())
    patients = films.groupby("split")["patient_id"].nunique()
    for split, fewest in FEWEST.items():
        if patients.get(split, 0) < fewest:
            total, alone = counts["healthy_patients"], counts.get("patients_of_one_image")
            only = "" if alone is None else f", {alone} of them with one image, which only_last makes references,"
            raise InputError(
                f"{source.folder}: {total} patients with healthy images{only} give {patients.get(split, 0)} for '{split}', but at least "
                f"{fewest} are needed; use a larger cohort, or change fractions"
            )
    if config.made is not None and config.made.each > patients["reference"]:
        raise InputError(
            f"made.each: each of {config.made.each} made references takes another patient's part, but there are {patients['reference']} "
            "patients of references; lower it, or raise the last of fractions"
        )
    return films, counts


def _rng(seed: int, item_id: str, what: int) -> np.random.Generator:
    """The random stream of one query (`what` from 0) or of an image's labels (-1), which no other image changes."""
    return np.random.default_rng([seed, *hashlib.sha256(item_id.encode()).digest()[:8], what + 1])


def _place_all(pixels: Pixels, places: Place, config: InsertConfig, height: float, item_id: str, seed: int) -> list[_Query] | None:
    """A place for each query of an image, drawn before it is known which of them are diseased; None if the image has no room."""
    found, weights = [], colour_weights(config.tint)
    for number in range(config.lesions_per_image):
        rng = _rng(seed, item_id, number)
        lesion = height * draw_lesion(config, rng)
        for place in places[rng.choice(len(places), min(TRIES, len(places)), replace=False)] if len(places) else places:
            changed = add_lesion(pixels, place, lesion, weights)
            if changed is not None:
                found.append(_Query(place, changed))
                break
        else:
            return None
    return found


def _diseased(number: int, before: int, item_id: str, seed: int) -> Bools:
    """Which queries of an image have the lesion: half of them; of an odd number one more in every second image."""
    ill = np.arange(number) < (number + before % 2) // 2
    return _rng(seed, item_id, -1).permutation(ill)


def _contrast(
    source: Cohort, films: pd.DataFrame, config: InsertConfig, channels: Floats, signal: Floats, seed: int, quiet: bool
) -> tuple[float, float, Floats]:
    """Height of the lesion in gray levels, its relative standard error, and the healthy outputs that gave it, of training images."""
    chosen = films[films["split"] == "train"].iloc[:MOST_CALIBRATED]
    images = [read_square(source, item, config) for item in progress(chosen["item_id"], len(chosen), "calibration", quiet)]
    allowed = [
        allowed_places(pixels, _region_mask(source, item, config), config) for pixels, item in zip(images, chosen["item_id"], strict=True)
    ]
    if not any(len(places) for places in allowed):
        raise InputError("region: no training image has a place where the whole lesion fits; make the region larger, or the lesion smaller")
    height, relative_se, outputs = 0.0, 0.0, np.empty((0, len(channels)))
    for _ in range(ROUNDS):
        parts, patients = [], []
        for pixels, places, item, patient in zip(images, allowed, chosen["item_id"], chosen["patient_id"], strict=True):
            queries = _place_all(pixels, places, config, height, item, seed)
            if queries is not None:
                parts.append(patch_outputs(gray_of(pixels), channels, np.stack([query.place for query in queries])))
                patients += [patient] * len(queries)
        if len(set(patients)) < FEWEST["train"]:
            raise _no_room(config, height, len(chosen) - len(parts), len(chosen))
        outputs = np.concatenate(parts)
        if len(outputs) < 5 * len(channels) or np.linalg.matrix_rank(np.cov(outputs, rowvar=False)) < len(channels):
            raise InputError(f"channels: {len(outputs)} places in training images are too few for {len(channels)} channels, or all alike")
        height, relative_se = calibrate(signal, outputs, np.array(patients), config.detectability)
    if height < LEAST_HEIGHT:
        raise InputError(
            f"detectability: {config.detectability:g} needs a lesion of {height:.2g} gray levels, which rounding would spoil; choose a "
            "larger one"
        )
    return height, relative_se, outputs


def _no_room(config: InsertConfig, height: float, without: int, total: int) -> InputError:
    return InputError(
        f"detectability: {config.detectability:g} needs a lesion of {height:.0f} gray levels, for which {without} of {total} images have "
        "no room between 0 and 255; choose a smaller one, a larger width, or the other sign (darker)"
    )


def _refuse_full(without: dict[str, int], films: pd.DataFrame, config: InsertConfig, height: float) -> None:
    total = int((films["split"] != "reference").sum())
    if without["images_without_room"] > MOST_WITHOUT_ROOM * total:
        raise _no_room(config, height, without["images_without_room"], total)
    if without["images_without_place"] > MOST_WITHOUT_ROOM * total:
        raise InputError(
            f"region: in {without['images_without_place']} of {total} images no place is inside the region and off the border; make the "
            "region larger, or the lesion smaller"
        )


def _untouched(out: Path, stem: str, film: dict[Any, Any], pixels: Pixels, healthy: str, serves: str) -> dict[str, Any]:
    """The row of an image as it is: a reference for other patients' queries, or (``serves='prior'``) for its own patient's."""
    name = f"images/{stem}.png"
    digest = _write(out / name, pixels)
    where = {"row": -1, "column": -1}
    return where | {"item_id": film["item_id"], "image": name, "mask": "", "label": healthy, "split": "reference", "serves": serves,
                    "sha256": digest}  # fmt: skip


def _query(out: Path, stem: str, number: int, pixels: Pixels, query: _Query, diseased: bool, config: InsertConfig) -> dict[str, Any]:
    name, mask = f"images/{stem}.png", ""  # healthy queries of an image and its untouched item are one file
    if diseased:
        name, mask = f"images/{stem}-{number}.png", f"masks/{stem}-{number}.png"
        shown, half = np.zeros((config.size, config.size), dtype=np.uint8), np.abs(envelope(config)) > 0.5
        top, left = query.place - config.reach
        shown[top : top + len(half), left : left + len(half)] = np.where(half, 255, 0)
        _write(out / mask, shown)
    digest = _write(out / name, query.changed if diseased else pixels)
    return {"image": name, "mask": mask, "sha256": digest, "row": int(query.place[0]), "column": int(query.place[1])}


class _Maker:
    """Makes references of which a known part is the own image: the same query, seed and strangers' images give the same bytes."""

    def __init__(self, source: Cohort, films: pd.DataFrame, config: InsertConfig, made: MadeConfig, seed: int, quiet: bool) -> None:
        self.source, self.config, self.made, self.seed = source, config, made, seed
        self.others = films[films["split"] == "reference"].sort_values("item_id", ignore_index=True)
        chosen = films.loc[films["split"] == "train", "item_id"].iloc[:MOST_CALIBRATED]
        images = progress(chosen, len(chosen), "mean image", quiet)
        self.mean: Floats = np.asarray(sum(read_square(source, item, config).astype(float) for item in images)) / len(chosen)
        self.clipped, self.pixels = 0, 0
        self.products = np.zeros(3)  # of own with own, made with made, and own with made

    def rows(self, out: Path, stem: str, film: dict[Any, Any], own: Pixels) -> Iterator[dict[str, Any]]:
        """Make the references of an image, each with another patient's image, and give their rows."""
        rng, rho = _rng(self.seed, film["item_id"], OF_MADE), self.made.rho
        patients = self.others["patient_id"].unique()
        for number, patient in enumerate(rng.choice(patients, self.made.each, replace=False)):
            other = rng.choice(self.others.loc[self.others["patient_id"] == patient, "item_id"])
            part, rest = own - self.mean, read_square(self.source, other, self.config) - self.mean
            mixed = np.rint(self.mean + rho * part + np.sqrt(1 - rho**2) * rest)
            shown = mixed.clip(0, 255)
            self.clipped, self.pixels = self.clipped + int((mixed != shown).sum()), self.pixels + mixed.size
            self.products += [np.square(part).sum(), np.square(shown - self.mean).sum(), (part * (shown - self.mean)).sum()]
            name = f"images/{stem}-made-{number}.png"
            yield {
                "item_id": f"{film['item_id']}#made{number}", "image": name, "mask": "", "label": self.source.info.healthy,
                "split": "reference", "serves": "family", "patient_id": f"made with {patient}", "row": -1, "column": -1,
                "sha256": _write(out / name, shown.astype(np.uint8)),
            }  # fmt: skip

    def facts(self) -> dict[str, float]:
        """The correlation with the own image over all pixels, and the share of pixels that 8 bits could not hold."""
        own, made, both = self.products
        return {"made_correlation": round(float(both / np.sqrt(own * made)), 4), "made_clipped": round(self.clipped / self.pixels, 6)}


def _write(path: Path, pixels: Pixels) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    if path.is_file() and path.read_bytes() == buffer.getvalue():  # healthy queries of one image, or a second run
        return hashlib.sha256(buffer.getvalue()).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _measure(channels: Floats, pixels: Pixels, queries: Sequence[_Query], ill: Bools, patient: str) -> _Tested:
    places = np.stack([query.place for query in queries])
    healthy = patch_outputs(gray_of(pixels), channels, places)
    added = np.zeros_like(healthy)
    for number in map(int, np.flatnonzero(ill)):
        added[number] = (patch_outputs(gray_of(queries[number].changed), channels, places[number : number + 1]) - healthy[number])[0]
    return _Tested(healthy, added, ill, patient)


def _info(
    source: Cohort,
    config: InsertConfig,
    seed: int,
    counts: dict[str, int],
    height: float,
    relative_se: float,
    found: Achieved,
    made: dict[str, float],
) -> CohortInfo:
    calibration = {
        "contrast": round(height, 4),
        "contrast_relative_se": round(relative_se, 4),
        "detectability_in_test_images": round(found.index.value, 4),
        "detectability_in_test_images_se": round(found.index.se, 4),
        "auroc_in_test_images": round(found.auroc.value, 4),
        "auroc_in_test_images_se": round(found.auroc.se, 4),
    }
    return CohortInfo(
        name=f"{source.info.name}, inserted lesions",
        kind="inserted",
        healthy=source.info.healthy,
        positive=[LESION],
        modality=source.info.modality,
        finding="a lesion",
        licence=source.info.licence,
        counts=counts,
        parameters={**config.model_dump(mode="json"), "seed": seed, "source": source.hash, **calibration, **made},
        control=source.info.control,
    )


def _save(out: Path, info: CohortInfo, table: pd.DataFrame, quiet: bool) -> Cohort:
    files = table["image"].drop_duplicates()
    scan = scan_images(out, list(files), quiet)
    facts = scan.facts.drop(columns="sha256").assign(image=list(files))
    table = table.drop(columns="own_films").merge(facts, on="image", how="left", validate="many_to_one")
    cohort = assemble(out, info, table)
    save_signatures(out, list(scan.facts["sha256"]), scan.signatures)
    return cohort
