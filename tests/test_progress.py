from __future__ import annotations

import io

import pytest

import setclosure.progress
from setclosure.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand."""
    now = [100.0]
    monkeypatch.setattr(setclosure.progress.time, "monotonic", lambda: now[0])
    return now


def test_a_file_gets_a_line_now_and_then_with_rate_and_remaining_time(clock):
    out = io.StringIO()
    with progress("stage one", 100, "steps", out) as advance:
        for done in range(0, 101, 10):
            advance(done, "validation loss 0.5" if done else "")
            clock[0] += 10
    lines = out.getvalue().splitlines()
    assert lines[0] == "stage one: 0/100 steps"
    assert lines[1] == "stage one: 20/100 steps, 1/s, 80 s left · validation loss 0.5"
    assert lines[-1] == "stage one: 100/100 steps, 1/s · validation loss 0.5"
    assert len(lines) == 6
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()


def test_work_done_before_a_resume_does_not_count_for_the_rate(clock):
    out = io.StringIO()
    with progress("stage one", 1000, "steps", out) as advance:
        advance(900, "")
        clock[0] += 20
        advance(940, "")
    assert out.getvalue().splitlines()[-1] == "stage one: 940/1000 steps, 2/s, 30 s left"


def test_a_terminal_gets_a_bar_with_count_rate_and_note(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    out = Terminal()
    with progress("simulate train", 4, "trajectories", out) as advance:
        advance(1, "")
        advance(4, "validation loss 0.25")
    last = out.getvalue()
    assert "simulate train" in last
    assert "4/4" in last
    assert "━" in last
    assert "trajectories ·" in last
    assert "validation loss 0.25" in last
    assert "\x1b[?25h" in last  # the cursor is back


def test_an_error_inside_passes_and_gives_the_cursor_back(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Terminal()
    with pytest.raises(ZeroDivisionError), progress("stage one", 4, "steps", out) as advance:
        advance(1 // 0, "")
    assert "\x1b[?25h" in out.getvalue()
