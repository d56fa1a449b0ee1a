#!/usr/bin/env python3
"""megatron_flags.py CHECKOUT [HISTORY]: every argument of Megatron-LM's pretraining programs, as interchange/megatron-lm.json.

CHECKOUT is a working tree of Megatron-LM, HISTORY a git clone with its release branches (CHECKOUT if left out). For each
release the literal `add_argument` calls are read from megatron/training/arguments.py; the working tree's parser, which makes
most arguments from dataclasses, is built and asked (needs torch, triton, einops; left out with a line on standard error where
it cannot be built).

An entry is `flag: [destination, values, constant]`: values are 0, 1, "?", "+" or "*"; the constant is what a flag without a
value stores. Destinations are the names that a log's `arguments` block prints.
"""
import argparse
import ast
import json
import os
import subprocess
import sys

OLD = ["v2.5", "v2.6", "23.04", "core_r0.4.0", "core_r0.5.0", "core_r0.6.0", "core_r0.7.0", "core_r0.8.0", "core_r0.9.0", "core_r0.10.0", "core_r0.11.0",
       "core_r0.12.0", "core_r0.13.0", "core_r0.14.0", "core_r0.15.0", "core_r0.16.0"]


def literal(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def from_source(text):
    flags = {}
    for call in ast.walk(ast.parse(text)):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"):
            continue
        names = [n for n in map(literal, call.args) if isinstance(n, str) and n.startswith("--")]
        if not names:
            continue
        keywords = {k.arg: k.value for k in call.keywords}
        dest = literal(keywords["dest"]) if "dest" in keywords else names[0][2:].replace("-", "_")
        action = keywords.get("action")
        kind = literal(action) if action is not None else None
        if isinstance(action, ast.Attribute) and action.attr == "BooleanOptionalAction":
            for name in names:
                flags[name] = [dest, 0, True]
                flags["--no-" + name[2:]] = [dest, 0, False]
            continue
        if kind in ("store_true", "store_false"):
            entry = [dest, 0, kind == "store_true"]
        elif kind == "store_const":
            entry = [dest, 0, literal(keywords.get("const"))]
        else:
            nargs = literal(keywords["nargs"]) if "nargs" in keywords else None
            entry = [dest, {None: 1}.get(nargs, nargs), None]
        for name in names:
            flags[name] = entry
    return flags


def from_parser(checkout):
    os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0")
    sys.path.insert(0, checkout)
    import typing, typing_extensions
    if not hasattr(typing, "override"):
        typing.override = typing_extensions.override
    from megatron.training.arguments import add_megatron_arguments
    parser = add_megatron_arguments(argparse.ArgumentParser(allow_abbrev=False))
    flags = {}
    for action in parser._actions:
        for name in action.option_strings:
            if not name.startswith("--") or action.dest == "help":
                continue
            if isinstance(action, argparse.BooleanOptionalAction):
                flags[name] = [action.dest, 0, not name.startswith("--no-")]
            elif action.nargs == 0:
                flags[name] = [action.dest, 0, action.const]
            else:
                flags[name] = [action.dest, 1 if action.nargs is None else action.nargs, None]
    return flags


def main():
    checkout = sys.argv[1]
    history = sys.argv[2] if len(sys.argv) > 2 else checkout
    flags, read = {}, []
    for version in OLD:
        for path in ("megatron/training/arguments.py", "megatron/arguments.py"):
            shown = subprocess.run(["git", "-C", history, "show", f"{version}:{path}"], capture_output=True, text=True)
            if shown.returncode == 0:
                flags.update(from_source(shown.stdout))
                read.append(version)
                break
    # Arguments that pretrain_gpt.py adds to the parser's own.
    for path in ("megatron/post_training/arguments.py", "megatron/elastification/arguments.py"):
        if os.path.exists(os.path.join(checkout, path)):
            flags.update(from_source(open(os.path.join(checkout, path)).read()))
    commit = subprocess.run(["git", "-C", checkout, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True)
    try:
        flags.update(from_parser(checkout))
        read.append(commit.stdout.strip())
    except Exception as error:
        print(f"the working tree's parser was not built: {error}", file=sys.stderr)
    flags = {k: ([v[0], v[1]] if v[2] is None else v) for k, v in sorted(flags.items())}
    rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in flags.items())
    print('{\n "source": "arguments of NVIDIA/Megatron-LM: %s",\n "flags": {\n%s\n }\n}' % (", ".join(read), rows))


main()
