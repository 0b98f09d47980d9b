#!/usr/bin/env python3
"""Compares what operations cost with what they cost before, and with what is recorded.

    judge.py TOOLCHAIN RECORD NOW BASE_RECORD BASE   prints a table; 1 when an operation is too dear, with the figures
    judge.py --record TOOLCHAIN RECORD NOW           writes the figures that moved into RECORD

NOW and BASE have an operation and its instructions on each line; RECORD and BASE_RECORD are benches/instructions.toml,
now and then. The last two are empty when there is nothing to compare with. Standard library only.
"""

import json
import sys
import tomllib

DEARER_MAX = 0.05  # than before, or than recorded
MOVED_MIN = 0.01  # what is nearer to its figure is not recorded anew

HEAD = """\
# What each operation of benches/instructions.rs costs, in instructions, and why. scripts/instructions.sh fails when
# one costs more than 5 % more than this, or than in the parent commit. A commit may raise a figure, and then the
# parent's does not count: its `why` has to say why. With another toolchain these figures are shown, and judge nothing.
"""


def read_counts(path):
    with open(path, encoding="utf-8") as file:
        return {name: int(count) for name, count in map(str.split, file)}


def read_record(path):
    """The toolchain it was counted with, and its rows."""
    try:
        with open(path, "rb") as file:
            record = tomllib.load(file)
    except FileNotFoundError:
        record = {}
    return record.get("toolchain"), record.get("operations", {})


def change(before, now):
    return f"{100 * (now / before - 1):+.1f} %"


def is_too_dear(before, now):
    return now > before * (1 + DEARER_MAX)


def complaints(name, now, base, row, base_row):
    """What is wrong with one operation. What there is not, is None."""
    raised = bool(row and base_row) and row["instructions"] > base_row["instructions"]
    explained = raised and row["why"] != base_row["why"]
    if raised and not explained:
        figures = f"{base_row['instructions']:,} to {row['instructions']:,}"
        yield f"{name}: its figure is raised from {figures}, and its `why` is the old one"
    if base and is_too_dear(base, now) and not explained:
        yield f"{name}: {base:,} instructions before, {now:,} now: {change(base, now)}"


def over_record(now, rows):
    for name, count in now.items():
        recorded = rows.get(name, {}).get("instructions", count)
        if is_too_dear(recorded, count):
            yield f"{name}: {recorded:,} instructions recorded, {count:,} now: {change(recorded, count)}"
        elif is_too_dear(count, recorded):
            print(f"{name} has become cheaper: scripts/instructions.sh --record lowers its figure")


def judge(toolchain, record, now, base_record, base):
    recorded_with, rows = read_record(record)
    base_recorded_with, base_rows = read_record(base_record)
    now, base = read_counts(now), read_counts(base)

    print(f"{'operation':<26}{'before':>12}{'now':>12}{'change':>10}{'recorded':>12}")
    for name, count in now.items():
        before, recorded = base.get(name), rows.get(name, {}).get("instructions")
        print(
            f"{name:<26}{f'{before:,}' if before else '-':>12}{count:>12,}"
            f"{change(before, count) if before else '':>10}{f'{recorded:,}' if recorded else '-':>12}"
        )

    wrong = [f"{name}: it has no figure in {record}" for name in now if name not in rows]
    wrong += [f"{name}: it has a figure in {record}, and is not counted" for name in rows if name not in now]
    wrong += [f"{name}: its `why` says nothing" for name, row in rows.items() if not row["why"].strip()]
    # A figure that another toolchain made says nothing of how the code has changed.
    raised_from = base_rows if base_recorded_with == recorded_with else {}
    for name, count in now.items():
        wrong += complaints(name, count, base.get(name), rows.get(name), raised_from.get(name))
    if recorded_with == toolchain:
        wrong += over_record(now, rows)
    else:
        print(f"recorded with {recorded_with}, and this is {toolchain}: the recorded figures judge nothing")
    for complaint in wrong:
        print(complaint, file=sys.stderr)
    if wrong:
        print(f"Who means it raises the figure in {record}, and says why.", file=sys.stderr)
    return 1 if wrong else 0


def write_record(toolchain, record, now):
    _, rows = read_record(record)
    now = read_counts(now)
    lines = [HEAD, f"toolchain = {json.dumps(toolchain)}\n\n[operations]\n"]
    for name, count in now.items():
        row = rows.get(name, {"instructions": count, "why": "as first counted"})
        recorded = row["instructions"]
        if abs(count - recorded) < recorded * MOVED_MIN:
            count = recorded
        if count > recorded:
            print(f"{name}: {recorded:,} instructions recorded, {count:,} now: let its `why` say why")
        why = json.dumps(row["why"], ensure_ascii=False)
        lines.append(f"{name} = {{ instructions = {count:_}, why = {why} }}\n")
    with open(record, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return 0


def main(arguments):
    match arguments:
        case ["--record", toolchain, record, now]:
            return write_record(toolchain, record, now)
        case [toolchain, record, now, base_record, base]:
            return judge(toolchain, record, now, base_record, base)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
