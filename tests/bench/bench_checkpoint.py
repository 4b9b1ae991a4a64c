#!/usr/bin/env python3
"""Writes checkpoints of random weights for benchmarks: Step3 layout for this engine, and a GGUF file of the same shapes for llama.cpp.

Usage: bench_checkpoint.py --preset S|M|tiny [--dtype bf16|fp8] [--gguf] --out FOLDER_OR_FILE
       bench_checkpoint.py --preset S --counts

Needs the PyPI packages numpy and, for --gguf, gguf. share_q_dim of the presets S and M is chosen so that the two factors of the query
projection have exactly the parameters of a plain one, share_q (hidden + heads * head_dim) = hidden * heads * head_dim; llama.cpp knows no
factored query, so its file (architecture step35: one key/value head, softmax router, shared expert, all of it as here) has the plain one and
does equal work.
"""
import argparse
import json
import math
import os
import struct
import zlib

import numpy as np

PRESETS = {
    "tiny": {"hidden": 256, "layers": 3, "heads": 4, "share_q": 128, "experts": 8, "expert_dim": 256, "dense_dim": 512, "vocab": 512},
    "S": {"hidden": 1024, "layers": 10, "heads": 12, "share_q": 768, "experts": 16, "expert_dim": 512, "dense_dim": 2048, "vocab": 16384},
    "M": {"hidden": 2048, "layers": 12, "heads": 24, "share_q": 1536, "experts": 24, "expert_dim": 1024, "dense_dim": 4096, "vocab": 32768},
}
HEAD_DIM, TOP_K, DENSE_LAYERS, BLOCK = 256, 3, 1, 128
CONTEXT = 65536


def tensors(p):
    """(name, shape, kind) of every tensor: "matrix" may be quantised, "plain" is a matrix in BF16, "norm" a vector of ones."""
    hidden, queries = p["hidden"], p["heads"] * HEAD_DIM
    yield "model.embed_tokens.weight", (p["vocab"], hidden), "plain"
    for layer in range(p["layers"]):
        at = f"model.layers.{layer}."
        yield at + "input_layernorm.weight", (hidden,), "norm"
        yield at + "self_attn.q_proj.weight", (p["share_q"], hidden), "matrix"
        yield at + "self_attn.k_proj.weight", (HEAD_DIM, hidden), "matrix"
        yield at + "self_attn.v_proj.weight", (HEAD_DIM, hidden), "matrix"
        yield at + "self_attn.inter_norm.weight", (p["share_q"],), "norm"
        yield at + "self_attn.wq.weight", (queries, p["share_q"]), "matrix"
        yield at + "self_attn.o_proj.weight", (hidden, queries), "matrix"
        yield at + "post_attention_layernorm.weight", (hidden,), "norm"
        if layer < DENSE_LAYERS:
            parts = [("mlp.", (), p["dense_dim"])]
        else:
            yield at + "moe.gate.weight", (p["experts"], hidden), "plain"
            parts = [("moe.", (p["experts"],), p["expert_dim"]), ("share_expert.", (), p["expert_dim"])]
        for part, lead, inner in parts:
            yield at + part + "gate_proj.weight", (*lead, inner, hidden), "matrix"
            yield at + part + "up_proj.weight", (*lead, inner, hidden), "matrix"
            yield at + part + "down_proj.weight", (*lead, hidden, inner), "matrix"
    yield "model.norm.weight", (hidden,), "norm"
    yield "lm_head.weight", (p["vocab"], hidden), "plain"


def blocks(size):
    return -(-size // BLOCK)


def byte_size(shape, kind, dtype):
    if dtype == "fp8" and kind == "matrix":
        return math.prod(shape) + 4 * math.prod(shape[:-2]) * blocks(shape[-2]) * blocks(shape[-1])
    return 2 * math.prod(shape)


def counts(p):
    """Parameters, and bytes that one decoded token reads: all but the embedding, TOP_K experts of each layer."""
    result = {"parameters": 0, "active_parameters": 0, "bf16_bytes_per_token": 0, "fp8_bytes_per_token": 0}
    for name, shape, kind in tensors(p):
        share = 0 if "embed_tokens" in name else TOP_K / p["experts"] if len(shape) == 3 else 1
        result["parameters"] += math.prod(shape)
        result["active_parameters"] += round(share * math.prod(shape))
        for dtype in ("bf16", "fp8"):
            result[f"{dtype}_bytes_per_token"] += round(share * byte_size(shape, kind, dtype))
    return result


def random_weights(name, shape):
    """N(0, 1 / columns), embeddings N(0, 1); the seed is the name, so that a tensor does not depend on the others."""
    values = np.random.Generator(np.random.SFC64(zlib.crc32(name.encode()))).standard_normal(shape, np.float32)
    return values if "embed_tokens" in name else values * np.float32(shape[-1] ** -0.5)


def to_bf16(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return (bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype(np.uint16)


def e4m3_table():
    """BF16 pattern -> nearest E4M3 code, saturating; ties to the even code."""
    codes = np.arange(127)
    exponent, mantissa = codes >> 3, codes & 7
    values = np.where(exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * 2.0 ** (exponent - 10.0))
    with np.errstate(invalid="ignore"):
        positive = (np.arange(0x8000, dtype=np.uint32) << 16).view(np.float32).astype(np.float64)
        positive = np.where(np.isfinite(positive), np.minimum(positive, 448), 448)
    upper = np.clip(np.searchsorted(values, positive), 1, 126)
    below, above = positive - values[upper - 1], values[upper] - positive
    nearest = np.where((below > above) | ((below == above) & (upper % 2 == 0)), upper, upper - 1).astype(np.uint8)
    return np.concatenate([nearest, nearest | 0x80])


def to_fp8(values, table):
    """Codes and the inverse scale of each 128 x 128 block."""
    *lead, rows, columns = values.shape
    padded = np.zeros((math.prod(lead), blocks(rows) * BLOCK, blocks(columns) * BLOCK), np.float32)
    padded[:, :rows, :columns] = values.reshape(-1, rows, columns)
    tiles = padded.reshape(-1, blocks(rows), BLOCK, blocks(columns), BLOCK)
    scales = np.maximum(np.abs(tiles).max(axis=(2, 4)), 1e-12) / np.float32(448)
    tiles /= scales[:, :, None, :, None]
    codes = table[to_bf16(padded)][:, :rows, :columns].reshape(values.shape)
    return codes, scales.astype(np.float32).reshape(*lead, blocks(rows), blocks(columns))


def config(p, dtype):
    result = {
        "architectures": ["Step3TextForCausalLM"], "model_type": "step3_text", "hidden_size": p["hidden"], "intermediate_size": p["dense_dim"],
        "num_attention_heads": p["heads"], "num_attention_groups": 1, "num_hidden_layers": p["layers"], "head_dim": HEAD_DIM,
        "share_q_dim": p["share_q"], "moe_num_experts": p["experts"], "moe_top_k": TOP_K, "moe_intermediate_size": p["expert_dim"],
        "share_expert_dim": p["expert_dim"], "norm_expert_weight": False,
        "moe_layers_enum": ",".join(str(layer) for layer in range(DENSE_LAYERS, p["layers"])), "vocab_size": p["vocab"], "rms_norm_eps": 1e-5,
        "rope_theta": 500000, "max_seq_len": CONTEXT, "max_position_embedding": CONTEXT, "bos_token_id": 0, "eos_token_id": 1,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    }
    if dtype == "fp8":
        result["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [BLOCK, BLOCK]}
    return result


def tokenizer():
    """A tokenizer of single bytes, so that the folder is a whole model. GPT-2's printable character for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    characters = {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}
    special = ["<｜begin▁of▁sentence｜>", "<|EOT|>", "<|BOT|>", "<think>", "</think>"]
    return {
        "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": i < 3} for i, t in enumerate(special)],
        "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {characters[b]: len(special) + b for b in range(256)}, "merges": []},
    }


def write_checkpoint(p, dtype, folder):
    """One safetensors file, written tensor by tensor."""
    os.makedirs(folder, exist_ok=True)
    header, offset = {}, 0
    for name, shape, kind in tensors(p):
        quantised = dtype == "fp8" and kind == "matrix"
        parts = [(name, "F8_E4M3" if quantised else "BF16", shape, math.prod(shape) * (1 if quantised else 2))]
        if quantised:
            scales = (*shape[:-2], blocks(shape[-2]), blocks(shape[-1]))
            parts.append((name + "_scale_inv", "F32", scales, 4 * math.prod(scales)))
        for part, kind_name, part_shape, size in parts:
            header[part] = {"dtype": kind_name, "shape": list(part_shape), "data_offsets": [offset, offset + size]}
            offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    table = e4m3_table() if dtype == "fp8" else None
    path = os.path.join(folder, "model.safetensors")
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape, kind in tensors(p):
            if kind == "norm":
                file.write(np.full(shape, 0x3F80, np.uint16).tobytes())
            elif dtype == "fp8" and kind == "matrix":
                for part in to_fp8(random_weights(name, shape), table):
                    part.tofile(file)
            else:
                to_bf16(random_weights(name, shape)).tofile(file)
    for name, content in (("config.json", config(p, dtype)), ("tokenizer.json", tokenizer())):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
    os.replace(path + ".part", path)  # last: a folder with this file is complete


# Name here -> name in a GGUF file.
GGUF_NAMES = {
    "input_layernorm": "attn_norm", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "moe.gate": "ffn_gate_inp", "moe.gate_proj": "ffn_gate_exps", "moe.up_proj": "ffn_up_exps", "moe.down_proj": "ffn_down_exps",
    "share_expert.gate_proj": "ffn_gate_shexp", "share_expert.up_proj": "ffn_up_shexp", "share_expert.down_proj": "ffn_down_shexp",
}


def write_gguf(p, path):
    """BF16 with norms and router in F32, as llama.cpp converts models."""
    import gguf

    writer = gguf.GGUFWriter(path + ".part", "step35")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(p["hidden"])
    writer.add_block_count(p["layers"])
    writer.add_feed_forward_length(p["dense_dim"])
    writer.add_head_count(p["heads"])
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_freq_base(500000.0)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_expert_count(p["experts"])
    writer.add_expert_used_count(TOP_K)
    writer.add_expert_feed_forward_length(p["expert_dim"])
    writer.add_expert_shared_feed_forward_length(p["expert_dim"])
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SOFTMAX)
    writer.add_expert_weights_norm(False)
    writer.add_sliding_window(CONTEXT)
    # llama.cpp wants one layer at least with a window; this one is longer than any benchmark.
    writer.add_array("step35.attention.sliding_window_pattern", [True] + [False] * (p["layers"] - 1))
    writer.add_vocab_size(p["vocab"])
    writer.add_tokenizer_model("no_vocab")
    names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
    listed = []
    for name, shape, kind in tensors(p):
        if "q_proj" in name or "inter_norm" in name:
            continue
        if name in names:
            target = names[name]
        else:
            _, _, layer, rest = name.split(".", 3)
            rest = rest.removesuffix(".weight")
            target = f"blk.{layer}.{'attn_q' if rest == 'self_attn.wq' else GGUF_NAMES[rest]}.weight"
        if target.endswith("attn_q.weight"):
            shape = (shape[0], p["hidden"])
        full = kind == "norm" or target.endswith("ffn_gate_inp.weight")
        listed.append((name, target, shape, kind, full))
        if full:
            writer.add_tensor_info(target, shape, np.dtype(np.float32), 4 * math.prod(shape))
        else:
            writer.add_tensor_info(target, (*shape[:-1], 2 * shape[-1]), np.dtype(np.uint8), 2 * math.prod(shape), gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, _, shape, kind, full in listed:
        values = np.ones(shape, np.float32) if kind == "norm" else random_weights(name, shape)
        writer.write_tensor_data(values if full else to_bf16(values).view(np.uint8))
    writer.close()
    os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, required=True)
    parser.add_argument("--dtype", choices=["bf16", "fp8"], default="bf16")
    parser.add_argument("--gguf", action="store_true", help="a GGUF file (always BF16) instead of a checkpoint folder")
    parser.add_argument("--counts", action="store_true", help="print parameter and byte counts and stop")
    parser.add_argument("--out")
    args = parser.parse_args()
    preset = PRESETS[args.preset]
    if args.counts or not args.out:
        print(json.dumps(counts(preset), indent=1))
    elif args.gguf:
        write_gguf(preset, args.out)
    else:
        write_checkpoint(preset, args.dtype, args.out)


if __name__ == "__main__":
    main()
