"""Write a joint checkpoint as a Step3 model folder (BF16 safetensors, configs, tokenizer), and read it back.

python export.py runs/joint/final.pt runs/tok.model OUT_DIR [--fp8]

A checkpoint of mtp.py also gives mtp.safetensors: the multi-token prediction module as the layer after the
last one, named as in DeepSeek-V3 checkpoints (enorm, hnorm, eh_proj, shared_head.norm, the layer itself).
"""

import argparse
import json
import os
import shutil

import torch
from safetensors.torch import load_file, save_file

from model import Config, Step3Mini
from tokenizer import BOS, Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_LENGTH = 2048


def configs(c, tok):
    """-> {file name: content} of the JSON files."""
    eos = [tok.eot]
    text = dict(
        architectures=["Step3TextForCausalLM"],
        model_type="step3_text",
        hidden_size=c.hidden_size,
        intermediate_size=c.intermediate_size,
        num_attention_heads=c.num_attention_heads,
        num_attention_groups=1,
        num_hidden_layers=c.num_hidden_layers,
        max_seq_len=MAX_LENGTH,
        max_position_embedding=MAX_LENGTH,
        vocab_size=c.vocab_size,
        rms_norm_eps=c.rms_norm_eps,
        moe_intermediate_size=c.moe_intermediate_size,
        moe_num_experts=c.moe_num_experts,
        moe_top_k=c.moe_top_k,
        rope_theta=c.rope_theta,
        rope_scaling=None,
        share_expert_dim=c.share_expert_dim,
        share_q_dim=c.share_q_dim,
        head_dim=c.head_dim,
        norm_expert_weight=False,
        hidden_act="silu",
        moe_layers_enum=",".join(str(i) for i in range(c.first_dense, c.num_hidden_layers)),
    )
    vision = dict(
        model_type="step3_vision_encoder",
        hidden_size=c.v_hidden,
        intermediate_size=c.v_inter,
        output_hidden_size=c.v_out,
        num_hidden_layers=c.v_layers,
        num_attention_heads=c.v_heads,
        num_channels=3,
        image_size=c.image_size,
        patch_size=c.patch_size,
        hidden_act="quick_gelu",
        layer_norm_eps=c.layer_norm_eps,
        enable_patch=False,
    )
    with open(os.path.join(HERE, "chat_template.jinja"), encoding="utf-8") as f:
        template = f.read()
    return {
        "config.json": dict(
            architectures=["Step3VLForConditionalGeneration"],
            model_type="step3_vl",
            torch_dtype="bfloat16",
            image_token_id=tok.im_patch,
            bos_token_id=tok.bos,
            eos_token_id=eos,
            pad_token_id=0,
            understand_projector_stride=2,
            projector_bias=False,
            tie_word_embeddings=False,
            text_config=text,
            vision_config=vision,
        ),
        "generation_config.json": dict(
            do_sample=False, bos_token_id=tok.bos, eos_token_id=eos, pad_token_id=0, max_new_tokens=256
        ),
        "preprocessor_config.json": dict(
            image_size=c.image_size,
            patch_size=c.image_size,
            num_image_feature_size=c.image_tokens,
            num_patch_feature_size=c.image_tokens,
            enable_patch=False,
            image_mean=[0.48145466, 0.4578275, 0.40821073],
            image_std=[0.26862954, 0.26130258, 0.27577711],
        ),
        "tokenizer_config.json": dict(
            tokenizer_class="LlamaTokenizer",
            bos_token=BOS,
            eos_token="<|EOT|>",
            pad_token="<unk>",
            unk_token="<unk>",
            add_bos_token=False,
            add_eos_token=False,
            legacy=False,
            clean_up_tokenization_spaces=False,
            model_max_length=MAX_LENGTH,
            chat_template=template,
        ),
    }


def load_model(folder):
    """A Step3 model folder -> (model in float32 with the BF16 values, tokenizer)."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        j = json.load(f)
    t, v = j["text_config"], j["vision_config"]
    c = Config(
        vocab_size=t["vocab_size"],
        hidden_size=t["hidden_size"],
        num_hidden_layers=t["num_hidden_layers"],
        num_attention_heads=t["num_attention_heads"],
        head_dim=t["head_dim"],
        share_q_dim=t["share_q_dim"],
        intermediate_size=t["intermediate_size"],
        moe_num_experts=t["moe_num_experts"],
        moe_top_k=t["moe_top_k"],
        moe_intermediate_size=t["moe_intermediate_size"],
        share_expert_dim=t["share_expert_dim"],
        first_dense=int(t["moe_layers_enum"].split(",")[0]),
        rope_theta=t["rope_theta"],
        rms_norm_eps=t["rms_norm_eps"],
        image_size=v["image_size"],
        patch_size=v["patch_size"],
        v_hidden=v["hidden_size"],
        v_layers=v["num_hidden_layers"],
        v_heads=v["num_attention_heads"],
        v_inter=v["intermediate_size"],
        v_out=v["output_hidden_size"],
        layer_norm_eps=v["layer_norm_eps"],
    )
    m = Step3Mini(c)
    m.load_state_dict(
        {k: x.float() for k, x in load_file(os.path.join(folder, "model.safetensors")).items()}
    )
    return m.eval(), Tokenizer(os.path.join(folder, "tokenizer.model"))


BLOCK = 128
FP8_MAX = 448.0


def is_linear(name):
    """Weights that the block-FP8 format quantises: text layers without norms and router."""
    return name.startswith("model.layers.") and "norm" not in name and ".gate.weight" not in name


def block_fp8(w):
    """[..., out, in] -> (e4m3 weight, float32 scale of every 128 x 128 block, partial blocks included)."""
    o, i = w.shape[-2:]
    lead, bo, bi = w.shape[:-2], -(-o // BLOCK), -(-i // BLOCK)
    x = torch.nn.functional.pad(w.float(), (0, bi * BLOCK - i, 0, bo * BLOCK - o))
    x = x.view(*lead, bo, BLOCK, bi, BLOCK)
    scale = x.abs().amax((-3, -1)).clamp(min=1e-10) / FP8_MAX
    q = (x / scale[..., :, None, :, None]).reshape(*lead, bo * BLOCK, bi * BLOCK)[..., :o, :i]
    return q.to(torch.float8_e4m3fn).contiguous(), scale


def quantised(sd):
    """BF16 tensors -> the same with block-FP8 linear weights and their scales."""
    out = {}
    for k, v in sd.items():
        if is_linear(k):
            out[k], out[k + "_scale_inv"] = block_fp8(v)
        else:
            out[k] = v
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("checkpoint")
    p.add_argument("tokenizer")
    p.add_argument("out")
    p.add_argument("--fp8", action="store_true", help="block-FP8 linear weights")
    a = p.parse_args()
    out = a.out
    ck = torch.load(a.checkpoint, weights_only=False)
    tok = Tokenizer(a.tokenizer)
    os.makedirs(out, exist_ok=True)
    sd = {k: v.to(torch.bfloat16).contiguous() for k, v in ck["model"].items()}
    files = configs(Config(**ck["config"]), tok)
    if a.fp8:
        files["config.json"]["quantization_config"] = dict(
            quant_method="fp8", fmt="e4m3", activation_scheme="dynamic", weight_block_size=[BLOCK, BLOCK]
        )
    path = os.path.join(out, "model.safetensors")
    save_file(quantised(sd) if a.fp8 else sd, path, metadata={"format": "pt"})
    if "mtp" in ck:
        mtp = {f"model.layers.{k}": v.to(torch.bfloat16).contiguous() for k, v in ck["mtp"].items()}
        save_file(mtp, os.path.join(out, "mtp.safetensors"), metadata={"format": "pt"})
    shutil.copy(a.tokenizer, os.path.join(out, "tokenizer.model"))
    for name, content in files.items():
        with open(os.path.join(out, name), "w", encoding="utf-8") as f:
            json.dump(content, f, indent=2, ensure_ascii=False)
            f.write("\n")
    if not a.fp8:
        back = load_model(out)[0].state_dict()
        assert set(back) == set(sd) and all(torch.equal(back[k], v.float()) for k, v in sd.items())
    n = sum(v.numel() for v in sd.values())
    vision = sum(v.numel() for k, v in sd.items() if k.startswith("vi"))
    print(
        f"{len(sd)} tensors, {n} parameters ({vision} vision), "
        f"{os.path.getsize(path)} bytes"
    )


if __name__ == "__main__":
    main()
