"""Who else keeps an object as it is, and would take a change back: then there is none. Pure."""

from __future__ import annotations

from activities.platform.drivers.kubernetes.objects import Metadata, Thing, named

LET = "sternway/gitops"
"""With the value ``ignored``, the owner of an object says that nobody reconciles what Sternway changes of it. For Argo
CD, which has no such switch on the object itself but in its Application (``ignoreDifferences``), and for whoever leaves
these fields out of what is reconciled."""

FLUX = "kustomize.toolkit.fluxcd.io"
HELM = "helm.toolkit.fluxcd.io"
ARGO = "argocd.argoproj.io"


def reconciled_by(thing: Thing) -> str | None:
    """Who would take a change of *thing* back, and how that is switched off; None where nobody would.

    That the reconciler is suspended as a whole (Flux's ``suspend``, an Application without automated sync) cannot be
    seen on the object, and does not count. Nor can Argo CD be seen where it tracks by ``app.kubernetes.io/instance``,
    its default before version 3: Helm writes the same label.
    """
    meta = thing.metadata
    if meta.annotations.get(LET) == "ignored":
        return None
    who = _flux(meta) or _flux_helm(meta) or _argo(thing) or _owner(meta)
    return who and f"{named(thing)} is kept by {who}"


def _flux(meta: Metadata) -> str | None:
    switched_off = "disabled" in (meta.annotations.get(f"{FLUX}/reconcile"), meta.labels.get(f"{FLUX}/reconcile"))
    if f"{FLUX}/name" not in meta.labels or switched_off:
        return None
    return f"Flux (Kustomization {meta.labels[f'{FLUX}/name']}); annotate it {FLUX}/reconcile=disabled in its source"


def _flux_helm(meta: Metadata) -> str | None:
    switched_off = "disabled" in (
        meta.annotations.get(f"{HELM}/driftDetection"),
        meta.labels.get(f"{HELM}/driftDetection"),
    )
    if f"{HELM}/name" not in meta.labels or switched_off:
        return None
    return f"Flux (HelmRelease {meta.labels[f'{HELM}/name']}); annotate it {HELM}/driftDetection=disabled in its chart"


def _argo(thing: Thing) -> str | None:
    meta = thing.metadata
    tracked = meta.annotations.get(f"{ARGO}/tracking-id") or meta.labels.get(f"{ARGO}/instance")
    if tracked is None:
        return None
    return (
        f"Argo CD (Application {tracked.partition(':')[0]}); let it ignore the differences of "
        f"{' and '.join(thing.values)}, with RespectIgnoreDifferences=true, and annotate the object {LET}=ignored"
    )


def _owner(meta: Metadata) -> str | None:
    owner = next(iter(meta.owner_references), None)
    return owner and f"{owner.kind} {owner.name}, its owner; change that one, or annotate the object {LET}=ignored"
