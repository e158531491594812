"""`make helm`, `make manifests` and `make chart`; `needs-go` succeeds if Go is missing for them."""

import sys

from kit.apiserver.gobuild import NoBinariesError
from kit.chart.binaries import ensure_helm, needs_go
from kit.chart.helm import Helm, HelmError
from kit.chart.packaging import package
from kit.chart.rendering import renew


def main(arguments: list[str]) -> int:
    """Build helm. `manifests` also regenerates the files that are made from k8s/; `package IMAGE`
    also packages the chart of a release."""
    if arguments == ["needs-go"]:
        return 0 if needs_go() else 1
    try:
        program = ensure_helm()
        print(f"helm is {program}")
        if arguments == ["manifests"]:
            for path in renew(Helm(program)):
                print(f"written: {path}")
        elif arguments[:1] == ["package"]:
            print(f"written: {package(Helm(program), *arguments[1:])}")
    except (NoBinariesError, HelmError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
