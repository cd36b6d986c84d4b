"""Models of other people's libraries, exported; runs in ``build/environments/exporters``."""
