"""The CDK stacks: they compose constructs, and one construct declares one capability."""
