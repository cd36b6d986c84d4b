"""The environment of a handler's process: an allow-list, so that no key of anyone is in it."""

from collections.abc import Mapping

ALLOWED = frozenset(
    {
        "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
        "SSL_CERT_DIR", "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES", "NEURON_RT_VISIBLE_CORES", "NEURON_RT_NUM_CORES",
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    }
)  # fmt: skip
"""What a process needs to find its libraries and devices; nothing here says who somebody is."""


def handler_environment(
    inherited: Mapping[str, str], own: Mapping[str, str], library: str, scratch: str
) -> dict[str, str]:
    """Return the environment of a handler's process; a bundle sets no name that is the process's.

    Parameters
    ----------
    inherited
        This process's environment.
    own
        The bundle's ``env``.
    library
        The folder that this package lies in.
    scratch
        The process's home and temporary folder.
    """
    return {
        **{name: value for name, value in inherited.items() if name in ALLOWED},
        **own,
        "HOME": scratch,
        "TMPDIR": scratch,
        "PYTHONPATH": library,
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
    }
