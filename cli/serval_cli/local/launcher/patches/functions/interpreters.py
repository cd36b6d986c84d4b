"""One interpreter for each Python runtime, instead of the one that runs the emulator."""

from collections.abc import Mapping

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("lambda_runtime/_detect_runtime_binary",)


def apply(emulator: Emulator, interpreters: Mapping[str, str]) -> None:
    """Run the functions of a runtime by its interpreter, as ``{"python3.13": "/…/python"}``."""
    detect = emulator.lambda_runtime._detect_runtime_binary

    def own_interpreter(runtime: str) -> tuple[str, str]:
        binary, script = detect(runtime)
        return interpreters.get(runtime, binary), script

    emulator.lambda_runtime._detect_runtime_binary = own_interpreter
