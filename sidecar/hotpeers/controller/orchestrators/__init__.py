"""For the hub: makes its key, and the Secret and tool server of each Orchestrator.

Orchestrators of injected workloads (`spec.workload`) have neither; `controller.workloads` keeps them.
"""
