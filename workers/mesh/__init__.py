"""The embedded mesh: one control plane a region, which tells Envoy what to do and knows what Envoy has done."""
