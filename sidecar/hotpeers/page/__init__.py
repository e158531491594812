"""Parts of HTML pages: the template environment, formats, the stylesheet, the script and headers.

The console and the page of the sidecar use them. This package knows neither of them, and only it loads
Jinja2. Every value that a template shows is escaped.
"""
