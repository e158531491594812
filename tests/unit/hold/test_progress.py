from dataclasses import replace

from hotpeers.base.reasons import Reason
from hotpeers.hold.answer import SILENT, Answer, Says
from hotpeers.hold.progress import Asked, Stand, progress_of
from hotpeers.hold.reasons import HoldReason

POD = Asked("lead-1", True, False, True, 1.0, Answer(Says.LIVE))


def stand(*pods: Asked, replicas: int = 1, since: float = 1.0) -> tuple[Stand, Reason | None]:
    found = progress_of(pods, replicas, since, 20.0)
    return found.stand, found.reason


def test_live_when_every_pod_is() -> None:
    assert stand(POD) == (Stand.LIVE, None)
    assert stand(POD, replicas=2) == (Stand.WAITING, None)
    assert stand(POD, replace(POD, answer=SILENT), replicas=2) == (Stand.WAITING, None)
    assert stand(POD, POD, replicas=2) == (Stand.LIVE, None)


def test_one_refusing_pod_releases_the_hold_at_once() -> None:
    for says, reason in (
        (Says.REFUSED, HoldReason.HELD_REFUSED),
        (Says.RESTART, HoldReason.HELD_RESTART),
    ):
        pod = replace(POD, answer=Answer(says, "why", "new"))
        assert stand(POD, pod, replicas=2) == (Stand.RELEASE, reason)


def test_refusal_of_an_older_file_counts_only_after_a_while() -> None:
    pod = replace(POD, answer=Answer(Says.REFUSED, "why", "old"), before="old")
    assert stand(pod)[0] is Stand.WAITING
    assert stand(replace(pod, seconds=5.0))[0] is Stand.RELEASE


def test_silence_releases_after_its_time() -> None:
    for answer in (SILENT, Answer(Says.OTHER)):
        pod = replace(POD, answer=answer)
        assert stand(replace(pod, seconds=19.9))[0] is Stand.WAITING
        assert stand(replace(pod, seconds=20.0)) == (Stand.RELEASE, HoldReason.ACK_MISSING)


def test_silent_pod_that_was_live_does_not_release_the_hold() -> None:
    """The network between the controller and the pods may be cut, for all of them at once."""
    pod = replace(POD, answer=SILENT, proven=True, seconds=10_000.0)
    assert stand(pod) == (Stand.WAITING, None)
    assert stand(replace(pod, answer=Answer(Says.OTHER)))[0] is Stand.RELEASE


def test_pod_that_waits_for_its_agent_to_be_idle_gets_longer() -> None:
    pod = replace(POD, answer=Answer(Says.WAITING, "a turn is in flight"), seconds=119.9)
    assert stand(pod) == (Stand.WAITING, None)
    late = replace(pod, seconds=120.0)
    assert stand(late) == (Stand.RELEASE, HoldReason.ACK_MISSING)
    assert progress_of([late], 1, 1.0, 20.0).message.endswith("a turn is in flight")


def test_message_names_why_a_pod_cannot_be_annotated() -> None:
    pod = replace(POD, answer=SILENT, denied="a policy denied it", seconds=20.0)
    assert progress_of([pod], 1, 1.0, 20.0).message.endswith(
        "cannot be annotated: a policy denied it"
    )


def test_pod_that_is_not_ready_gets_longer() -> None:
    pod = replace(POD, answer=SILENT, ready=False, seconds=100.0)
    assert stand(pod)[0] is Stand.WAITING
    assert stand(replace(pod, seconds=120.0)) == (Stand.RELEASE, HoldReason.ACK_MISSING)


def test_pod_without_sidecar_or_that_cannot_start_releases() -> None:
    assert stand(replace(POD, has_sidecar=False))[1] is HoldReason.ACK_MISSING
    assert stand(replace(POD, failing=True))[1] is HoldReason.ROLLOUT_STUCK


def test_missing_pods_release_the_hold() -> None:
    assert stand(replicas=1)[0] is Stand.WAITING
    assert stand(replicas=1, since=120.0) == (Stand.RELEASE, HoldReason.ACK_MISSING)
