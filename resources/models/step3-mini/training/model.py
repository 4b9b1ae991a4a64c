"""The Step3 architecture at small scale. Module names are the checkpoint's tensor names."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    """Sizes of the model; the text part has one dense layer first, MoE layers after it."""

    vocab_size: int = 2048
    hidden_size: int = 256
    num_hidden_layers: int = 5
    num_attention_heads: int = 8
    head_dim: int = 32
    share_q_dim: int = 128
    intermediate_size: int = 512
    moe_num_experts: int = 8
    moe_top_k: int = 3
    moe_intermediate_size: int = 128
    share_expert_dim: int = 192
    first_dense: int = 1
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5
    image_size: int = 224
    patch_size: int = 8
    v_hidden: int = 192
    v_layers: int = 6
    v_heads: int = 8
    v_inter: int = 384
    v_out: int = 192
    layer_norm_eps: float = 1e-5

    @property
    def grid(self):
        return self.image_size // self.patch_size

    @property
    def image_tokens(self):
        half = (self.grid - 2) // 2 + 1
        return ((half - 1) // 2 + 1) ** 2


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight, self.eps)


def rope(x, cos, sin):
    """Rotate halves: x [B, H, T, D], cos and sin [B, 1, T, D / 2]."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


@dataclass
class Packed:
    """Training layout: rows [1, N, hidden] hold all tokens of a batch one after another, without padding.

    A segment is a prefix or one branch; a branch also reads the keys of its prefix. Segments of similar
    length form a group (q, kv, mask). q [G, S]: token index of each place; kv [G, P + S]: token index
    of the keys (prefix, then the segment itself); mask [G, S, 1, P + S]: 0 or a large negative number.
    back [N]: where the result of each token stands among the places of all groups.
    """

    groups: list
    back: torch.Tensor


class Attention(nn.Module):
    """Multi-matrix factorization attention: low-rank query, many query heads on one K and one V head."""

    def __init__(self, c):
        super().__init__()
        self.heads, self.dim = c.num_attention_heads, c.head_dim
        self.q_proj = nn.Linear(c.hidden_size, c.share_q_dim, bias=False)
        self.inter_norm = RMSNorm(c.share_q_dim, c.rms_norm_eps)
        self.wq = nn.Linear(c.share_q_dim, self.heads * self.dim, bias=False)
        self.k_proj = nn.Linear(c.hidden_size, self.dim, bias=False)
        self.v_proj = nn.Linear(c.hidden_size, self.dim, bias=False)
        self.o_proj = nn.Linear(self.heads * self.dim, c.hidden_size, bias=False)

    def forward(self, x, cos, sin, mask, cache=None):
        """x [B, T, hidden]; mask broadcastable to [B, H, T, S]; cache: list, filled with k and v in place.
        """
        b, t, _ = x.shape
        q = self.wq(self.inter_norm(self.q_proj(x))).view(b, t, self.heads, self.dim).transpose(1, 2)
        k, v = self.k_proj(x).unsqueeze(1), self.v_proj(x).unsqueeze(1)
        q, k = rope(q, cos, sin).to(v.dtype), rope(k, cos, sin).to(v.dtype)
        if isinstance(mask, Packed):
            return self.o_proj(self.packed(q[0], k[0, 0], v[0, 0], mask).unsqueeze(0))
        if cache is not None:
            if cache:
                k, v = torch.cat((cache[0], k), 2), torch.cat((cache[1], v), 2)
            cache[:] = [k, v]
        k, v = (z.expand(-1, self.heads, -1, -1) for z in (k, v))
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.o_proj(o.transpose(1, 2).reshape(b, t, -1))

    def packed(self, q, k, v, layout):
        """q [H, N, D], k and v [N, D] -> [N, H * D], see Packed. Heads share k, so they are folded into
        the rows.
        """
        h, d = self.heads, self.dim
        q = (q * d**-0.5).transpose(0, 1).reshape(-1, h * d)
        out = []
        for qi, kvi, mask in layout.groups:
            g, s = qi.shape
            qg = q.index_select(0, qi.flatten()).view(g, s * h, d)
            kg, vg = (z.index_select(0, kvi.flatten()).view(g, -1, d) for z in (k, v))
            score = torch.bmm(qg, kg.transpose(1, 2)).view(g, s, h, -1).add_(mask)
            p = score.softmax(-1).to(v.dtype).view(g, s * h, -1)
            out.append(torch.bmm(p, vg).view(g * s, h * d))
        return torch.cat(out).index_select(0, layout.back)


class MLP(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.gate_proj = nn.Linear(dim, inner, bias=False)
        self.up_proj = nn.Linear(dim, inner, bias=False)
        self.down_proj = nn.Linear(inner, dim, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Weight(nn.Module):
    """A bare weight tensor, so that the name ends in `.weight`."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(*shape) * shape[-1] ** -0.5)


class MoE(nn.Module):
    """Softmax router, top-k experts without renormalisation; `balance` holds the load-balance loss in
    training.
    """

    def __init__(self, c):
        super().__init__()
        e, d, i = c.moe_num_experts, c.hidden_size, c.moe_intermediate_size
        self.k, self.e = c.moe_top_k, e
        self.gate = nn.Linear(d, e, bias=False)
        self.gate_proj, self.up_proj, self.down_proj = Weight(e, i, d), Weight(e, i, d), Weight(e, d, i)
        self.balance = 0.0

    def forward(self, x):
        shape = x.shape
        x = x.reshape(-1, shape[-1])
        p = F.linear(x.float(), self.gate.weight.float()).softmax(-1)
        w, idx = p.topk(self.k, -1)
        flat = idx.reshape(-1)
        count = torch.bincount(flat, minlength=self.e)
        if self.training:
            self.balance = self.e * (count / len(flat) * p.mean(0)).sum()
        order = flat.argsort(stable=True)
        expert, token = flat[order], order // self.k
        # one batch of equal size per expert; the size is rounded up so that few different shapes occur
        size = -(-int(count.max()) // 128) * 128 if len(flat) > 512 else int(count.max())
        slot = expert * size + torch.arange(len(flat), device=x.device) - (count.cumsum(0) - count)[expert]
        source = torch.zeros(self.e * size, dtype=torch.long, device=x.device).scatter_(0, slot, token)
        xe = x.index_select(0, source).view(self.e, size, -1)
        h = F.silu(torch.bmm(xe, self.gate_proj.weight.mT)) * torch.bmm(xe, self.up_proj.weight.mT)
        y = torch.bmm(h, self.down_proj.weight.mT).view(self.e * size, -1).index_select(0, slot)
        y = y * w.reshape(-1).index_select(0, order).unsqueeze(-1).to(y.dtype)
        return torch.zeros(x.shape, dtype=y.dtype, device=x.device).index_add(0, token, y).view(shape)


class Layer(nn.Module):
    def __init__(self, c, index):
        super().__init__()
        self.self_attn = Attention(c)
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.sparse = index >= c.first_dense
        if self.sparse:
            self.moe, self.share_expert = MoE(c), MLP(c.hidden_size, c.share_expert_dim)
        else:
            self.mlp = MLP(c.hidden_size, c.intermediate_size)

    def forward(self, x, *args):
        x = x + self.self_attn(self.input_layernorm(x), *args)
        h = self.post_attention_layernorm(x)
        return x + (self.share_expert(h) + self.moe(h) if self.sparse else self.mlp(h))


class TextModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        nn.init.normal_(self.embed_tokens.weight, std=0.2)
        self.layers = nn.ModuleList(Layer(c, i) for i in range(c.num_hidden_layers))
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)


class MTP(nn.Module):
    """Multi-token prediction, one module: from the trunk's output at t and the embedding of t + 1 it
    predicts the token at t + 2. Embeddings and lm_head are those of the model.
    """

    def __init__(self, c):
        super().__init__()
        self.enorm, self.hnorm = (RMSNorm(c.hidden_size, c.rms_norm_eps) for _ in range(2))
        self.eh_proj = nn.Linear(2 * c.hidden_size, c.hidden_size, bias=False)
        self.layer = Layer(c, -1)  # dense
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)

    def forward(self, h, after, *args):
        """h [B, T, hidden]; after: embeddings of the next tokens, same shape -> input of lm_head."""
        x = self.eh_proj(torch.cat((self.enorm(after), self.hnorm(h)), -1))
        return self.norm(self.layer(x, *args))


class VisionAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv_proj, self.out_proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv_proj(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))


class VisionMLP(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, inner), nn.Linear(inner, dim)

    def forward(self, x):
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x))


class VisionLayer(nn.Module):
    """Residual post-norm: the LayerNorm is applied to the output of the branch."""

    def __init__(self, c):
        super().__init__()
        d = c.v_hidden
        self.layer_norm1 = nn.LayerNorm(d, c.layer_norm_eps)
        self.layer_norm2 = nn.LayerNorm(d, c.layer_norm_eps)
        self.self_attn, self.mlp = VisionAttention(d, c.v_heads), VisionMLP(d, c.v_inter)

    def forward(self, x):
        x = x + self.layer_norm1(self.self_attn(x))
        return x + self.layer_norm2(self.mlp(x))


class VisionEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c.v_hidden
        self.class_embedding = nn.Parameter(torch.randn(1, d) * 0.02)
        self.patch_embedding = nn.Conv2d(3, d, c.patch_size, c.patch_size)
        self.position_embedding = nn.Embedding(c.grid**2 + 1, d)

    def forward(self, x):
        """[B, 3, S, S] -> [B, 4 + grid * grid, width]; Step3 repeats the class row four times."""
        table = self.position_embedding.weight
        x = self.patch_embedding(x).flatten(2).transpose(1, 2) + table[1:]
        return torch.cat(((self.class_embedding + table[:1]).expand(len(x), 4, -1), x), 1)


class Vision(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embeddings = VisionEmbeddings(c)
        self.transformer = nn.ModuleDict(
            {"layers": nn.ModuleList(VisionLayer(c) for _ in range(c.v_layers))}
        )

    def forward(self, x):
        x = self.embeddings(x)
        for layer in self.transformer["layers"]:
            x = layer(x)
        return x[:, 4:]


class Step3Mini(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.vision_model = Vision(c)
        self.vit_downsampler = nn.Conv2d(c.v_hidden, c.v_out, 2, 2)
        self.vit_downsampler2 = nn.Conv2d(c.v_out, 2 * c.v_out, 3, 2, 1)
        self.vit_large_projector = nn.Linear(2 * c.v_out, c.hidden_size, bias=False)
        self.model = TextModel(c)
        self.lm_head = nn.Linear(c.hidden_size, c.vocab_size, bias=False)
        nn.init.normal_(self.lm_head.weight, std=0.02)
        for n, p in self.named_parameters():
            if n.endswith(("o_proj.weight", "down_proj.weight")):
                p.data *= 0.5
        freq = c.rope_theta ** (-torch.arange(0, c.head_dim, 2).float() / c.head_dim)
        self.register_buffer("freq", freq, persistent=False)

    def project(self, v):
        """ViT output [B, grid * grid, width] -> image rows [B, image_tokens, hidden]."""
        g = self.c.grid
        f = self.vit_downsampler2(self.vit_downsampler(v.transpose(1, 2).reshape(len(v), -1, g, g)))
        return self.vit_large_projector(f.flatten(2).transpose(1, 2))

    def embed(self, ids, rows, is_image):
        """Token embeddings [B, T, hidden] with the image rows put where is_image [B, T] is set."""
        x = self.model.embed_tokens(ids)
        if rows is not None and len(rows):
            x = x.masked_scatter(is_image.unsqueeze(-1), rows.reshape(-1, rows.shape[-1]).to(x.dtype))
        return x

    def angles(self, pos):
        """Positions [B, T] -> cos and sin for rope()."""
        angle = pos[:, None, :, None].float() * self.freq
        return angle.cos(), angle.sin()

    def trunk(self, x, pos, mask, caches=None):
        """Decoder layers on embeddings x at positions pos [B, T]; no final norm."""
        cos, sin = self.angles(pos)
        for i, layer in enumerate(self.model.layers):
            x = layer(x, cos, sin, mask, *([caches[i]] if caches is not None else []))
        return x

    def logits(self, h):
        return self.lm_head(self.model.norm(h))
