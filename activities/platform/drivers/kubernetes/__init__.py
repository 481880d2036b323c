"""Kubernetes: replicas of releases as Deployments, with the receipts in an annotation of what they change.

**What is supported.** A release of a service is a Deployment of its own, found by two labels on the Deployment and on
its pod template, by default ``app.kubernetes.io/name=<service>`` and ``app.kubernetes.io/version=<release>``. One
namespace belongs to one region. A Deployment that holds several releases one after the other, as its revisions, can be
read (its ReplicaSets are the history), and the release that it runs can be scaled; another of its revisions cannot
serve beside it, so a change of that one is refused. A revision that ``kubectl rollout undo`` takes up again keeps its
date.

**How a change stays one.** It is one JSON patch of one object: a ``test`` of the resourceVersion that was read, the
fields, and the ledger with the receipt (:mod:`.ledger`). Where somebody else was first, all is read and decided anew
(:mod:`.decisions`). ``expected`` is compared with what was read, for the object that is changed in the same write. The
service's other objects can move between that read and the write, because Kubernetes has no write over two objects.
A fence, and the undoing of a change that never came, are therefore written to every object that a late call could
change, so that its ``test`` fails.

**What is lost with what.** Whoever deletes a Deployment deletes its receipts. ``kubectl replace`` with a manifest that
lacks our annotation does, too, unless a ReplicaSet has a copy.

**What no real API server has confirmed.** All of it ran against a double that speaks the API server's wire
(``tests/kubernetes``), itself held against the real kubectl 1.32. From Kubernetes' own sources, and from no cluster, is
known: a failed ``test`` is 422 without causes; a Deployment's annotations raise its generation and are copied to its
current ReplicaSet; ``kubectl rollout undo`` replaces the annotations; an autoscaler whose two policies are ``Disabled``
keeps the number within its bounds. That Flux leaves an annotated object alone is known from what its authors say.
"""

from activities.platform.drivers.kubernetes.platform import KubernetesPlatform

__all__ = ["KubernetesPlatform"]
