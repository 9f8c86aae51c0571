#!/usr/bin/env python3
"""Runs groups 1-10 of the Autobahn WebSocket cases against an echo server.

    pip install kosoku
    tests/autobahn.py ws://127.0.0.1:8080/echo

The server must take messages of 16 MiB and of 65,536 fragments. Groups 12 and 13 are about compression, which it never
negotiates; 8 and 11 have no cases. Exits 0 when every case ends OK, NON-STRICT or
INFORMATIONAL, 1 when one does not, 2 when the cases could not be run.
"""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

GROUPS = ["1", "2", "3", "4", "5", "6", "7", "9", "10"]
ACCEPTED = {"OK", "NON-STRICT", "INFORMATIONAL"}


def run(address, groups, outdir):
    launcher = shutil.which("kosoku") or shutil.which("kosoku", path=pathlib.Path(sys.executable).parent)
    if not launcher:
        print("kosoku is not installed", file=sys.stderr)
        sys.exit(2)
    includes = [argument for group in groups for argument in ("--include", f"{group}.*")]
    # Its exit code tells less than its report.
    subprocess.run([launcher, *includes, "--outdir", outdir, address], stdout=subprocess.DEVNULL)
    index = pathlib.Path(outdir, "index.json")
    return json.loads(index.read_text()) if index.exists() else {}


def judge(index):
    counts, refused = collections.defaultdict(collections.Counter), []
    for cases in index.values():
        for case, result in cases.items():
            counts[case.split(".")[0]][result["behavior"]] += 1
            if not {result["behavior"], result["behaviorClose"]} <= ACCEPTED:
                refused.append((case, result["behavior"], result["behaviorClose"]))
    return counts, refused


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="WebSocket URL of the echo server")
    parser.add_argument("--group", action="append", choices=GROUPS, help="only this group (repeatable)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as outdir:
        counts, refused = judge(run(args.address, args.group or GROUPS, outdir))
    if not counts:
        print("no case was run", file=sys.stderr)
        sys.exit(2)
    for group, behaviors in sorted(counts.items(), key=lambda item: int(item[0])):
        print(f"group {group}: " + ", ".join(f"{count} {behavior}" for behavior, count in sorted(behaviors.items())))
    for case, behavior, close in refused:
        print(f"{case}: {behavior}, close {close}")
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    main()
