"""The port that an API server calls: what a caller may cost is bounded before anything is parsed.

`door` accepts connections and starts TLS, `line` watches one connection, `intake` reads bodies and
`turns` is the queue for what callers share. Nothing here knows what is asked or answered.
"""
