"""The command ``compare`` as a function."""

from collections.abc import Callable

import pytest

from paper_figures.commands.compare import compare
from see_in_pairs.console import new_app, run_app


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    app = new_app("test")
    app.command()(compare)
    app.command("other")(lambda: None)  # two commands, so that 'compare' is a word of the command line

    def call(*words: object) -> tuple[int, str, str]:
        code = run_app(app, ["compare", *map(str, words)])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call
