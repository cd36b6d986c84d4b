"""Tasks that write text token by token: many runs for one answer."""
