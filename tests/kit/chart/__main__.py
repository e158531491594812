"""`make helm` and `make manifests`; `needs-go` succeeds if a Go toolchain is missing for them."""

import sys

from kit.apiserver.gobuild import NoBinariesError
from kit.chart.binaries import ensure_helm, needs_go
from kit.chart.helm import Helm, HelmError
from kit.chart.rendering import renew


def main(arguments: list[str]) -> int:
    """Build helm; with `manifests`, also regenerate the files that are made from k8s/."""
    if arguments == ["needs-go"]:
        return 0 if needs_go() else 1
    try:
        program = ensure_helm()
        print(f"helm is {program}")
        if arguments == ["manifests"]:
            for path in renew(Helm(program)):
                print(f"written: {path}")
    except (NoBinariesError, HelmError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
