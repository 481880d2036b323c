"""The local platform agent: replicas as processes of this machine, wanted by a ledger, outliving the agent itself.

``rows`` is what is durable, ``process`` what the kernel knows, ``converge`` decides, ``fleet`` acts, ``discovery``
tells the mesh, ``server`` is the HTTP surface, ``stop`` cleans up without an agent.
"""
