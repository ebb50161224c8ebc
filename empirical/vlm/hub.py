"""One question to the Hugging Face Hub per model, before libraries ask it file by file with minutes of retries; commits of Hub ids."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError, did_you_mean, first_line

if TYPE_CHECKING:
    from empirical.vlm.config import ModelConfig

COMMIT = re.compile(r"[0-9a-f]{40}")
BUNDLED = ("pocket", "pocket-random")
LONGEST, LONGEST_PART = 4000, 255
"""Characters of a path, and of each of its parts."""
TIMEOUT = 10
"""Seconds to wait for the Hub."""


def check_available(name: str, revision: str | None = None) -> str:
    """Return the commit of a model in the local cache, else on the Hub; raise `InputError` when it is in neither.

    It is '' for a folder, and when a mirror does not tell.
    """
    if Path(name).is_dir():
        return ""
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        cached = try_to_load_from_cache(name, "config.json", revision=revision)
        if isinstance(cached, str):  # .../snapshots/COMMIT/config.json
            return _commit(Path(cached).parent.name)
        return _commit(HfApi().model_info(name, revision=revision, timeout=TIMEOUT).sha)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise _not_found(name, error) from None
    except HfHubHTTPError:
        return _commit(revision)  # a mirror may serve files but answer no queries
    except Exception as error:  # no connection: the Hub's client has changed its HTTP library, and so its exceptions, more than once
        raise _not_found(name, error) from None


def pin_revision(config: ModelConfig) -> ModelConfig:
    """Replace the branch or tag of a Hub id (or a missing one) by its commit; a folder or bundled model is not changed."""
    return config.model_copy(update={"revision": commit_of(config.name, config.revision) or config.revision})


def commit_of(name: str, revision: str | None = None) -> str:
    """Return the commit of a Hub id, 40 hexadecimal digits; '' for a folder or bundled model, and when a mirror does not tell."""
    if name in BUNDLED or local_path(name).is_dir():
        return ""
    return _commit(revision) or check_available(name, revision)


def local_path(name: str) -> Path:
    """Turn a model's name into a path, whether or not the folder exists.

    An unknown user (``~nobody``), or a name longer than systems accept, is an `InputError`.
    """
    if len(name) > LONGEST or any(len(part) > LONGEST_PART for part in name.split("/")):
        raise InputError(f"model '{name[:80]}...': the name is too long for a folder or model")
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise InputError(f"model '{name}': no such user; write the folder's path in full") from None


def _commit(name: object) -> str:
    return name if isinstance(name, str) and COMMIT.fullmatch(name) else ""


def _not_found(name: str, error: Exception) -> InputError:
    return InputError(
        f"model '{name}': no such folder, not in the local cache of models, and not found on the Hub ({first_line(error)}); check the "
        "name and the connection; for a private model log in with 'hf auth login'"
        f"{did_you_mean(name, BUNDLED)}"
    )
