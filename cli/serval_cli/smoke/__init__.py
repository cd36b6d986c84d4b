"""Deploy a stage, run every flow once, compare the answers, destroy it: ``docs/cloud-smoke.sh``."""
