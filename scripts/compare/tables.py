#!/usr/bin/env python3
"""Writes the tables of docs/BENCHMARKS.md from the reports that scripts/compare.sh has collected.

    scripts/compare/tables.py RESULTS DOCUMENT

RESULTS has a folder for each thing measured, `peers/steady` for example, with a JSON report for each server and round,
and `run.tsv`: by what, on what and when. Each table stands between a line `<!-- table: NAME -->` and a line
`<!-- end -->`; those whose reports are not there stay as they are. Standard library only.
"""

import json
import re
import sys
from pathlib import Path
from statistics import median

from figures import (
    CPU,
    CPU_RARE,
    DELIVERIES,
    GENERATOR,
    LOG_IN_CPU,
    LOG_IN_P99,
    LOG_INS,
    MEMORY,
    OURS,
    P50,
    P99,
    compared,
    wrong,
)
from targets import targets

SERVERS = [OURS, "redis-server", "nats-server", "ngircd", "inspircd", "mosquitto"]
SCENARIOS = ["broadcast-1000", "broadcast-100", "steady", "whisper", "idle", "churn"]
CURVE = [100, 300, 1000, 3000, 10000]

# What is measured over TLS too, the figures that it changes, and what is done there.
TLS = {
    "broadcast-1000": (CPU, "a delivery to 1,000"),
    "steady": (CPU_RARE, "a delivery to 1,000 at 50 lines a second"),
    "churn": (LOG_IN_CPU, "a guest who logs in, with a whole handshake"),
    "idle-5000": (MEMORY, "a silent member of 5,000"),
}

# Of the measured time: a generator that used more was as slow as the server, or slower.
BUSY = 0.9


# Of each scenario: what is compared, and what is shown besides.
COLUMNS = {
    "broadcast-1000": ([CPU], [DELIVERIES, P50, P99, GENERATOR]),
    "broadcast-100": ([CPU], [DELIVERIES, P50, P99, GENERATOR]),
    "steady": ([CPU_RARE, P99], [P50, GENERATOR]),
    "whisper": ([CPU_RARE], [DELIVERIES, P50, P99, GENERATOR]),
    "idle": ([MEMORY], []),
    "churn": ([LOG_INS, LOG_IN_CPU], [LOG_IN_P99]),
}


def read(folder):
    """The reports of each server, and by what, on what and when they were made; None when there are none."""
    if not (folder / "run.tsv").exists():
        return None
    run = dict(line.split("\t", 1) for line in (folder / "run.tsv").read_text().splitlines())
    reports = {}
    for file in sorted(folder.glob("*.json")):
        reports.setdefault(file.name.split(".")[0], []).append(json.loads(file.read_text()))
    return reports, run


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def caption(reports, run, with_command=True):
    ours = " and ".join(sorted({one["sha256"] for each in reports[OURS] for one in each["subject"]["server"]}))
    rounds = "1 round" if run["rounds"] == "1" else f"medians of {run['rounds']} rounds"
    command = f"`{run['command']}`, " if with_command else ""
    others = f"; others used {run['others']} % of a processor meanwhile" if int(run["others"]) >= 5 else ""
    return (
        f"{command}{run['date']}, {rounds}, {run['machine']}{others}; chat-server of commit {run['commit']}, its file's "
        f"SHA-256 {ours}...\n"
    )


def is_generators_limit(reports):
    busy = [report["cpu"]["generator"] for report in reports]
    shares = [
        (cpu["user_s"] + cpu["system_s"]) / report["seconds"]
        for cpu, report in zip(busy, reports)
        if cpu and report["seconds"] > 0.1
    ]
    return bool(shares) and median(shares) > BUSY


def scenario_table(scenario, reports, run):
    main, others = COLUMNS[scenario]
    speaks = scenario not in ("idle", "churn")
    header = ["server"]
    for figure in main:
        header += [figure.title, "times ours"]
    header += [figure.title for figure in others] + (["wrong"] if speaks else [])
    ratios = {figure: compared(figure, reports) for figure in main}
    rows, note = [], ""
    for server in (name for name in SERVERS if name in reports):
        mark = ""
        if is_generators_limit(reports[server]):
            mark = " †"
            note = "† The generator was as busy as the server: its limit, not the server's.\n\n"
        row = [server + mark]
        for figure in main:
            ratio, is_better = ratios[figure].get(server, (None, False))
            shown = "-" if ratio is None else f"{ratio:.2f}"
            row += [figure.show_range(reports[server]), f"**{shown}**" if is_better else shown]
        row += [figure.show(figure.median(reports[server])) for figure in others]
        row += [str(wrong(reports[server]))] if speaks else []
        rows.append(row)
    return markdown(header, rows) + "\n" + note + caption(reports, run)


def losses(peers):
    """Whatever a peer does better than we do."""
    rows = []
    for scenario, (reports, _) in peers.items():
        for figure in COLUMNS[scenario][0]:
            ours = figure.show(figure.median(reports[OURS]))
            ratios = compared(figure, reports)
            for server in (name for name in SERVERS if name in ratios):
                ratio, is_better = ratios[server]
                if is_better:
                    theirs = figure.show(figure.median(reports[server]))
                    rows.append([scenario, figure.title, server, theirs, ours, f"{ratio:.2f}"])
    if not rows:
        return "Nothing in the tables above.\n"
    return markdown(["scenario", "figure", "server", "theirs", "ours", "times ours"], rows)


def curve_table(runs):
    rows = []
    for members in CURVE:
        reports = runs[f"broadcast-{members}"][0][OURS]
        figures = [figure.show(figure.median(reports)) for figure in (DELIVERIES, P50, P99, GENERATOR)]
        rows.append([f"{members:,}", CPU.show_range(reports), *figures, str(wrong(reports))])
    reports, run = runs["broadcast-1000"]
    run = {**run, "command": run["command"].replace("--clients 1000", "--clients MEMBERS")}
    header = ["members", CPU.title, DELIVERIES.title, P50.title, P99.title, GENERATOR.title, "wrong"]
    return markdown(header, rows) + "\n" + caption(reports, run)


def tls_table(runs):
    rows = []
    for run, (figure, what) in TLS.items():
        plain, tls = (runs[name][0][OURS] for name in (run, f"{run}-tls"))
        ratio = figure.median(tls) / figure.median(plain)
        rows.append([what, figure.title, figure.show_range(plain), figure.show_range(tls), f"{ratio:.2f}"])
    reports, run = runs["broadcast-1000-tls"]
    header = ["what", "figure", "plain", "over TLS", "times plain"]
    return markdown(header, rows) + "\n" + caption(reports, run, with_command=False)


def servers_table(results):
    lines = (results / "peers/servers.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    return markdown(
        ["server", "version", "started by"], [[name, version, f"`{command}`"] for name, version, command in rows]
    )


def targets_table(peers, runs, old):
    header = ["target", "reached", "met", "command"]
    (*_, last) = [found for found in (*peers.values(), *runs.values())]
    return markdown(header, targets(peers, runs, old)) + "\n" + caption(*last, with_command=False)


def tables(results, document):
    """Every table that there are reports for."""
    peers = {name: found for name in SCENARIOS if (found := read(results / "peers" / name))}
    runs = {folder.name: found for folder in results.glob("targets/*") if (found := read(folder))}
    made = {name: scenario_table(name, *found) for name, found in peers.items()}
    if len(peers) == len(SCENARIOS):
        made["losses"] = losses(peers)
    if all(f"broadcast-{members}" in runs for members in CURVE):
        made["curve"] = curve_table(runs)
    if all(f"{run}{way}" in runs for run in TLS for way in ("", "-tls")):
        made["tls"] = tls_table(runs)
    if (results / "peers/servers.tsv").exists():
        made["servers"] = servers_table(results)
    if peers or runs:
        made["targets"] = targets_table(peers, runs, document)
    return made


def replaced(document, made):
    """The document with these tables in it."""
    for name, table in made.items():
        marks = re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        document, count = marks.subn(lambda found, table=table: found[1] + table + found[2], document)
        if count != 1:
            sys.exit(f"tables: the document has {count} places for the table {name}")
    return document


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results, document = Path(sys.argv[1]), Path(sys.argv[2])
    text = document.read_text()
    document.write_text(replaced(text, tables(results, text)))


if __name__ == "__main__":
    main()
