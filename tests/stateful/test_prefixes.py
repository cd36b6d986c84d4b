"""Prefixes under hypothesis: no job loses what it goes on with, or answers by another's plan."""

from tests.stateful.extent import extent
from tests.stateful.prefix_machine import PrefixMachine

TestPrefixes = PrefixMachine.TestCase
TestPrefixes.settings = extent(20, steps=10)
