"""Fixtures: `place` (each test runs in both), `culver` (one instance), `make_culver` (several, or one not started)."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import accounts  # noqa: E402
import culver as helper  # noqa: E402
import peers  # noqa: E402

def pytest_configure(config):
    """Orphans of a killed master come to us."""
    helper.become_subreaper()
    helper.end_on_signals()
    config.addinivalue_line("markers", "needs_root: what it looks at is shown to root only")


def pytest_sessionfinish(session, exitstatus):
    """Folders and users go, also after failures."""
    helper.close_all()


@pytest.fixture(params=["user", "root"])
def place(request):
    """The place of a mode, made at its first use."""
    mode = request.param
    if mode not in helper.modes():
        pytest.skip(f"CULVER_MODES does not name {mode}")
    if request.node.get_closest_marker("needs_root") and not accounts.is_root():
        pytest.skip("needs root to look or to prepare")
    try:
        return helper.place(mode)
    except helper.Unusable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def make_culver(place, request):
    """Makes instances; each is stopped and cleaned at the end."""
    made = []

    def make():
        instance = helper.Culver(place)
        made.append(instance)
        return instance

    request.node.instances = made
    yield make
    problems = []
    for instance in reversed(made):
        try:
            instance.close()
        except Exception as problem:  # the others shall be closed too
            problems.append(problem)
        reports = [line for line in instance.stderr().splitlines() if "ERROR: " in line and "Sanitizer" in line
                   or "runtime error:" in line]
        assert not reports, f"sanitizer: {reports}\n{instance.stderr()[-6000:]}"
    assert not problems, problems


@pytest.fixture
def culver(make_culver):
    """An instance that is not started yet: the test adds to its configuration, then start()."""
    return make_culver()


@pytest.fixture
def needs_peers():
    """The unpacked Postfix, or a skip that says why not."""
    try:
        return peers.postfix_root()
    except peers.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def data():
    """The optional folder of data that others wrote."""
    folder = os.environ.get("CULVER_TEST_DATA", os.path.join(helper.CHECKOUT, "..", "shared", "data"))
    if not os.path.isdir(folder):
        pytest.skip("no CULVER_TEST_DATA: its cases are left out")
    return folder


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows the end of the log of each of its instances."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for instance in getattr(item, "instances", []):
            report.sections.append((f"log of {instance.folder}", instance.log.tail()))
            if instance.stderr():
                report.sections.append(("stderr", instance.stderr()[-4000:]))
        for stranger in getattr(item, "strangers", []):
            report.sections.append((f"log of {stranger.name}", stranger.said()))
