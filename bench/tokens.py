#!/usr/bin/env python3
"""Speed of `trainyard tokenize show --count` beside Hugging Face's `tokenizers` on one thread: the same text, the same tokenizer, in
turn, medians of several runs. The package is also timed on lines without offsets (`encode_batch_fast`), where it is fastest.

    bench/tokens.py                                    # the tokenizers of Tests/Goldens/tokens, text drawn from their sample
    bench/tokens.py --text corpus.txt --tokenizers tokenizer.json
    bench/tokens.py --json
"""
import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
GOLDENS = os.path.join(ROOT, "Tests", "Goldens", "tokens")


def drawn(size):
    spec = importlib.util.spec_from_file_location("golden", os.path.join(ROOT, "scripts", "tokens_golden.py"))
    golden = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(golden)
    sample = open(os.path.join(GOLDENS, "sample.txt"), encoding="utf-8", newline="").read()
    return golden.mixed_text(sample, 7, size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", help="a file of UTF-8; default: one megabyte of mixed text")
    parser.add_argument("--tokenizers", nargs="+", help="files; default: those of the goldens")
    parser.add_argument("--program", default=os.path.join(ROOT, ".build", "release", "trainyard"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        import tokenizers
    except ImportError:
        print("bench/tokens.py is left out: the Python package tokenizers is not installed", file=sys.stderr)
        return 0
    text = open(arguments.text, encoding="utf-8", newline="").read() if arguments.text else drawn(1_000_000)
    names = ["gpt2", "llama3", "qwen2", "llama2", "t5"]
    files = arguments.tokenizers or [os.path.join(GOLDENS, f"{name}.json") for name in names]
    size = len(text.encode())
    lines = text.splitlines(keepends=True)
    rows = []
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        for path in files:
            theirs, ours, fastest = [], [], []
            tokenizer = tokenizers.Tokenizer.from_file(path)
            for _ in range(arguments.runs):
                start = time.perf_counter()
                count = len(tokenizer.encode(text, add_special_tokens=False).ids)
                theirs.append(size / (time.perf_counter() - start) / 1e6)
                start = time.perf_counter()
                tokenizer.encode_batch_fast(lines, add_special_tokens=False)
                fastest.append(size / (time.perf_counter() - start) / 1e6)
                answer = json.loads(subprocess.run(
                    [arguments.program, "tokenize", "show", "--tokenizer", path, "--count", "--json", file.name],
                    check=True, capture_output=True, text=True).stdout)
                ours.append(answer["megabytesPerSecond"])
                if answer["tokens"] != count:
                    print(f"{path}: {answer['tokens']} tokens here, {count} there", file=sys.stderr)
                    return 1
            rows.append({
                "tokenizer": os.path.basename(path), "bytes": size, "tokens": count,
                "trainyard": statistics.median(ours), "tokenizers": statistics.median(theirs),
                "tokenizersLines": statistics.median(fastest)})
    if arguments.json:
        print(json.dumps({"version": tokenizers.__version__, "rows": rows}, indent=2))
        return 0
    print(f"{size:,} bytes, one thread, medians of {arguments.runs}, tokenizers {tokenizers.__version__}")
    print(f"{'tokenizer':<24}{'tokens':>10}{'trainyard MB/s':>16}{'tokenizers MB/s':>17}{'on lines':>10}{'times':>8}")
    for row in rows:
        print(
            f"{row['tokenizer']:<24}{row['tokens']:>10,}{row['trainyard']:>16.1f}{row['tokenizers']:>17.2f}"
            f"{row['tokenizersLines']:>10.2f}{row['trainyard'] / max(row['tokenizers'], row['tokenizersLines']):>8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
