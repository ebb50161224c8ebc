"""Run commands of the package in a PyTorch that sees one GPU: `python on_device.py LIBRARY '[["doctor", "--model", "pocket"]]'`.

The library is made of ``device.cpp``. The last line of standard output is the list of exit codes.
"""

from __future__ import annotations

import copy
import ctypes
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def load(library: str) -> None:
    """Load the device before PyTorch looks for one, which it does once, when it is imported."""
    found = importlib.util.find_spec("torch")
    assert "torch" not in sys.modules and found is not None and found.origin is not None
    for name in ("libc10.so", "libtorch_cpu.so", "libtorch.so"):
        ctypes.CDLL(str(Path(found.origin).parent / "lib" / name), mode=ctypes.RTLD_GLOBAL)
    ctypes.CDLL(library)


def answer_for_the_driver() -> None:
    """Let ``torch.cuda`` say what it says where there is a GPU; a build without CUDA lacks the functions that would ask the driver."""
    import torch

    here = {
        "_lazy_init": None, "init": None, "is_available": True, "is_initialized": True, "device_count": 1, "current_device": 0,
        "set_device": None, "synchronize": None, "empty_cache": None, "is_bf16_supported": True, "get_device_name": "host",
        "get_device_capability": (9, 0), "mem_get_info": (2**32, 2**33), "memory_stats": {}, "reset_peak_memory_stats": None,
        "memory_allocated": 0, "max_memory_allocated": 0, "memory_reserved": 0, "max_memory_reserved": 0,
        "get_device_properties": SimpleNamespace(name="host", major=9, minor=0, total_memory=2**33, multi_processor_count=1),
    }  # fmt: skip
    for name, value in here.items():
        setattr(torch.cuda, name, lambda *_, _value=value, **__: _value)
    state = {  # there is one generator for both: what is kept and set back is the host's
        "manual_seed": None, "manual_seed_all": None, "get_rng_state": torch.zeros(1, dtype=torch.uint8), "set_rng_state": None,
        "get_rng_state_all": [torch.zeros(1, dtype=torch.uint8)], "set_rng_state_all": None,
    }  # fmt: skip
    for name, value in state.items():
        for module in (torch.cuda, torch.cuda.random):
            setattr(module, name, lambda *_, _value=value, **__: _value)
    torch.Tensor.__deepcopy__ = _copied(torch.Tensor.__deepcopy__)  # type: ignore[method-assign]
    torch.nn.Parameter.__deepcopy__ = _copied(torch.nn.Parameter.__deepcopy__)  # type: ignore[method-assign]


def _copied(plain: Any) -> Any:
    """Copy without `torch.UntypedStorage`, of which this build has none for CUDA."""

    def deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        import torch

        if not self.is_cuda:
            return plain(self, memo)
        if id(self) not in memo:
            new = self.detach().clone()
            memo[id(self)] = torch.nn.Parameter(new, self.requires_grad) if isinstance(self, torch.nn.Parameter) else new
        return memo[id(self)]

    return deepcopy


def main(library: str, commands: list[list[str]]) -> list[int]:
    """Run the commands one after the other in this process; return their exit codes."""
    load(library)
    answer_for_the_driver()
    from paper_figures.cli import app
    from see_in_pairs.console import run_app

    return [run_app(app, copy.copy(words)) for words in commands]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))), flush=True)
    sys.stderr.flush()
    os._exit(0)  # autograd's thread of the device would otherwise be pulled down alive
