"""What every stack uses: the stage's context, models, layers, functions, grants and limits."""
