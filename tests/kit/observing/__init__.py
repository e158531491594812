"""Programs that check what operators observe hotpeers with: rules and dashboards.

`promtool` is Prometheus' own program. `grafana` is a small program of ours that checks a dashboard
against the schema in Grafana's foundation SDK. Both are built once a machine; promtool takes two minutes.
"""
