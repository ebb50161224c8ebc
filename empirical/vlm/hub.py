"""Ask the Hub for a model once, before libraries ask it file by file with minutes of retries."""

from __future__ import annotations

from pathlib import Path

from empirical.vlm.processors import first_line
from see_in_pairs.errors import InputError

PATIENCE = 10
"""Seconds that the Hub has for its answer."""


def check_available(name: str, revision: str | None = None) -> None:
    """Stop where a model is neither here nor on the Hub.

    Parameters
    ----------
    name : str
        A folder or a Hub id.
    revision : str, optional
        Of the Hub's model.

    Raises
    ------
    InputError
        When it is no folder and not in the local cache, and the Hub does not know it or cannot be asked.
    """
    if Path(name).is_dir():
        return
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        if isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
            return
        HfApi().model_info(name, revision=revision, timeout=PATIENCE)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise _refused(name, error) from None
    except HfHubHTTPError:
        return  # a mirror may give files and answer no questions
    except Exception as error:  # no connection: the Hub's client has changed its HTTP library, and what that raises, more than once
        raise _refused(name, error) from None


def _refused(name: str, error: Exception) -> InputError:
    return InputError(
        f"model '{name}': no such folder, not in the local cache of models, and the Hub does not give it ({first_line(error)}); check the "
        "name and the connection; for a private model log in with 'hf auth login'"
    )
