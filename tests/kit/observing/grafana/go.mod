// The check of dashboards against Grafana's schema. Nothing of the product is Go.
module hotpeers.dev/tests/grafana

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
