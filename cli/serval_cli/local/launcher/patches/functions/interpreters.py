"""Run each Python runtime by its own interpreter, not by the emulator's."""

from collections.abc import Mapping

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("lambda_runtime/_detect_runtime_binary",)


def apply(emulator: Emulator, interpreters: Mapping[str, str]) -> None:
    """Replace the interpreters of runtimes, given as ``{"python3.13": "/…/python"}``."""
    detect = emulator.lambda_runtime._detect_runtime_binary

    def own_interpreter(runtime: str) -> tuple[str, str]:
        binary, script = detect(runtime)
        return interpreters.get(runtime, binary), script

    emulator.lambda_runtime._detect_runtime_binary = own_interpreter
