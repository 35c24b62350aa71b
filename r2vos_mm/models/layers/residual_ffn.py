"""Define the tail of a post-norm transformer layer."""

from torch import Tensor, nn


class ResidualFFN(nn.Module):
    """x -> LN(x + update) -> LN(. + FFN(.)): the tail of a post-norm transformer layer."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.update_dropout = nn.Dropout(dropout)
        self.update_norm = nn.LayerNorm(channels)
        self.ffn = nn.Sequential(
            nn.Linear(channels, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, channels),
            nn.Dropout(dropout),
        )
        self.ffn_norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, update: Tensor) -> Tensor:
        """(..., C), (..., C) -> (..., C)."""
        tokens = self.update_norm(tokens + self.update_dropout(update))
        return self.ffn_norm(tokens + self.ffn(tokens))
