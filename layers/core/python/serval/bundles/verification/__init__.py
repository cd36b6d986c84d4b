"""Verification of bundles: artifacts are untrusted input."""
