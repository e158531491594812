"""The API server falls, forgets and refuses; the peer file stays, and then follows again."""

import json
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from cluster.chaos.observer import Observer
from cluster.chaos.sidecar import Sidecar
from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.client import Object
from kit.apiserver.proxy import Proxy
from kit.apiserver.server import Cluster
from kit.waiting import until

Make = Callable[..., Sidecar]
MakePeer = Callable[..., Object]
Tell = Callable[[str], None]
KINDS = ("Agent", "Peer", "Service")


def names(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


def create_peers(cluster: Cluster, make_peer: MakePeer, wanted: Iterable[str]) -> None:
    cluster.api.create_all(make_peer(name) for name in wanted)


def until_following(sidecar: Sidecar) -> None:
    """Wait until every kind is watched: a new list would hide events that the watch lost."""

    def all_follow() -> bool:
        scopes = sidecar.status()["source"]["scopes"]
        # A cluster of these tests serves no agents of kagent 1.x.
        following = [scope["state"] == "following" for scope in scopes]
        others = {
            scope["kind"] for scope, follows in zip(scopes, following, strict=True) if not follows
        }
        return sum(following) >= len(KINDS) and len(others) <= 1

    until("every kind to be followed", all_follow, 60)


def test_api_server_that_falls_twice_costs_no_peer(
    cluster: Cluster, make_sidecar: Make, make_peer: MakePeer, tell: Tell
) -> None:
    create_peers(cluster, make_peer, names(20))
    sidecar = make_sidecar()
    with Observer(sidecar.file) as observer:
        sidecar.start()
        observer.until_names(names(20))
        observer.require(*names(20))
        until_following(sidecar)

        cluster.stop(signal.SIGKILL)
        until("ApiUnreachable in the status", lambda: "ApiUnreachable" in sidecar.reasons(), 60)
        cluster.start()
        first = observer.until("every problem to be solved", lambda: not problems_of(sidecar))
        cluster.api.patch(make_peer("p0"), {"spec": {"description": "after the first fall"}})
        observer.until_told("p0", "after the first fall")

        cluster.restart(signal.SIGKILL)
        began = time.monotonic()
        observer.release("p1")
        cluster.api.delete(make_peer("p1"))
        cluster.api.create(make_peer("late"))
        cluster.api.patch(make_peer("p2"), {"spec": {"description": "after the second fall"}})
        observer.until_told("p2", "after the second fall")
        observer.until_names({*names(20), "late"} - {"p1"})
        second = time.monotonic() - began
    tell(
        f"API server killed twice: followed again {first:.2f} s after it was ready, and "
        f"{second:.2f} s with changes at once; {observer.figures()}"
    )


def problems_of(sidecar: Sidecar) -> set[str]:
    return sidecar.reasons() & {"ApiUnreachable", "ApiFailed", "NotServed", "WatchCut", "Forbidden"}


def test_compaction_between_list_and_watch_is_a_new_list(
    cluster: Cluster, proxy: Proxy, make_sidecar: Make, make_peer: MakePeer, tell: Tell
) -> None:
    create_peers(cluster, make_peer, names(20))
    sidecar = make_sidecar(replace(cluster.access, url=proxy.url))
    with Observer(sidecar.file) as observer:
        sidecar.start()
        observer.until_names(names(20))
        observer.require(*names(20))
        until_following(sidecar)

        proxy.refuse()
        observer.release("p1")
        cluster.api.delete(make_peer("p1"))
        cluster.api.create(make_peer("late"))
        cluster.api.patch(make_peer("p2"), {"spec": {"description": "unseen"}})
        cluster.compact()
        cluster.restart(signal.SIGKILL)
        proxy.heal()
        began = time.monotonic()
        observer.until_told("p2", "unseen")
        observer.until_names({*names(20), "late"} - {"p1"})
        took = time.monotonic() - began
        until_following(sidecar)
        gone = sidecar.metric("hotpeers_watch_restarts_total", reason="WatchExpired")
        assert gone >= 1, "it never was 410 Gone: this has tested nothing"
        cluster.api.patch(make_peer("p3"), {"spec": {"description": "seen"}})
        observer.until_told("p3", "seen")
    tell(f"410 Gone, {gone:.0f} times: caught up in {took:.2f} s; {observer.figures()}")


def test_token_that_is_refused_is_replaced_by_the_next_in_its_file(
    cluster: Cluster,
    namespace: str,
    service_account: Callable[..., ServiceAccount],
    make_sidecar: Make,
    make_peer: MakePeer,
    tell: Tell,
) -> None:
    account = service_account(
        namespace,
        "sidecar",
        [
            rule("kagent.dev", "agents", "get list watch"),
            rule("hotpeers.dev", "peers", "get list watch"),
            rule("", "services", "get list watch"),
        ],
    )
    kubeconfig = account.kubeconfig()
    config = json.loads(kubeconfig.read_text())
    config["users"][0]["user"] = {"tokenFile": str(account.folder / "token")}
    kubeconfig.write_text(json.dumps(config))
    create_peers(cluster, make_peer, names(20))
    sidecar = make_sidecar(kubeconfig=kubeconfig)
    with Observer(sidecar.file) as observer:
        sidecar.start()
        observer.until_names(names(20))
        observer.require(*names(20))
        until_following(sidecar)

        cluster.replace_signing_key()
        until("Unauthorized in the status", lambda: "Unauthorized" in sidecar.reasons(), 60)
        cluster.api.patch(make_peer("p2"), {"spec": {"description": "unseen"}})
        account.renew()
        took = observer.until_told("p2", "unseen")
        observer.until("Unauthorized to be solved", lambda: "Unauthorized" not in sidecar.reasons())
        until_following(sidecar)
    tell(f"401, then a new token: caught up in {took:.2f} s; {observer.figures()}")
