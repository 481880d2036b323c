"""Benchmarks: each measures a ratio against a peer or a floor in the same run, and checks what was asked for."""
