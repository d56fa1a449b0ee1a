#!/usr/bin/env python3
"""Writes Tests/Goldens/tokens: small tokenizers trained by Hugging Face's `tokenizers` under the rules of known models, and what
they make of Tests/Goldens/tokens/sample.txt and of a text of one megabyte that is drawn from it.

    scripts/tokens_golden.py            # with the package tokenizers
    MEGATRON_LM=FOLDER scripts/tokens_golden.py        # also megatron.bin and megatron.idx, with numpy and torch

`MixedText` in Tests/TokensTests draws the same text.
"""
import base64
import json
import os
import struct
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "Goldens", "tokens")
M64 = (1 << 64) - 1

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


class Random:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & M64
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        return z ^ (z >> 31)

    def below(self, count):
        return self.next() % count


SPACES = [" ", "  ", "\n", "\n\n", "\t", " \n", "\r\n", "   \n  ", "\u00a0", "\u3000", "    ", "\u2028", " \u2003 "]
ENDINGS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'Re", "'\u017f", "'x", "'", "''"]
MARKS = ["\u0301", "\u0308", "\u0323", "\u0327", "\u093c", "\u3099", "\u200d", "\ufe0f"]
SPECIAL = ["<|endoftext|>", "<s>", "</s>", "<|im_start|>", "<unk>", "<0x41>", "<pad>", "\u2581", "\u2581\u2581x"]


def mixed_text(sample, seed, size):
    """At least `size` bytes of UTF-8."""
    lines = sample.split("\n")
    random = Random(seed)
    parts = []
    count = 0
    while count < size:
        kind = random.below(16)
        if kind < 6:
            part = lines[random.below(len(lines))] + "\n"
        elif kind < 9:
            line = lines[random.below(len(lines))]
            words = line.split(" ")
            part = words[random.below(len(words))] + " "
        elif kind == 9:
            part = SPACES[random.below(len(SPACES))]
        elif kind == 10:
            part = ENDINGS[random.below(len(ENDINGS))]
        elif kind == 11:
            part = str(random.next() >> (8 * random.below(8)))
        elif kind == 12:
            code = random.below(0x110000 - 0x800)
            part = chr(code if code < 0xD800 else code + 0x800)
        elif kind == 13:
            part = chr(0x4E00 + random.below(0x5200)) * (1 + random.below(3))
        elif kind == 14:
            part = chr(0x61 + random.below(26)) + MARKS[random.below(len(MARKS))]
        else:
            part = SPECIAL[random.below(len(SPECIAL))]
        parts.append(part)
        count += len(part.encode())
    return "".join(parts)


def digest(ids):
    """FNV-1a of the numbers as 32 bits each, the lowest byte first."""
    value = 0xCBF29CE484222325
    for byte in struct.pack(f"<{len(ids)}i", *ids):
        value = ((value ^ byte) * 0x100000001B3) & M64
    return f"{value:016x}"


def charsmap(rules):
    """A table as SentencePiece writes it: a double array over the keys' bytes, then the replacements, each with a zero byte."""
    tree = {}
    text = b""
    for old, new in sorted(rules.items()):
        node = tree
        for byte in old.encode():
            node = node.setdefault(byte, {})
        node[None] = len(text)
        text += new.encode() + b"\0"
    units = [0] * 256
    used = [False] * 256
    used[0] = True

    def need(size):
        while len(units) < size:
            units.extend([0] * 256)
            used.extend([False] * 256)

    def place(node, index, label):
        labels = [0 if key is None else key for key in node]
        base = 1
        while True:
            need(base + 512)
            if all(not used[base ^ key] for key in labels) and (base ^ index) < 1 << 21:
                break
            base += 1
        for key in labels:
            used[base ^ key] = True
        units[index] = (base ^ index) << 10 | (1 << 8 if None in node else 0) | label
        for key, child in node.items():
            if key is None:
                units[base] = 1 << 31 | child
            else:
                place(child, base ^ key, key)

    place(tree, 0, 0)
    blob = b"".join(struct.pack("<I", unit) for unit in units)
    return struct.pack("<I", len(blob)) + blob + text


def compatible():
    """Some characters that the compatibility form of Unicode changes, and what SentencePiece does with white space."""
    rules = {"\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "\u2028": " ", "\u2003": " ", "\u200d": ""}
    codes = list(range(0xA1, 0x180)) + list(range(0x2100, 0x2150)) + list(range(0xFB00, 0xFB07)) + list(range(0xFF01, 0xFF5F))
    for code in codes:
        form = unicodedata.normalize("NFKC", chr(code))
        if form != chr(code):
            rules[chr(code)] = form
    for letter in "abcdefghijklmnopqrstuvwxyz":
        for mark in MARKS[:4]:
            form = unicodedata.normalize("NFKC", letter + mark)
            if form != letter + mark:
                rules[letter + mark] = form
    return rules


def byte_level(sample, splitting, special, vocabulary, normalizer=None, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = splitting
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False)
    tokenizer.train_from_iterator(sample.splitlines(keepends=True), trainer)
    return tokenizer


def rule(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def gpt2(sample):
    return byte_level(sample, pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"], 900)


def llama3(sample):
    tokenizer = byte_level(
        sample, rule(LLAMA3), ["<|begin_of_text|>", "<|end_of_text|>"], 1000, ignore_merges=True)
    # Words that are tokens but that no merges make.
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    for word in ["\u0120zebra", "quixotic", "\u0120\u00e4\u00b8\u0143", "aaaa"]:
        vocabulary[word] = len(vocabulary)
    tokenizer = Tokenizer.from_str(json.dumps(content))
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", begin)]),
    ])
    return tokenizer


def qwen2(sample):
    tokenizer = byte_level(sample, rule(QWEN2), ["<|endoftext|>", "<|im_start|>"], 1000, normalizers.NFC())
    tokenizer.add_tokens([
        AddedToken("<pad>", lstrip=True, rstrip=True, normalized=False),
        AddedToken("model", single_word=True, normalized=True),
        AddedToken("e\u0301t", normalized=True),
    ])
    return tokenizer


def llama2(sample):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    # Words for the training alone: afterwards a text is one word.
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(
        sample.splitlines(keepends=True),
        trainers.BpeTrainer(vocab_size=1100, special_tokens=special, limit_alphabet=220, show_progress=False))
    content = json.loads(tokenizer.to_str())
    content["pre_tokenizer"] = None
    content["added_tokens"] = [t for t in content["added_tokens"] if not t["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def mistral(sample):
    """As `llama2`, with a Metaspace before the first word alone, no fallback to bytes, and unknown characters apart."""
    content = json.loads(llama2(sample).to_str())
    content["normalizer"] = None
    content["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    content["model"]["byte_fallback"] = False
    content["model"]["fuse_unk"] = False
    return Tokenizer.from_str(json.dumps(content))


def t5(sample, fallback=False):
    tokenizer = Tokenizer(models.Unigram())
    table = base64.b64encode(charsmap(compatible())).decode()
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(base64.b64decode(table)), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "\u2581")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    if fallback:
        tokenizer.normalizer = normalizers.Precompiled(base64.b64decode(table))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    special = ["<pad>", "</s>", "<unk>"]
    if fallback:
        special += [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.UnigramTrainer(
        vocab_size=1000 if fallback else 800, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(sample.split("\n"), trainer)
    tokenizer.decoder = decoders.Metaspace()
    if fallback:
        content = json.loads(tokenizer.to_str())
        content["model"]["byte_fallback"] = True
        content["added_tokens"] = [t for t in content["added_tokens"] if not t["content"].startswith("<0x")]
        tokenizer = Tokenizer.from_str(json.dumps(content))
        tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    else:
        end = tokenizer.token_to_id("</s>")
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", end)])
    return tokenizer


# Texts of documents; the second has no token.
DOCUMENTS = ["The quick brown fox.", "", "\u4eca\u5929\u5929\u6c14\u5f88\u597d\n\"I'll\" \U0001f680", "a" * 300, " \t\n"]


def megatron(folder):
    """What Megatron-LM's tools/preprocess_data.py --append-eod makes of `documents.jsonl`."""
    sys.path.insert(0, folder)
    from megatron.core.datasets import indexed_dataset

    tokenizer = Tokenizer.from_file(os.path.join(ROOT, "gpt2.json"))
    end = tokenizer.token_to_id("<|endoftext|>")
    prefix = os.path.join(ROOT, "megatron")
    builder = indexed_dataset.IndexedDatasetBuilder(
        prefix + ".bin", dtype=indexed_dataset.DType.optimal_dtype(tokenizer.get_vocab_size()))
    for text in DOCUMENTS:
        ids = tokenizer.encode(text).ids
        if ids:
            ids.append(end)
        builder.add_document(ids, [len(ids)] if ids else [])
    builder.finalize(prefix + ".idx")


def main():
    sample = open(os.path.join(ROOT, "sample.txt"), encoding="utf-8", newline="").read()
    mixed = mixed_text(sample, 7, 1_000_000)
    # Every character of the first planes beside letters, and some beside numbers, after an apostrophe and at the end of a line.
    def some(codes):
        return [chr(code) for code in codes if not 0xD800 <= code < 0xE000]

    texts = {
        "mixed": mixed,
        "scalars": "".join(some(range(0x20000))) + "".join(some(range(0x20000, 0x110000, 61)))
        + "".join(f"a{c}b" for c in some(range(0x3400)))
        + "".join(f"1{c}'{c}x {c}\n{c}" for c in some(range(0, 0x20000, 5))),
    }
    sizes = {name: len(text.encode()) for name, text in texts.items()}
    found = {"tokenizers": tokenizers.__version__, "bytes": sizes, "rules": {}}
    makers = {
        "gpt2": gpt2, "llama3": llama3, "qwen2": qwen2, "llama2": llama2, "mistral": mistral, "t5": t5,
        "t5-bytes": lambda sample: t5(sample, fallback=True),
    }
    for name, make in makers.items():
        path = os.path.join(ROOT, f"{name}.json")
        # Training picks among equal scores as it comes: a file that is there stays, unless --train makes all anew.
        if "--train" in sys.argv or not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(json.loads(make(sample).to_str()), file, ensure_ascii=False, separators=(",", ":"))
                file.write("\n")
        tokenizer = Tokenizer.from_file(path)
        ids = tokenizer.encode(sample, add_special_tokens=False).ids
        # The package decodes added tokens through the alphabet for bytes, where they have other characters too.
        odd = [id for id, token in tokenizer.get_added_tokens_decoder().items() if not token.content.isascii()]
        plain = [id for id in ids if id not in odd]
        entry = {
            "sample": ids,
            "short": tokenizer.encode("Hello world").ids,
            "decoded": digest(list(tokenizer.decode(plain, skip_special_tokens=False).encode())),
        }
        for key, text in texts.items():
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            entry[key] = {"count": len(ids), "digest": digest(ids)}
        found["rules"][name] = entry
        print(name, tokenizer.get_vocab_size(), {key: entry[key]["count"] for key in texts})
    with open(os.path.join(ROOT, "documents.jsonl"), "w", encoding="utf-8") as file:
        for text in DOCUMENTS:
            file.write(json.dumps({"id": 1, "text": text}) + "\n")
    if "MEGATRON_LM" in os.environ:
        megatron(os.environ["MEGATRON_LM"])
    with open(os.path.join(ROOT, "ids.json"), "w", encoding="utf-8") as file:
        json.dump(found, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
