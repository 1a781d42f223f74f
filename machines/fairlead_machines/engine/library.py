"""Finding and loading Unicorn's shared library.

Its Python binding is not imported: it brings the register tables of ten architectures and the inspect module
before the first instruction runs (about 25 ms of CPU against 4 ms for the bare library), and wraps each
callback and register access in Python.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any

from fairlead.errors import MachineError

__all__ = ["VERSION", "library"]

VERSION = (2, 1, 4)
"""The one supported release: earlier ones lack PRIV or keep stores slow, later ones are not measured."""

_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "uc_open": (ctypes.c_int, ctypes.c_int, ctypes.c_void_p),
    "uc_close": (ctypes.c_void_p,),
    "uc_mem_map_ptr": (
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_uint64,
        ctypes.c_uint32,
        ctypes.c_void_p,
    ),
    "uc_mmio_map": (
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_uint64,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ),
    "uc_emu_start": (
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_uint64,
        ctypes.c_uint64,
        ctypes.c_size_t,
    ),
    "uc_emu_stop": (ctypes.c_void_p,),
    "uc_hook_del": (ctypes.c_void_p, ctypes.c_size_t),
    "uc_context_alloc": (ctypes.c_void_p, ctypes.c_void_p),
    "uc_context_save": (ctypes.c_void_p, ctypes.c_void_p),
    "uc_context_restore": (ctypes.c_void_p, ctypes.c_void_p),
    "uc_context_free": (ctypes.c_void_p,),
    "uc_context_size": (ctypes.c_void_p,),
}
_RETURNS: dict[str, Any] = {"uc_context_size": ctypes.c_size_t}


@functools.cache
def library() -> ctypes.PyDLL:
    """The loaded library; MachineError if the package is missing, broken or of another release."""
    if sys.byteorder != "little":
        raise MachineError("the machines run on little-endian hosts only: guest memory is shared as it is")
    spec = importlib.util.find_spec("unicorn")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    hint = f"install unicorn {'.'.join(map(str, VERSION))} (python -m pip install --force-reinstall fairlead)"
    for folder in folders:
        for name in ("libunicorn.so.2", "libunicorn.2.dylib"):
            path = Path(folder, "lib", name)
            if path.exists():
                return _load(path, hint)
    raise MachineError("the package unicorn is not installed, or holds no library for this host", hint=hint)


def _load(path: Path, hint: str) -> ctypes.PyDLL:
    try:
        loaded = ctypes.PyDLL(str(path))
    except OSError as error:
        raise MachineError(f"{path} cannot be loaded: {error}", hint=hint) from None
    number = loaded.uc_version(None, None)
    found = (number >> 24 & 0xFF, number >> 16 & 0xFF, number >> 8 & 0xFF)
    if found != VERSION:
        raise MachineError(f"{path} is unicorn {'.'.join(map(str, found))}", hint=hint)
    for name, arguments in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.argtypes = arguments
        function.restype = _RETURNS.get(name, ctypes.c_int)
    return loaded
