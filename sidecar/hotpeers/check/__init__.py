"""`hotpeers check`: finds what keeps an installation from working, before and after it is installed.

`reader` reads a `Snapshot` of the cluster as the user may. All other modules are pure: each finds one
group of faults in it. Nothing here changes the cluster.
"""
