"""Planning: survey the input, draft the layout, pack files into shards, scan and cut CSV."""
