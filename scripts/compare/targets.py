"""Our own targets: what is wanted, what was reached, and the command that shows it."""

from figures import CPU, CPU_RARE, DELIVERIES, LOG_INS, MEMORY, OURS, P99, Figure, compared, wrong

# Two quiet runs of the same program differ by as much.
NOISE = 1.15

# What a send costs whatever is in it, in microseconds (docs/MEASURED.md): nobody can be told of a line
# faster than its members can be sent to one by one.
SEND_US = 6.2

ANSWER_P99 = Figure("answer p99 ms", "answer.p99_ms", digits=1)
LAST_P50 = Figure("last delivery p50 ms", "last_delivery.p50_ms", digits=0)
LAST_P99 = Figure("last delivery p99 ms", "last_delivery.p99_ms", digits=0)
PAIRS_P50 = Figure("pairs' p50 ms", "pairs.crowded.p50_ms", digits=1)
PAIRS_P99 = Figure("pairs' p99 ms", "pairs.crowded.p99_ms", digits=1)
ALONE_P99 = Figure("p99 ms of the pairs alone", "pairs.alone.p99_ms", digits=1)
PEAK_MIB = Figure("peak MiB", "memory.peak_pss_kib", 1 / 1024, 1)


class Measured:
    """What our own server was put to."""

    def __init__(self, peers, runs):
        self.peers = peers
        self.runs = runs

    def ours(self, run, figure):
        return figure.median(self.runs[run][0][OURS])

    def beside(self, scenario, figure):
        """The best peer, and its figure divided by ours."""
        ratios = {name: ratio for name, (ratio, _) in compared(figure, self.peers[scenario][0]).items() if name != OURS}
        best = (min if figure.less_is_better else max)(ratios, key=ratios.get)
        return best, ratios[best]


def at_most(measured, run, figure, wanted, stretch, unit):
    value = measured.ours(run, figure)
    met = "stretch" if stretch is not None and value <= stretch else "yes" if value <= wanted else "no"
    return f"{figure.show(value)} {unit}", met


def at_least(measured, run, figure, wanted, stretch, unit):
    value = measured.ours(run, figure)
    met = "stretch" if stretch is not None and value >= stretch else "yes" if value >= wanted else "no"
    return f"{figure.show(value)} {unit}", met


def half_of_the_best_peer(measured):
    parts, met = [], "yes"
    for scenario, members in (("broadcast-1000", "1,000"), ("broadcast-100", "100")):
        best, ratio = measured.beside(scenario, CPU)
        parts.append(f"{members}: {1 / ratio:.2f} of {best}")
        met = met if ratio >= 2 else "no"
    return "; ".join(parts), met


def steady(measured):
    parts, met = [], "yes"
    for name, figure in (("CPU", CPU_RARE), ("p99", P99)):
        best, ratio = measured.beside("steady", figure)
        parts.append(f"{name} {1 / ratio:.2f} of {best}")
        # What is within the noise is no better and no worse.
        met = met if ratio * NOISE >= 1 else "no"
    return "; ".join(parts), met


def fifteen_thousand(measured):
    answer = measured.ours("idle-15000", ANSWER_P99)
    last, late = measured.ours("idle-15000", LAST_P50), measured.ours("idle-15000", LAST_P99)
    model = SEND_US * 15_000 / 1_000
    return (
        f"answer p99 {answer:.1f} ms; last delivery p50 {last:.0f} ms, p99 {late:.0f} ms, beside {model:.0f} ms",
        "yes" if answer < 250 else "no",
    )


def stalled(measured):
    parts, met = [], "yes"
    for name, figure, unit in (("CPU", CPU, "us"), ("p99", P99, "ms"), ("peak memory", PEAK_MIB, "MiB")):
        with_one, without = (measured.ours(run, figure) for run in ("stalled", "not-stalled"))
        parts.append(f"{name} {figure.show(with_one)} {unit}, without {figure.show(without)}")
        met = met if with_one <= without * NOISE else "no"
    return "; ".join(parts), met


def crowded(measured):
    p50, p99, alone = (measured.ours("crowded", figure) for figure in (PAIRS_P50, PAIRS_P99, ALONE_P99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; alone p99 {alone:.1f} ms", "yes" if p99 < 100 else "no"


def flat(measured):
    members = (100, 300, 1000, 3000, 10000)
    values = {count: measured.ours(f"broadcast-{count}", CPU) for count in members}
    highest, lowest = (pick(values, key=values.get) for pick in (max, min))
    parts = [f"{values[count]:.3f} us at {count:,}" for count in (100, 10000)]
    parts.append(f"highest {values[highest]:.3f} at {highest:,}, lowest {values[lowest]:.3f} at {lowest:,}")
    return "; ".join(parts), "yes" if values[10000] <= values[100] * NOISE else "no"


def over_tls(measured):
    parts, met = [], "yes"
    for run, figure, unit in (("broadcast-1000", CPU, "us"), ("steady", CPU_RARE, "us")):
        tls, plain = (measured.ours(name, figure) for name in (f"{run}-tls", run))
        parts.append(f"{run}: {figure.show(tls)} {unit}, plain {figure.show(plain)}: {tls / plain:.2f}")
        met = met if tls <= 2.5 * plain else "no"
    return "; ".join(parts), met


# What is wanted; what it needs of peers and of runs; how it is judged.
TARGETS = [
    (
        "a delivery to 1,000 members: at most 0.11 us of CPU, stretch 0.08",
        [],
        ["broadcast-1000"],
        lambda it: at_most(it, "broadcast-1000", CPU, 0.11, 0.08, "us"),
    ),
    (
        "a delivery to 100 members: at most 0.12 us, stretch 0.10",
        [],
        ["broadcast-100"],
        lambda it: at_most(it, "broadcast-100", CPU, 0.12, 0.10, "us"),
    ),
    ("both: at most half of the best peer", ["broadcast-1000", "broadcast-100"], [], half_of_the_best_peer),
    ("50 lines/s to 1,000: CPU and p99 no worse than the best peer", ["steady"], [], steady),
    ("a whisper: at most 1.2 us", [], ["whisper"], lambda it: at_most(it, "whisper", CPU_RARE, 1.2, None, "us")),
    (
        "256 lines outstanding to 1,000: 30 M deliveries/s",
        [],
        ["pipeline-1000"],
        lambda it: at_least(it, "pipeline-1000", DELIVERIES, 30, None, "M/s"),
    ),
    (
        "guests logging in: 8,000/s, stretch 12,000",
        [],
        ["churn"],
        lambda it: at_least(it, "churn", LOG_INS, 8_000, 12_000, "/s"),
    ),
    (
        "an idle member of 5,000: at most 2.5 KiB of PSS, stretch 1.0",
        [],
        ["idle-5000"],
        lambda it: at_most(it, "idle-5000", MEMORY, 2.5, 1.0, "KiB"),
    ),
    (
        "15,000 idle in one process: a line is answered within 250 ms (p99), its last delivery beside 6.2 us a member",
        [],
        ["idle-15000"],
        fifteen_thousand,
    ),
    (
        "a stalled member costs no memory and nobody's time",
        [],
        ["stalled", "not-stalled"],
        stalled,
    ),
    (
        "a delivery costs the same from 100 to 10,000 members",
        [],
        ["broadcast-100", "broadcast-300", "broadcast-1000", "broadcast-3000", "broadcast-10000"],
        flat,
    ),
    (
        "a delivery in 50 rooms of 20: at most 0.5 us",
        [],
        ["rooms"],
        lambda it: at_most(it, "rooms", CPU, 0.5, None, "us"),
    ),
    (
        "a room of 10,000 that is flooded delays no other: p99 there under 100 ms",
        [],
        ["crowded"],
        crowded,
    ),
    (
        "over TLS a delivery costs at most 2.5 times what it costs without",
        [],
        ["broadcast-1000", "broadcast-1000-tls", "steady", "steady-tls"],
        over_tls,
    ),
]


def targets(peers, runs, old):
    """The rows of the table; where the reports are not there, the row of the `old` table."""
    measured = Measured(peers, runs)
    rows = []
    for wanted, of_peers, of_runs, judge in TARGETS:
        names, found, section = (of_peers, peers, "peers") if of_peers else (of_runs, runs, "targets")
        if not all(name in found for name in names):
            kept = [line for line in old.splitlines() if line.startswith(f"| {wanted} |")]
            rows.append(kept[0].strip("| ").split(" | ") if kept else [wanted, "not measured", "-", "-"])
            continue
        command = f"scripts/compare.sh {section} {' '.join(names)}"
        if len(of_runs) == 1:
            command = runs[of_runs[0]][1]["command"]
        reached, met = judge(measured)
        lost = sum(wrong(found[name][0][OURS]) for name in names)
        rows.append([wanted, reached + (f"; {lost} wrong" if lost else ""), met, f"`{command}`"])
    return rows
