# The backbone is trained as well.
_base_ = './r2vos.py'
model = dict(backbone=dict(frozen=False))
