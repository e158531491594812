"""The release is uninstalled while orchestrators run."""

from e2e.crew import Crew
from e2e.offers import offered, tool_name, wait_for_offer
from e2e.release import Release


def test_nothing_is_left_and_orchestrators_go_on(release: Release, crew: Crew) -> None:
    stage, talk = crew.stage, crew.talk(crew.first)
    with crew.peer("weather", "It stays dry.") as weather:
        wait_for_offer(stage, talk, [weather])
        assert release.traces() > release.kept
        release.uninstall()
        assert release.traces() == release.kept
        assert offered(stage, talk) == {tool_name(weather)}
        assert "It stays dry." in talk.say("Ask weather: will it rain?")
        crew.check_undisturbed(crew.first)
        # Installed again, it takes the running pods up where it left them.
        release.install()
        with crew.peer("news", "Nothing new.") as news:
            wait_for_offer(stage, talk, [weather, news], seconds=90.0)
    crew.check_undisturbed(crew.first)
