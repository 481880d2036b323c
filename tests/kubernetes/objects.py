"""Manifests for tests."""

from __future__ import annotations

from tests.kubernetes.says import Json

NAME, VERSION = "app.kubernetes.io/name", "app.kubernetes.io/version"


def deployment(service: str, release: str, replicas: int = 0, name: str | None = None) -> Json:
    labels = {NAME: service, VERSION: release}
    name = name or f"{service}-{release}"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {NAME: service, "instance": name}},
            "template": {
                "metadata": {"labels": {**labels, "instance": name}},
                "spec": {"containers": [{"name": "service", "image": f"example.test/{service}:{release}"}]},
            },
        },
    }


def autoscaler(target: str, low: int = 1, high: int = 10, behavior: Json | None = None) -> Json:
    spec: Json = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        "minReplicas": low,
        "maxReplicas": high,
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": target},
        "spec": spec | ({"behavior": behavior} if behavior else {}),
    }
