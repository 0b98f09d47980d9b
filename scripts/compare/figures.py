"""The figures of a report of `chat-client bench --json`: where they stand, how they are shown, which is better."""

from statistics import median

OURS = "chat-server"


class Figure:
    """A column of figures: where it stands in a report, how it is shown, and whether less of it is better."""

    def __init__(self, title, path, scale=1.0, digits=3, less_is_better=True):
        self.title = title
        self.path = path.split(".")
        self.scale = scale
        self.digits = digits
        self.less_is_better = less_is_better

    def of(self, report):
        value = report
        for key in self.path:
            value = None if value is None else value[key]
        return None if value is None else value * self.scale

    def median(self, reports):
        values = [self.of(report) for report in reports]
        return None if None in values or not values else median(values)

    def show(self, value):
        return "-" if value is None else f"{value:,.{self.digits}f}"

    def show_range(self, reports):
        """The median, and what it lies between."""
        middle = self.median(reports)
        if middle is None:
            return "-"
        values = sorted(self.of(report) for report in reports)
        low, high = self.show(values[0]), self.show(values[-1])
        return self.show(middle) + (f" ({low} to {high})" if low != high else "")


CPU = Figure("CPU us per delivery", "cpu.server_us_per_delivery")
CPU_RARE = Figure("CPU us per delivery", "cpu.server_us_per_delivery", digits=2)
GENERATOR = Figure("generator's CPU us", "cpu.generator_us_per_delivery")
DELIVERIES = Figure("M deliveries/s", "deliveries_per_second", 1e-6, 2, less_is_better=False)
P50 = Figure("p50 ms", "delivery.p50_ms", digits=1)
P99 = Figure("p99 ms", "delivery.p99_ms", digits=1)
MEMORY = Figure("KiB of PSS per member", "memory.pss_kib_per_member", digits=2)
LOG_INS = Figure("log-ins/s", "log_ins.per_second", digits=0, less_is_better=False)
LOG_IN_CPU = Figure("CPU us per log-in", "log_ins.server_us", digits=0)
LOG_IN_P99 = Figure("p99 ms", "log_ins.latency.p99_ms", digits=1)


def wrong(reports):
    """Lines lost, doubled, out of order, sent back or in a wrong room, and connections cut, in all rounds together."""
    kinds = ["lost", "doubled", "reordered", "missed", "echoed", "stray", "foreign", "cut"]
    checks = [report["check"] for report in reports]
    checks += [report["pairs"]["check"] for report in reports if report["pairs"]]
    return sum(check[kind] for check in checks for kind in kinds)


def compared(figure, reports):
    """Theirs divided by ours, and whether it is better."""
    ours = figure.median(reports[OURS])
    ratios = {}
    for server, theirs in reports.items():
        value = figure.median(theirs)
        if value and ours:
            ratio = value / ours
            ratios[server] = (ratio, (ratio < 1) == figure.less_is_better and ratio != 1)
    return ratios
