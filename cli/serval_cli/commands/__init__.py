"""The commands of ``serval``, grouped as ``serval --help`` shows them.

A module is imported when its command runs.
"""
