"""The release is uninstalled while orchestrators run."""

from e2e.crew import Crew
from e2e.offers import offered, tool_name, wait_for_offer
from e2e.release import Release
from e2e.team import LEAD, Team, helper


def test_uninstallation_is_complete_and_orchestrators_keep_running(
    release: Release, crew: Crew
) -> None:
    stage, talk = crew.stage, crew.talk(crew.first)
    with crew.peer("weather", "It stays dry.") as weather:
        wait_for_offer(stage, talk, [weather])
        assert release.traces() > release.kept
        release.uninstall()
        release.forget_orchestrators()
        release.wait_until_gone()
        assert offered(stage, talk) == {tool_name(weather)}
        assert "It stays dry." in talk.say("Ask weather: will it rain?")
        crew.check_undisturbed(crew.first)
        # Installed again, it takes the running pods up where it left them.
        release.install()
        with crew.peer("news", "Nothing new.") as news:
            wait_for_offer(stage, talk, [weather, news], seconds=90.0)
    crew.check_undisturbed(crew.first)


def test_guard_is_removed_completely_and_waits_after_a_reinstall(
    release: Release, team: Team
) -> None:
    talk, namespace = team.talk(), team.stage.namespace
    first, second = (helper(namespace, name, "Yes.") for name in ("helper-a", "helper-b"))
    talk.create(first)
    release.uninstall()
    # No webhook is left that would be asked in vain, no ledger, and no right to spawn.
    release.forget_orchestrators()
    release.wait_until_gone()
    assert talk.apply(second)["reason"] == "RightMissing"
    assert team.agents() == {LEAD, "helper-a"}
    release.install()
    # Its ledger was deleted: it admits no agent while an earlier request may be pending.
    team.wait_until_policy("False", "Counting")
    refused = talk.apply(second)
    assert refused["reason"] == "AdmissionSilent"
    assert "(LedgerLost)" in refused["message"]
    assert talk.use("delete_spawned_agent", name="helper-a")["deleted"] is True
    team.wait_until_gone("helper-a", pods=False)
    assert team.agents() == {LEAD}
    team.check_undisturbed()
