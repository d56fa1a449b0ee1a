#!/usr/bin/env python3
"""Writes Tests/Goldens/generation.json: the tokens that transformers' generate (do_sample=False) continues prompts with, for the tiny
models of bench/pytorch/huggingface_golden.py, whose weights follow from formulas.

Each prompt is continued on its own. `margin` is the least distance between the two largest logits of any step: a sum in another order
does not change a token while it stays far below that.

    scripts/generation_golden.py        needs torch and transformers"""
import json
import os
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "bench", "pytorch"))
import golden
import huggingface_golden as models
import torch
import transformers

LENGTHS, TOKENS = [1, 5, 12], 18


def continued(model, prompt):
    ids = torch.tensor([prompt])
    made = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS, use_cache=True,
        return_dict_in_generate=True, output_logits=True, pad_token_id=0)
    margin = min((row[0].topk(2).values[0] - row[0].topk(2).values[1]).item() for row in made.logits)
    return made.sequences[0, len(prompt):].tolist(), margin


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    text = golden.formula_text(200)
    prompts = [text[20 * number : 20 * number + length] for number, length in enumerate(LENGTHS)]
    found, least = {}, 1e9
    for name, (kind, values) in models.CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            model, _ = models.stored(transformers.AutoModelForCausalLM.from_config(kind(**values)), folder)
            answers = [continued(model, prompt) for prompt in prompts]
            found[name] = [answer for answer, _ in answers]
            least = min(least, min(margin for _, margin in answers))
    result = dict(
        about="Written by scripts/generation_golden.py.", torch=torch.__version__, transformers=transformers.__version__,
        margin=round(least, 6), prompts=prompts, models=found)
    path = os.path.join(ROOT, "Tests", "Goldens", "generation.json")
    with open(path, "w") as file:
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(answers)}" for name, answers in found.items())
        head = ",\n".join(
            f" {json.dumps(key)}: {json.dumps(value)}" for key, value in result.items() if key != "models")
        file.write("{\n" + head + ',\n "models": {\n' + rows + "\n }\n}\n")
    print("wrote", os.path.normpath(path), "least margin", least)


if __name__ == "__main__":
    main()
