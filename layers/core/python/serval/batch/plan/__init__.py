"""From an input to shards: survey, draft, scan, cut, pack."""
