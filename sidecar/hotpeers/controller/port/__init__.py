"""The port that an API server calls. It limits what a caller may cost before it parses anything.

`door` accepts connections and starts TLS, `line` watches one connection, `intake` reads bodies, and
`turns` is the queue for shared resources. Nothing here knows the meaning of requests and answers.
"""
