"""Compares two outputs of the same question: documents by structure, text line by line, weights and losses by the bit."""
import hashlib
import json
import re
import struct

# Measured time of the planner's own work; nothing else that is printed depends on the clock.
OWN_SECONDS = re.compile(r"\b((?:tried|replayed|priced)\s+in)\s+[\d.,]+\s+(?:ns|µs|us|ms|s|min)\b")
VERSION = re.compile(r"\b\d+\.\d+\.\d+(?: \([0-9a-f]{7,40}(?:, modified)?\))?(?=$|\n|\")")
# Numbers of a document that are measured, not answered: the seconds a search took, at the root of its document.
MEASURED_PATHS = {"seconds"}
# What a step's metrics say that is the same in every run of the same plan, and what is measured.
STEP_FIELDS = ("step", "loss", "gradNorm", "learningRate", "modelFLOPs")
# What a run's manifest says of the run rather than of the machine and the hour.
MANIFEST_FIELDS = ("checkpoints", "files", "format", "plan", "processes", "state", "step", "steps")
# Whole numbers from here on are Doubles that are printed without a fraction.
EXACT = 2**53


class Document(list):
    """A JSON object: its keys and values in their order."""


class Findings:
    """The differences of one question and the largest relative difference of its numbers."""

    def __init__(self, tolerance):
        self.tolerance = tolerance
        self.differences = []
        self.largest = 0.0
        self.is_refused = False

    def add(self, path, old, new):
        self.differences.append((path, old, new))

    def numbers(self, path, old, new):
        if old == new:
            return
        share = abs(old - new) / max(abs(old), abs(new))
        self.largest = max(self.largest, share)
        if not share <= self.tolerance:
            self.add(path, f"{old!r}", f"{new!r}  (relative {share:.2g})")


def masked(text, folders):
    """`text` without what may differ: folders, the version, the seconds of the planner's own work."""
    for folder, name in folders:
        text = text.replace(folder, name)
    return OWN_SECONDS.sub(r"\1 SECONDS", VERSION.sub("VERSION", text))


def parsed(text):
    """The JSON document that `text` is, or None."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text, object_pairs_hook=Document)
    except ValueError:
        return None


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def compare_documents(path, old, new, found, folders):
    if path in MEASURED_PATHS and is_number(old) and is_number(new):
        return
    if isinstance(old, Document) and isinstance(new, Document):
        compare_objects(path, old, new, found, folders)
    elif isinstance(old, list) and isinstance(new, list) and not isinstance(old, Document) and not isinstance(new, Document):
        if len(old) != len(new):
            found.add(path, f"{len(old)} elements", f"{len(new)} elements")
        for index, (one, other) in enumerate(zip(old, new)):
            compare_documents(f"{path}[{index}]", one, other, found, folders)
    elif is_number(old) and is_number(new):
        whole = isinstance(old, int) and isinstance(new, int) and max(abs(old), abs(new)) < EXACT
        if whole and old != new:
            found.largest = max(found.largest, abs(old - new) / max(abs(old), abs(new)))
            found.add(path, str(old), str(new))
        elif not whole:
            found.numbers(path, old, new)
    elif isinstance(old, str) and isinstance(new, str):
        compare_text(path, old, new, found, folders)
    elif type(old) is not type(new) or old != new:
        found.add(path, short(old), short(new))


def compare_objects(path, old, new, found, folders):
    before, after = [key for key, _ in old], [key for key, _ in new]
    if sorted(before) != sorted(after):
        gone, came = [k for k in before if k not in after], [k for k in after if k not in before]
        found.add(path or "document", "keys " + (", ".join(gone) or "-"), "keys " + (", ".join(came) or "-"))
    elif before != after:
        found.add(path or "document", "keys in the order " + ", ".join(before), ", ".join(after))
    values = dict(new)
    for key, value in old:
        if key in values:
            compare_documents(f"{path}.{key}" if path else key, value, values[key], found, folders)


def short(value):
    text = json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 160 else text[:157] + "..."


def compare_text(path, old, new, found, folders):
    one, other = masked(old, folders), masked(new, folders)
    if one == other:
        return
    # A measured time has more digits at times, which breaks the line elsewhere.
    if "SECONDS" in one and "SECONDS" in other and one.split() == other.split():
        return
    before, after = one.split("\n"), other.split("\n")
    if len(before) == len(after):
        for number, (line, now) in enumerate(zip(before, after), 1):
            if line != now:
                found.add(f"{path} line {number}" if len(before) > 1 else path, short(line), short(now))
        return
    number = next((i for i, (line, now) in enumerate(zip(before, after)) if line != now), min(len(before), len(after)))
    at = [lines[number] if number < len(lines) else "(ends)" for lines in (before, after)]
    found.add(f"{path} line {number + 1} ({len(before)} and {len(after)} lines)", short(at[0]), short(at[1]))


def compare_output(path, old, new, found, folders):
    """Standard output or a file: a document where both are one, else text."""
    one, other = parsed(old), parsed(new)
    if one is not None and other is not None:
        compare_documents("" if path == "output" else path, one, other, found, folders)
    else:
        compare_text(path, old, new, found, folders)


def compare_losses(path, old, new, found, folders):
    """The metrics of a run, a JSON object a step: what the plan decides, to the last digit."""
    before, after = ([json.loads(line) for line in text.splitlines()] for text in (old, new))
    if len(before) != len(after):
        found.add(path, f"{len(before)} steps", f"{len(after)} steps")
    for index, (one, other) in enumerate(zip(before, after)):
        if list(one) != list(other):
            found.add(f"{path} step {index}", "keys " + ", ".join(one), ", ".join(other))
        for field in STEP_FIELDS:
            # Doubles are printed so that they read back to the same bits.
            if one.get(field) != other.get(field):
                found.add(f"{path} step {index} {field}", repr(one.get(field)), repr(other.get(field)))


def tensors(data):
    """Name → type, shape and SHA-256 of each tensor of a safetensors file, and its remarks."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    remarks = header.pop("__metadata__", {})
    body = data[8 + size:]
    return {
        name: (entry["dtype"], entry["shape"], hashlib.sha256(body[slice(*entry["data_offsets"])]).hexdigest())
        for name, entry in header.items()
    }, remarks


def compare_weights(path, old, new, found, folders):
    """Two safetensors files: the same tensors in the same order, the same bits in each."""
    (before, remarks), (after, remarks_now) = tensors(old), tensors(new)
    if list(before) != list(after):
        found.add(path, "tensors " + short(", ".join(before)), short(", ".join(after)))
    for name, one in before.items():
        if name in after and after[name] != one:
            found.add(f"{path} {name}", " ".join(map(str, one)), " ".join(map(str, after[name])))
    if remarks != remarks_now:
        found.add(f"{path} remarks", short(remarks), short(remarks_now))


def compare_manifests(path, old, new, found, folders):
    one, other = json.loads(old), json.loads(new)
    if sorted(one) != sorted(other):
        found.add(path, "keys " + ", ".join(sorted(one)), ", ".join(sorted(other)))
    for field in MANIFEST_FIELDS:
        before, after = (masked(json.dumps(document.get(field)), folders) for document in (one, other))
        if before != after:
            found.add(f"{path} {field}", short(before), short(after))


def compare_orders(path, old, new, found, folders):
    """A measured timeline: in which order each rank computed what."""
    def orders(text):
        return [
            [tuple(sorted(span["action"].items())) for span in rank if span["activity"] == "compute" and "action" in span]
            for rank in json.loads(text)["ranks"]
        ]

    before, after = orders(old), orders(new)
    if len(before) != len(after):
        found.add(path, f"{len(before)} ranks", f"{len(after)} ranks")
    for rank, (one, other) in enumerate(zip(before, after)):
        if one != other:
            found.add(f"{path} rank {rank}", f"{len(one)} actions", f"{len(other)} actions, in another order")


BYTES = {"weights": compare_weights}
KINDS = {
    "document": compare_output, "text": compare_text, "losses": compare_losses, "manifest": compare_manifests,
    "order": compare_orders,
}


def compare_file(kind, path, old, new, found, folders, is_expected):
    if old is None or new is None:
        if old is not new or is_expected:
            found.add(path, "no file" if old is None else "a file", "no file" if new is None else "a file")
    elif kind in BYTES:
        BYTES[kind](path, old, new, found, folders)
    else:
        KINDS[kind](path, *(data.decode(errors="replace") for data in (old, new)), found, folders)
