"""The demo's services do what the demo says of them: the chain, the failures that travel up it, and each fault."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.demo.fleet.releases import SERVICES
from tests.fleet.services import Running, percentile, running, timed


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("ledger"), "ledger", "v1", {}) as service:
        yield service


def test_a_checkout_goes_through_the_whole_chain_and_fails_with_its_last_link(tmp_path: Path) -> None:
    urls: dict[str, str] = {}
    with ExitStack() as stack:
        fleet: dict[str, Running] = {}
        for name in SERVICES:
            fleet[name] = stack.enter_context(running(tmp_path, name, "v1", urls))
            urls[name] = fleet[name].url
        assert fleet["portal"].post("/checkout").status_code == 200
        assert httpx.get(fleet["portal"].url + "/browse").status_code == 200
        fleet["ledger"].child.kill()
        fleet["ledger"].child.wait()
        answer = fleet["portal"].post("/checkout")
        assert (answer.status_code, answer.json()["detail"]) == (502, "orders answered 502")
        assert "ledger: cannot connect" in fleet["payments"].post("/pay").json()["detail"]
        assert httpx.get(fleet["portal"].url + "/browse").status_code == 200


def test_the_ledger_takes_payments_for_later(ledger: Running) -> None:
    answer = ledger.post("/pay")
    assert (answer.status_code, answer.json()["detail"]) == (202, "recorded for later")


def test_what_a_service_does_not_offer_is_not_found(ledger: Running) -> None:
    assert ledger.post("/checkout").status_code == 404
    assert httpx.get(ledger.url + "/record").status_code == 404
    assert httpx.get(ledger.url + "/healthz").status_code == 200


def test_a_replica_that_cannot_know_whom_to_call_does_not_start(tmp_path: Path) -> None:
    with running(tmp_path, "billing", "v1", {}) as billing:
        assert billing.child.wait(10) == 1
    assert "DOWNSTREAM names no URL in region eu for payments" in (tmp_path / "billing.log").read_text()


@pytest.mark.parametrize("release", ["v1", "v2"])
def test_errors_are_those_of_v2_alone_and_hit_about_three_in_five(
    tmp_path: Path, ledger: Running, release: str
) -> None:
    with (
        running(tmp_path, "payments", release, {"ledger": ledger.url}, "errors") as payments,
        httpx.Client(base_url=payments.url) as client,
    ):
        statuses = Counter(client.post("/pay").status_code for _ in range(200))
    assert statuses == {200: 200} if release == "v1" else 80 <= statuses[500] <= 160


def test_latency_makes_about_three_in_five_slow(tmp_path: Path, ledger: Running) -> None:
    with (
        running(tmp_path, "payments", "v2", {"ledger": ledger.url}, "latency") as payments,
        httpx.Client(base_url=payments.url) as client,
        ThreadPoolExecutor(20) as users,
    ):
        answers = list(users.map(lambda _: timed(client, "/pay"), range(60)))
    assert {status for status, _ in answers} == {200}
    slow = [seconds for _, seconds in answers if seconds > 0.7]
    assert 20 <= len(slow) <= 52


def test_a_leak_takes_memory_up_to_its_bound_and_the_objective_with_it(tmp_path: Path, ledger: Running) -> None:
    with (
        running(tmp_path, "payments", "v2", {"ledger": ledger.url}, "leak") as payments,
        httpx.Client(base_url=payments.url) as client,
        ThreadPoolExecutor(20) as users,
    ):
        client.get("/healthz")  # answered once it is up
        _, first = timed(client, "/pay")
        before = psutil.Process(payments.child.pid).memory_info().rss
        answers = list(users.map(lambda _: timed(client, "/pay"), range(115)))
        grown = psutil.Process(payments.child.pid).memory_info().rss - before
    assert {status for status, _ in answers} == {200}
    assert first < 0.25 < percentile([seconds for _, seconds in answers], 0.75)
    assert 120e6 < grown < 180e6


def test_a_crash_comes_after_some_payments_and_without_an_answer(tmp_path: Path, ledger: Running) -> None:
    with running(tmp_path, "payments", "v2", {"ledger": ledger.url}, "crash") as payments:
        answered = 0
        with httpx.Client(base_url=payments.url) as client, pytest.raises(httpx.TransportError):
            while answered < 50:
                assert client.post("/pay").status_code == 200
                answered += 1
        assert payments.child.wait(5) == 3
    assert 10 <= answered <= 25


def test_a_terminated_replica_answers_what_it_has_begun(tmp_path: Path, ledger: Running) -> None:
    statuses: list[int] = []
    with running(tmp_path, "payments", "v2", {"ledger": ledger.url}, "latency") as payments:
        users = [threading.Thread(target=lambda: statuses.append(payments.post("/pay").status_code)) for _ in range(12)]
        for user in users:
            user.start()
        replica, port = psutil.Process(payments.child.pid), int(payments.url.rpartition(":")[2])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            accepted = [c for c in replica.net_connections("tcp") if c.raddr and c.laddr.port == port]
            if len(accepted) + len(statuses) >= len(users):
                break
        time.sleep(0.05)  # what was accepted last has been read by then
        payments.child.send_signal(signal.SIGTERM)
        for user in users:
            user.join()
        assert payments.child.wait(10) == -signal.SIGTERM
    assert statuses == [200] * len(users)
