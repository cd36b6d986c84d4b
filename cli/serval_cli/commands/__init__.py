"""The commands of ``serval``, a module each; imported when their command runs."""
