"""Ask the Hub for a model once, before libraries ask it file by file with minutes of retries; and say which commit a Hub id stands for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from see_in_pairs.errors import InputError, first_line

if TYPE_CHECKING:
    from empirical.vlm.config import ModelConfig

COMMIT = re.compile(r"[0-9a-f]{40}")
BUNDLED = ("pocket", "pocket-random")
PATIENCE = 10
"""Seconds that the Hub has for its answer."""


def check_available(name: str, revision: str | None = None) -> str:
    """Stop where a model is neither here nor on the Hub, else say which commit it is.

    Returns the commit: that of the local cache, else the Hub's; '' for a folder, and where a mirror does not say.
    """
    if Path(name).is_dir():
        return ""
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        cached = try_to_load_from_cache(name, "config.json", revision=revision)
        if isinstance(cached, str):  # .../snapshots/COMMIT/config.json
            return _commit(Path(cached).parent.name)
        return _commit(HfApi().model_info(name, revision=revision, timeout=PATIENCE).sha)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise _refused(name, error) from None
    except HfHubHTTPError:
        return _commit(revision)  # a mirror may give files and answer no questions
    except Exception as error:  # no connection: the Hub's client has changed its HTTP library, and what that raises, more than once
        raise _refused(name, error) from None


def pinned(config: ModelConfig) -> ModelConfig:
    """Put the commit in the place of a Hub id's branch, tag or silence: what is scored, stored and trained then stands on that commit.

    Returns the same for a folder and for a bundled model.
    """
    return config.model_copy(update={"revision": commit_of(config.name, config.revision) or config.revision})


def commit_of(name: str, revision: str | None = None) -> str:
    """Say which commit a Hub id stands for.

    Returns 40 hexadecimal digits; '' for what is no Hub id, and where a mirror does not say.
    """
    if name in BUNDLED or Path(name).expanduser().is_dir():
        return ""
    return _commit(revision) or check_available(name, revision)


def _commit(name: object) -> str:
    return name if isinstance(name, str) and COMMIT.fullmatch(name) else ""


def _refused(name: str, error: Exception) -> InputError:
    return InputError(
        f"model '{name}': no such folder, not in the local cache of models, and the Hub does not give it ({first_line(error)}); check the "
        "name and the connection; for a private model log in with 'hf auth login'"
    )
