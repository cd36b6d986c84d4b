"""``python -m tests.odd_files``: 2,000 odd and damaged files of each format, with figures.

A file is made again from its number: ``--first N --files 1 --format csv``.
"""

import argparse
import sys

from tests.odd_files.csv_files import csv_file
from tests.odd_files.files import Maker
from tests.odd_files.jsonl_files import array_file, jsonl_file
from tests.odd_files.judging import OddFigures, run
from tests.odd_files.parquet_files import parquet_file

FORMATS: dict[str, Maker] = {
    "csv": csv_file,
    "jsonl": jsonl_file,
    "json": array_file,
    "parquet": parquet_file,
}


def main() -> None:
    """Run, print, and exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.odd_files")
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--format", choices=FORMATS, action="append")
    given = parser.parse_args()
    failed = False
    for kind in given.format or FORMATS:
        figures = OddFigures()
        run(FORMATS[kind], kind, range(given.first, given.first + given.files), figures)
        failed |= report(kind, figures)
    sys.exit(int(failed))


def report(kind: str, figures: OddFigures) -> bool:
    """Print the figures, and tell whether anything was wrong."""
    print(
        f"{kind}: {figures.files} files: {figures.right} answered whole, {figures.partly} with "
        f"records rejected, {figures.refused} refused; {figures.rows} rows, {figures.rejected} "
        f"rejected; {figures.died} processes died; {len(figures.failures)} wrong"
    )
    for reason, times in figures.reasons.most_common(12):
        print(f"   {times:5} {reason}")
    for failure in figures.failures[:40]:
        print(f"   wrong: {failure}")
    return bool(figures.failures)


if __name__ == "__main__":
    main()
