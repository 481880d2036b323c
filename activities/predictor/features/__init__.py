"""Features of entities, incremental and only backwards in time: what they are (registry) and how they run (bank)."""
