"""What everything says to everything: contracts, catalog, settings and tables. No I/O, and no import of ours."""
