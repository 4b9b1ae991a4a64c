#!/usr/bin/env python3
"""Writes a checkpoint of Step3's full size (321 billion parameters, block FP8, 326 GB) as sparse files that take no room on disk, and tries
whether the program can handle it: time and memory to open, the sizes it reports, and a token generated with the weights mapped.

Usage: sparse_full_size.py FOLDER [--step3 BINARY] [--token]

All weights are zero, so that the token means nothing; that it comes, within the memory of this machine, is the point. Reading a hole costs no
disk time: the time of the token is that of the arithmetic, not that of a disk.
"""
import argparse
import json
import math
import os
import re
import struct
import subprocess
import sys
import time

from bench_checkpoint import BLOCK, blocks, tokenizer

TEXT = {
    "hidden_size": 7168, "intermediate_size": 18432, "num_attention_heads": 64, "num_attention_groups": 1, "num_hidden_layers": 61,
    "max_seq_len": 65536, "max_position_embedding": 65536, "vocab_size": 128815, "rms_norm_eps": 1e-5, "moe_intermediate_size": 5120,
    "moe_num_experts": 48, "moe_top_k": 3, "rope_theta": 500000.0, "rope_scaling": None, "share_expert_dim": 5120, "share_q_dim": 2048,
    "head_dim": 256, "norm_expert_weight": False, "moe_layers_enum": ",".join(map(str, range(4, 60))), "model_type": "step3_text",
    "architectures": ["Step3TextForCausalLM"],
}
VISION = {
    "model_type": "step3_vision_encoder", "hidden_size": 1792, "intermediate_size": 15360, "output_hidden_size": 4096, "num_hidden_layers": 63,
    "num_attention_heads": 16, "num_channels": 3, "image_size": 728, "patch_size": 14, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-6,
}
PREPROCESSOR = {"image_size": 728, "patch_size": 504, "num_image_feature_size": 169, "num_patch_feature_size": 81, "enable_patch": True}
SPECIAL = {
    "<｜begin▁of▁sentence｜>": 0, "<｜end▁of▁sentence｜>": 1, "<im_start>": 128000, "<im_patch>": 128001, "<im_end>": 128002, "<patch_start>": 128003,
    "<patch_newline>": 128004, "<patch_end>": 128005, "<think>": 128798, "</think>": 128799, "<|BOT|>": 128804, "<|EOT|>": 128805,
}
TEMPLATE = "{{ bos_token }}{% for m in messages %}<|BOT|>{{ m.role }}\n{{ m.content }}<|EOT|>{% endfor %}<|BOT|>assistant\n"


def text_layer(layer):
    """(name, shape, quantised) of one layer."""
    hidden, queries, at = TEXT["hidden_size"], TEXT["num_attention_heads"] * TEXT["head_dim"], f"model.layers.{layer}."
    yield at + "input_layernorm.weight", (hidden,), False
    yield at + "post_attention_layernorm.weight", (hidden,), False
    yield at + "self_attn.q_proj.weight", (TEXT["share_q_dim"], hidden), True
    yield at + "self_attn.k_proj.weight", (TEXT["head_dim"], hidden), True
    yield at + "self_attn.v_proj.weight", (TEXT["head_dim"], hidden), True
    yield at + "self_attn.inter_norm.weight", (TEXT["share_q_dim"],), False
    yield at + "self_attn.wq.weight", (queries, TEXT["share_q_dim"]), True
    yield at + "self_attn.o_proj.weight", (hidden, queries), True
    if str(layer) in TEXT["moe_layers_enum"].split(","):
        yield at + "moe.gate.weight", (TEXT["moe_num_experts"], hidden), False
        parts = [("moe.", (TEXT["moe_num_experts"],), TEXT["moe_intermediate_size"]), ("share_expert.", (), TEXT["share_expert_dim"])]
    else:
        parts = [("mlp.", (), TEXT["intermediate_size"])]
    for part, lead, inner in parts:
        yield at + part + "gate_proj.weight", (*lead, inner, hidden), True
        yield at + part + "up_proj.weight", (*lead, inner, hidden), True
        yield at + part + "down_proj.weight", (*lead, hidden, inner), True


def vision():
    c, inner, grid, wide = VISION["hidden_size"], VISION["intermediate_size"], VISION["image_size"] // VISION["patch_size"], VISION["output_hidden_size"]
    at = "vision_model.embeddings."
    yield at + "class_embedding", (1, c), False
    yield at + "patch_embedding.weight", (c, 3, VISION["patch_size"], VISION["patch_size"]), False
    yield at + "patch_embedding.bias", (c,), False
    yield at + "position_embedding.weight", (1 + grid * grid, c), False
    for layer in range(VISION["num_hidden_layers"]):
        at = f"vision_model.transformer.layers.{layer}."
        for name, rows, columns in (("self_attn.qkv_proj", 3 * c, c), ("self_attn.out_proj", c, c), ("mlp.fc1", inner, c), ("mlp.fc2", c, inner)):
            yield at + name + ".weight", (rows, columns), False
            yield at + name + ".bias", (rows,), False
        for name in ("layer_norm1", "layer_norm2"):
            yield at + name + ".weight", (c,), False
            yield at + name + ".bias", (c,), False
    for name, shape in (("vit_downsampler", (wide, c, 2, 2)), ("vit_downsampler2", (2 * wide, wide, 3, 3)), ("vit_large_projector", (TEXT["hidden_size"], 2 * wide))):
        yield name + ".weight", shape, False
        yield name + ".bias", shape[:1], False


def shards():
    table = (TEXT["vocab_size"], TEXT["hidden_size"])
    yield [("model.embed_tokens.weight", table, False)]
    for layer in range(TEXT["num_hidden_layers"]):
        yield list(text_layer(layer))
    yield [("model.norm.weight", (TEXT["hidden_size"],), False), ("lm_head.weight", table, False)]
    yield list(vision())


def write(folder):
    """Returns the bytes of all tensors and the number of parameters, scales not counted."""
    os.makedirs(folder, exist_ok=True)
    listed = list(shards())
    weight_map, total, parameters = {}, 0, 0
    for number, shard in enumerate(listed, 1):
        name = f"model-{number:05d}-of-{len(listed):05d}.safetensors"
        header, offset = {}, 0
        for tensor, shape, quantised in shard:
            parts = [(tensor, "F8_E4M3" if quantised else "BF16", shape, 1 if quantised else 2)]
            if quantised:
                parts.append((tensor + "_scale_inv", "F32", (*shape[:-2], blocks(shape[-2]), blocks(shape[-1])), 4))
            for part, dtype, part_shape, width in parts:
                size = width * math.prod(part_shape)
                header[part] = {"dtype": dtype, "shape": list(part_shape), "data_offsets": [offset, offset + size]}
                weight_map[part] = name
                offset += size
            parameters += math.prod(shape)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + offset)  # a hole
        total += offset
    words = tokenizer()
    words["added_tokens"] = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} for t, i in SPECIAL.items()]
    words["model"]["vocab"] = {character: 10 + i for i, character in enumerate(words["model"]["vocab"])}
    config = {
        "architectures": ["Step3VLForConditionalGeneration"], "model_type": "step3_vl", "image_token_id": SPECIAL["<im_patch>"], "bos_token_id": 0,
        "eos_token_id": SPECIAL["<|EOT|>"], "understand_projector_stride": 2, "projector_bias": True, "tie_word_embeddings": False,
        "torch_dtype": "bfloat16", "text_config": TEXT, "vision_config": VISION,
        "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [BLOCK, BLOCK]},
    }
    tokens = {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<|EOT|>", "chat_template": TEMPLATE}
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    for name, content in (("config.json", config), ("preprocessor_config.json", PREPROCESSOR), ("tokenizer.json", words),
                          ("tokenizer_config.json", tokens), ("model.safetensors.index.json", index)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
    return total, parameters


def timed(command):
    """Output, wall seconds and the largest resident size in MiB of one child process; weights are mapped."""
    start = time.monotonic()
    with subprocess.Popen(command, env={**os.environ, "STEP3_LOAD": "mmap"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - start
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {child.returncode}: {output.strip()[-500:]}")
    return output, wall, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--step3", help="the program to try")
    parser.add_argument("--token", action="store_true", help="generate one token too")
    args = parser.parse_args()
    total, parameters = write(args.folder)
    files = [os.stat(os.path.join(args.folder, name)) for name in os.listdir(args.folder) if name.endswith(".safetensors")]
    print(f"{args.folder}: {parameters} parameters, {total} bytes of tensors in {len(files)} shards; {sum(f.st_blocks for f in files) * 512} bytes on disk")
    if not args.step3:
        return
    output, wall, rss = timed([args.step3, "inspect", "--json", "--model", args.folder])
    found = re.search(rf"\b{total}\b", output) is not None and re.search(rf"\b{parameters}\b", output) is not None
    print(f"inspect: {wall:.2f} s, {rss:.0f} MiB resident, sizes {'exact' if found else 'WRONG: ' + output[:800]}")
    if args.token:
        output, wall, rss = timed([args.step3, "chat", "--model", args.folder, "--max-tokens", "1", "--prompt", "Hello"])
        print(f"chat, one token: {wall:.1f} s, {rss:.0f} MiB resident at most (mapped weights that were read count until they are dropped): {output.strip()[:200]!r}")
    sys.exit(0 if found else 1)


if __name__ == "__main__":
    main()
