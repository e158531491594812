"""When the container of a process started."""

import os
import time

from hotpeers_shim.hot.container import container_start


def test_container_start_is_the_start_of_its_first_process():
    now = time.time()
    assert 0 < container_start(now) <= now


def test_restarted_process_keeps_the_start_of_its_container(tmp_path):
    """A supervisor hands on the environment that the container began with."""
    ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) - 60) * os.sysconf("SC_CLK_TCK"))
    stat = tmp_path / "stat"
    stat.write_text(f"1 (a ) name) S {' '.join(['0'] * 18)} {ticks} 0 0\n")
    now = time.time()
    assert abs(container_start(now, stat) - (now - 60)) < 2


def test_unreadable_stat_gives_no_container_start(tmp_path):
    for text in ("", "1 (x) S 0", f"1 (x) S {'0 ' * 18} soon"):
        stat = tmp_path / "stat"
        stat.write_text(text)
        assert container_start(time.time(), stat) == 0.0
    assert container_start(time.time(), tmp_path / "none") == 0.0
