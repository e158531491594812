"""An upgrade from the previous chart, the way back, and the switch, while sidecars run.

Here the sidecars and both controllers are of the present version. `make bench-upgrade` does the same with
40 sidecars and a controller of the previous version.
"""

from __future__ import annotations

from pathlib import Path

from kit.apiserver.server import Cluster
from kit.chart.helm import Helm
from kit.upgrading import PLACE, fleet
from kit.waiting import until

SIZE = 2
# The old name of a value goes on through the upgrade. A replica serves for a second after SIGTERM.
SETS = ("replicas=1", "webhook.drainSeconds=1")


def test_upgrade_rollback_and_the_switch_change_nothing_for_sidecars(
    own_cluster: Cluster, helm_program: Path, tmp_path: Path
) -> None:
    helm = Helm(helm_program, own_cluster.kubeconfig)
    with fleet(own_cluster, helm, tmp_path, size=SIZE, namespaces=2, peers=3, sets=SETS) as running:
        before, bindings, bundles = running.mark(), running.bindings(), running.bundles()
        assert all(b'"p2"' in one.content for one in before)

        took = running.replace("new-1", running.upgrade)
        assert running.mark() == before
        assert (running.bindings(), running.bundles()) == (bindings, bundles)
        assert took.asked > 0
        assert took.unanswered == 0
        # The API server ended the watches of kinds whose definition changed.
        running.until_following(before)
        name = {"name": "hotpeers-controller", "namespace": PLACE}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": name}
        assert own_cluster.api.read(deployment)["spec"]["replicas"] == 1
        # The watches go on: a change arrives everywhere, in the same processes.
        assert len(running.add_peer("after")) == SIZE

        between = running.mark()
        assert [one.pid for one in between] == [one.pid for one in before]
        back = running.replace("old-2", running.roll_back)
        assert running.mark() == between
        assert (running.bindings(), running.bundles()) == (bindings, bundles)
        assert back.unanswered == 0
        assert len(running.add_peer("back")) == SIZE

        # Off: no webhook is left, no account may read, and the lists of peers stay.
        at_last = running.mark()
        running.turn(on=False)
        kind = ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration")
        assert own_cluster.api.list(*kind)["items"] == []
        until("the rights to be gone", lambda: running.may_read() == {False}, 60.0)
        assert running.mark() == at_last
        running.turn(on=True)
        until("the rights to be back", lambda: running.may_read() == {True}, 60.0)
        assert [one.pid for one in running.mark()] == [one.pid for one in before]
