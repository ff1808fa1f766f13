"""Fills a callsign and runs the checks: `main.py DIRECTORY`."""

import sys
import time

import crawl
import drive
import rig
import roles
import upstream


def main(directory):
    server = upstream.start()
    callsign = rig.Callsign(server, directory)
    try:
        requests = rig.fill(callsign)
        document = callsign.api("GET", "/openapi.json").json()
        step(f"{requests} requests with canaries")
        step(f"{crawl.pages(callsign)} pages show no canary")
        step(f"{crawl.calls(callsign, document)} answers of the admin API show none")
        crawl.ports(callsign)
        step(f"{crawl.commands(callsign)} commands show none")
        crawl.bundles(callsign)
        step(f"bundles and {crawl.files(callsign)} archives show none without the password")
        step(f"{roles.matrix(callsign, document)} calls answer as the role of the token permits")
        drive.schemathesis(callsign)
        step("schemathesis found nothing")
    finally:
        callsign.stop()
    log = callsign.log()
    crawl.clean("the log", log)
    assert "panicked" not in log, log
    alerts = [text for text in server.received if text.startswith("/alerts")]
    crawl.clean("an alert", "\n".join(alerts))
    assert alerts and not any("callsign-check" in text for text in alerts), f"self-tests raise no alerts: {alerts}"
    step(f"{len(log.splitlines())} log lines and {len(alerts)} alerts show no canary")


def step(text, begin=[time.monotonic()]):
    """Prints a finished step with the seconds since the start."""
    print(f"{time.monotonic() - begin[0]:5.1f} s  {text}", flush=True)


main(sys.argv[1])
