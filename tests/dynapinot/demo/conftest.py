from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick_load(monkeypatch):
    """The demo's table has fewer items to begin with; and its stream is old, so that their load need not wait."""
    monkeypatch.setattr("dynapinot.demo.loading.EXISTING_MEETUPS", 4)
    monkeypatch.setattr("dynapinot.load.preconditions._stream_began", lambda *_: 0)
