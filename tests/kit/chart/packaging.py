"""The chart of a release: as in k8s/chart, and with the published image as its default."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import yaml

from kit.chart.helm import CHART, Helm
from kit.chart.values import readme as made_readme

BUILD = CHART.parents[1] / "build" / "chart"
_REFERENCE = re.compile(
    r"(?P<name>[a-z0-9.-]+(?::\d+)?(?:/[a-z0-9._-]+)+)@(?P<digest>sha256:[0-9a-f]{64})"
)
_VALUE = {"repository": "  repository: hotpeers\n", "digest": '  digest: ""\n'}
_NOTE = (
    "# There is no published image: build it from the Dockerfile of the repository and push it to a\n"
    "# registry that your nodes can pull from. The controller"
)
_OF_README = ("There is no published image.", "[Installing in a cluster]")


def package(helm: Helm, image: str, target: Path = BUILD) -> Path:
    """Package the chart with `image` (NAME@sha256:…), and return the file. Raises ValueError."""
    found = _REFERENCE.fullmatch(image)
    if found is None:
        raise ValueError(f"IMAGE={image!r} is no NAME@sha256:DIGEST of a registry")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chart-") as folder:
        chart = Path(folder) / "hotpeers"
        shutil.copytree(CHART, chart)
        values = chart / "values.yaml"
        text = _replace(values.read_text(), _NOTE, "# The controller")
        text = _replace(text, _VALUE["repository"], f"  repository: {found['name']}\n")
        values.write_text(_replace(text, _VALUE["digest"], f"  digest: {found['digest']}\n"))
        readme = chart / "README.md"
        before, _, rest = readme.read_text().partition(_OF_README[0])
        _, end, after = rest.partition(_OF_README[1])
        readme.write_text(f"{before}This chart installs the image `{image}`.\n\n{end}{after}")
        readme.write_text(made_readme(chart))
        definition = chart / "Chart.yaml"
        version = yaml.safe_load(definition.read_text())["version"]
        listed = f"  artifacthub.io/images: |\n    - name: hotpeers\n      image: {image}\n"
        definition.write_text(definition.read_text().rstrip("\n") + "\n" + listed)
        helm.run("package", chart, "--destination", target)
    return target / f"hotpeers-{version}.tgz"


def _replace(text: str, old: str, new: str) -> str:
    """Replace the first occurrence; the controller's image comes before the sidecar's."""
    if old not in text:
        raise ValueError(f"values.yaml has no line {old.strip()!r} any more")
    return text.replace(old, new, 1)
