"""A small catalog that is right, as text, to be spoiled one place at a time."""

from __future__ import annotations

RIGHT = """\
version: 1
regions:
  eu:
    mesh:
      envoy: {kind: envoy, url: "${EU_MESH}", proxies: [eu-1]}
    platform:
      local: {kind: local, url: http://127.0.0.1:9002}
    telemetry:
      envoy: {kind: envoy, url: http://127.0.0.1:9003}
    on_pool_loss: peer
    peers: [us]
  us:
    mesh:
      envoy: {kind: envoy, url: http://127.0.0.1:9011, proxies: [us-1]}
    platform:
      local: {kind: local, url: http://127.0.0.1:9012}
    telemetry:
      envoy: {kind: envoy, url: http://127.0.0.1:9013}
defaults:
  mesh: envoy
  platform: local
  telemetry: envoy
  policy: careful
policies:
  careful:
    level: protect
    protect: {action: limit, max_requests: 64}
  reroute:
    protect: {action: fallback, share: 90}
services:
  ledger:
    tier: 1
    regions: [eu, us]
    port: 7001
    slos:
      availability: {objective: 99.9}
    value: {revenue_per_minute: 900, customers: 4000}
    releases: [v2, v1]
  billing:
    tier: 2
    regions: [eu]
    port: 7002
    depends_on:
      - ledger
    fallback: ledger
    slos:
      availability: {objective: 99}
      latency: {objective: 95, threshold_ms: 250}
    policy: reroute
"""

ENVIRONMENT = {"EU_MESH": "http://127.0.0.1:9001"}


def line_of(text: str, part: str) -> int:
    """The number of the only line that holds *part*."""
    (line,) = [number for number, line in enumerate(text.split("\n"), start=1) if part in line]
    return line
