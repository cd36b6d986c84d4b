"""The golden check: a candidate answers its bundle's golden requests before it gets traffic."""
