"""Small fleet models whose every answer is known, and the fleets that they run on."""
