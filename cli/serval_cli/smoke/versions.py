"""Print the versions of the software on this machine and in the functions."""

import importlib.metadata
import platform

from serval_cli.smoke.report import Report
from serval_cli.smoke.stages import SmokeStage

HERE = ("boto3", "botocore", "aws-cdk-lib")
FUNCTIONS = ("describe", "infer")


def print_versions(stage: SmokeStage, report: Report) -> None:
    """Print this machine's package versions, and those of the functions' layers."""
    here = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in HERE)
    report.line(f"       here: Python {platform.python_version()}, {here}")
    aws = stage.cli_stage.client("lambda")
    for name in FUNCTIONS:
        found = aws.get_function_configuration(FunctionName=stage.cli_stage.functions[name])
        runtime = found.get("RuntimeVersionConfig", {}).get("RuntimeVersionArn", "")
        report.line(f"       {name}: {found['Runtime']} {runtime}".rstrip())
        layers = [aws.get_layer_version_by_arn(Arn=each["Arn"]) for each in found["Layers"]]
        described = [layer["Description"] for layer in layers if layer.get("Description")]
        for description in described:
            report.line(f"         {description}")
        report.verdict(f"{name}: its layers name their packages", bool(described), "none does")
