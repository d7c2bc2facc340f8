"""GSAD's structure term: singular values of clusters of patches, all matrices of a batch in one call."""

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDS = 10
"""Rounds of k-means; the clusters only say which patches belong together, so more of them change little."""


def patches(images: Tensor, side: int) -> Tensor:
    """Patches of the mean over channels, side by side: [B, C, H, W] to [B, N, side * side]; a rest is left out."""
    grey = images.mean(1, keepdim=True)
    return F.unfold(grey, side, stride=side).mT


@torch.no_grad()
def cluster(rows: Tensor, count: int) -> Tensor:
    """Clusters of the rows of each matrix by k-means: [B, N, D] to [B, N], numbers from 0 to `count` - 1.

    It begins with the rows at evenly spaced ranks of their mean, so that nothing is drawn at random.
    """
    n = rows.shape[1]
    ranks = rows.mean(2).argsort(1)
    places = ((torch.arange(count, device=rows.device) + 0.5) * n / count).long().clamp(max=n - 1)
    centres = rows.gather(1, ranks[:, places, None].expand(-1, -1, rows.shape[2]))
    for _ in range(ROUNDS):
        member = F.one_hot(torch.cdist(rows, centres).argmin(2), count).to(rows.dtype)
        sizes = member.sum(1)[..., None]
        # A cluster that lost all of its rows stays where it was.
        centres = torch.where(sizes > 0, member.mT @ rows / sizes.clamp(min=1), centres)
    return torch.cdist(rows, centres).argmin(2)


def singular_value_distance(one: Tensor, other: Tensor, clusters: Tensor, count: int) -> Tensor:
    """Sum over clusters and singular values of the absolute difference, [B].

    one, other: [B, N, D], the rows of two matrices that correspond.
    clusters: [B, N], the cluster of each row of both.
    count: of clusters.

    Rows of other clusters are set to zero, which leaves singular values as they are and gives all matrices one shape.
    """
    member = F.one_hot(clusters, count).to(one.dtype).mT[..., None]  # [B, count, N, 1]
    mine: Tensor = torch.linalg.svdvals(member * one[:, None])
    theirs: Tensor = torch.linalg.svdvals(member * other[:, None])
    return (mine - theirs).abs().sum((1, 2))
