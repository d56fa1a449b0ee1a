"""Runs a launch script with stand-ins for the launchers it calls, and tells what it would have started."""
import json
import os
import subprocess
import sys
import tempfile

from report import Refused

STAND_IN = """#!{python}
import json, os, sys
with open(os.environ["INTEROP_CALLS"], "a") as file:
    file.write(json.dumps({{"program": os.path.basename(sys.argv[0]), "arguments": sys.argv[1:], "environment": dict(os.environ)}}) + "\\n")
"""


def calls(folder, script, programs, environment=None):
    """What `script` starts: the program, its arguments and its environment, for each call of one of `programs`."""
    with tempfile.TemporaryDirectory() as place:
        for program in programs:
            path = os.path.join(place, program)
            with open(path, "w") as file:
                file.write(STAND_IN.format(python=sys.executable))
            os.chmod(path, 0o755)
        record = os.path.join(place, "calls")
        names = ("HOME", "LANG", "TMPDIR")
        base = {name: os.environ[name] for name in names if name in os.environ}
        base.update(PATH=place + ":/usr/bin:/bin", INTEROP_CALLS=record, **(environment or {}))
        done = subprocess.run(["bash", script], cwd=folder, env=base, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Refused(f"{os.path.basename(script)}: {' '.join(done.stderr.split())[-300:]}")
        if not os.path.exists(record):
            raise Refused(f"{os.path.basename(script)} starts none of {', '.join(programs)}")
        with open(record) as file:
            return [json.loads(line) for line in file]
