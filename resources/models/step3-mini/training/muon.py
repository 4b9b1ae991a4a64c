"""Muon: momentum whose update matrix is orthogonalised (Newton-Schulz), for the 2-D and 3-D weights."""

import torch


def orthogonalise(g, steps=5):
    """[..., m, n] -> nearest matrix with all singular values near 1 (quintic Newton-Schulz)."""
    x = (g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)).bfloat16()
    flip = x.size(-2) > x.size(-1)
    x = x.mT if flip else x
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if flip else x).float()


class Muon(torch.optim.Optimizer):
    """Weights of equal shape are stacked and orthogonalised in one batch; 3-D weights are stacks of
    matrices, and so is a weight with the attribute `parts`, cut along its first dimension.
    """

    def __init__(self, params, lr=0.02, momentum=0.95, weight_decay=0.01):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, mom = group["lr"], group["momentum"]
            by_shape = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                buf = self.state[p].setdefault("m", torch.zeros_like(p))
                buf.lerp_(p.grad, 1 - mom)
                by_shape.setdefault((p.shape, getattr(p, "parts", 1)), []).append((p, p.grad.lerp(buf, mom)))
            for (shape, parts), pairs in by_shape.items():
                u = torch.stack([u for _, u in pairs])
                o = orthogonalise(u.reshape(-1, shape[-2] // parts, shape[-1])).view(len(pairs), *shape)
                scale = max(1, shape[-2] / parts / shape[-1]) ** 0.5
                for (p, _), d in zip(pairs, o):
                    p.mul_(1 - lr * group["weight_decay"]).add_(d, alpha=-lr * scale)
